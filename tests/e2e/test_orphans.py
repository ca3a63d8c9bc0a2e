# tests/e2e/test_orphans.py — files that kills in the middle of copies and publishes left are collected by a later run, and nothing else is.
import os
import pathlib
import time
import urllib.parse
import uuid

import pytest

from support import wait_for
from test_kill import POINTS, fill
from test_positions import rest, set_main

DAY = 86400
TABLES = ("acc", "acc__changes")


def warehouse_files(tarn):
    return {p for t in TABLES for p in (pathlib.Path(tarn.folder) / "warehouse" / "src" / t).rglob("*") if p.is_file()}


def named_files(tarn):
    """All that pyiceberg finds from the tables' current metadata, older versions and the metadata log included."""
    found = set()
    for name in TABLES:
        table = tarn.iceberg(name)
        found |= {table.metadata_location} | {e.metadata_file for e in table.metadata.metadata_log}
        for snapshot in table.metadata.snapshots:
            found.add(snapshot.manifest_list)
            for manifest in snapshot.manifests(table.io):
                found.add(manifest.manifest_path)
                found |= {e.data_file.file_path for e in manifest.fetch_manifest_entry(table.io, discard_deleted=True)}
    return {pathlib.Path(urllib.parse.urlparse(f).path) for f in found}


def die_at(tarn, database, point, hit, sql):
    tarn.start(wait=False, env={"TARN_FAILPOINTS": f"{point}=kill@{hit}"})
    deadline = time.monotonic() + 20
    while tarn.process.poll() is None and time.monotonic() < deadline:
        database.sql(sql)
        time.sleep(0.05)
    assert tarn.process.wait(1) != 0, point


@pytest.mark.skipif(not POINTS, reason="this tarn was built without failpoints (-Dfailpoints=true)")
def test_leftovers_of_kills_are_collected(tarn, database):
    fill(database, 500)
    die_at(tarn, database, "lake.publish.before_commit", 1, "SELECT 1")  # in the copy
    tarn.start().wait_running("acc")
    database.sql("UPDATE acc SET balance = balance + 1 WHERE id < 50")
    tarn.wait_caught_up(database)
    old_rows, old = tarn.rows("acc"), tarn.iceberg("acc").current_snapshot().snapshot_id
    tarn.command("table", "tag", "src.acc", "audit")
    tarn.stop()
    change = "UPDATE acc SET balance = balance + 1 WHERE id % 7 = 0"
    for point, hit in [("apply.publish.flushed", 2), ("iceberg.prepare.manifest_written", 1), ("catalog.commit.metadata_written", 1), ("catalog.commit.before_swap", 3), ("store.put.before_name", 5)]:
        die_at(tarn, database, point, hit, change)
    tarn.start().wait_running("acc")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["acc"])
    left = warehouse_files(tarn) - named_files(tarn)
    assert any(p.name.startswith(".tmp-") for p in left)
    assert {p.suffix for p in left if not p.name.startswith(".tmp-")} >= {".parquet", ".puffin", ".avro", ".json"}
    tarn.stop()

    for p in warehouse_files(tarn):
        os.utime(p, (time.time() - 4 * DAY,) * 2)
    data = pathlib.Path(tarn.folder) / "warehouse" / "src" / "acc" / "data"
    young, theirs = data / f"{uuid.uuid4()}.parquet", data / "part-0.parquet"
    for p, days in ((young, 2), (theirs, 4)):
        p.write_bytes(b"left")
        os.utime(p, (time.time() - days * DAY,) * 2)
    tarn.start().wait_running("acc")
    wait_for(lambda: warehouse_files(tarn) - named_files(tarn) == {young, theirs}, what="leftovers are gone")
    assert named_files(tarn) <= warehouse_files(tarn)
    assert "that no version names" in tarn.log_text()
    database.sql(change)
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["acc"])
    assert sorted(tarn.rows("acc", snapshot_id=old), key=lambda r: r["id"]) == sorted(old_rows, key=lambda r: r["id"])


def test_a_shorter_age_is_a_setting(tarn, database):
    """What this run writes stays, whatever the age says; what an earlier one left two hours ago goes after one."""
    fill(database, 10)
    tarn.start().wait_running("acc")
    tarn.stop()
    left = pathlib.Path(tarn.folder) / "warehouse" / "src" / "acc__changes" / "metadata" / f"{uuid.uuid4()}-m0.avro"
    left.write_bytes(b"left")
    os.utime(left, (time.time() - 7200,) * 2)
    tarn.start(sets=["lake.orphan_age=3h"]).wait_running("acc")
    database.sql("UPDATE acc SET balance = 5")
    tarn.wait_caught_up(database)
    assert left.exists()
    tarn.stop()
    tarn.start(sets=["lake.orphan_age=1h"]).wait_running("acc")
    wait_for(lambda: not left.exists(), what="the leftover is gone")
    tarn.check_equal(database, ["acc"])


def test_files_of_a_stopped_table_stay(tarn, database):
    """A catalog restored from an older copy does not name the newest rows: they are for whoever mends it."""
    fill(database, 10)
    tarn.start().wait_running("acc")
    database.sql("UPDATE acc SET balance = 5")
    tarn.wait_caught_up(database)
    older = tarn.iceberg("acc").metadata.snapshots[0].snapshot_id
    newest = {pathlib.Path(urllib.parse.urlparse(m.manifest_path).path) for m in tarn.iceberg("acc").current_snapshot().manifests(tarn.iceberg("acc").io)}
    metadata = rest(tarn, "namespaces/src/tables/acc")["metadata"]
    set_main(tarn, "src", "acc", older, [{"action": "remove-snapshots", "snapshot-ids": [s["snapshot-id"] for s in metadata["snapshots"] if s["snapshot-id"] != older]}])
    tarn.stop()
    for p in warehouse_files(tarn):
        os.utime(p, (time.time() - 4 * DAY,) * 2)
    left = pathlib.Path(tarn.folder) / "warehouse" / "src" / "acc__changes" / "metadata" / f"{uuid.uuid4()}-m0.avro"
    left.write_bytes(b"left")
    os.utime(left, (time.time() - 4 * DAY,) * 2)
    before = warehouse_files(tarn)
    tarn.start()
    wait_for(lambda: (tarn.table("acc") or {}).get("state") == "stopped", what="the older version is seen")
    time.sleep(2)  # the copier looks twice a second
    assert newest <= before <= warehouse_files(tarn)
