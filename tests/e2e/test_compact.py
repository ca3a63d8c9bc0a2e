# tests/e2e/test_compact.py — small files are merged while changes go on: few files stay, no row changes, rows keep their identity.
import time

import duckdb
import duckdb_extensions
import pytest

from support import wait_for
from test_kill import POINTS, Writer, fill

COMPACT_POINTS = [p for p in POINTS if p.startswith("compact.")]


def live_files(tarn, table):
    return [task.file.file_path for task in tarn.iceberg(table).scan().plan_files()]


def snapshots(tarn, table):
    return tarn.iceberg(table).snapshots()


def merges(tarn, table):
    return sum(s.summary.operation.value == "replace" for s in snapshots(tarn, table))


def lineage(tarn, table="acc"):
    """id -> (_row_id, _last_updated_sequence_number), read by DuckDB's Iceberg extension."""
    with duckdb.connect() as con:
        for name in ("avro", "iceberg"):
            duckdb_extensions.import_extension(name, con=con)
            con.execute(f"LOAD {name}")
        rows = con.execute(f"SELECT id, _row_id, _last_updated_sequence_number FROM iceberg_scan('{tarn.metadata_location(table)}')").fetchall()
    ids = [r[1] for r in rows]
    assert None not in ids and len(set(ids)) == len(ids)
    return {r[0]: (r[1], r[2]) for r in rows}


def some_publishes(tarn, database, n, statement):
    """n versions of acc, each with what statement(i) does."""
    for i in range(n):
        before = tarn.table("acc")["published_versions"]
        for sql in statement(i):
            database.sql(sql)
        wait_for(lambda b=before: tarn.table("acc")["published_versions"] > b, what="a publish")


def test_few_files_after_many_publishes(tarn, database):
    """200 versions without merging would be 200 files a table."""
    fill(database, 300)
    tarn.start().wait_running("acc")
    with Writer(database, 11, pause=0.01):
        wait_for(lambda: tarn.table("acc")["published_versions"] >= 200, 120, what="200 publishes")
        most = max(len(live_files(tarn, t)) for _ in range(5) for t in ("acc", "acc__changes") if not time.sleep(0.3))
    assert most < 40
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["acc"])
    assert merges(tarn, "acc") and merges(tarn, "acc__changes")


def test_merge_changes_no_row_and_keeps_identity(tarn, database):
    """Old files lack the column added meanwhile; updated rows have a stored id, others one from their place."""
    fill(database, 50)
    tarn.start(sets=["lake.compact=false"]).wait_running("acc")
    some_publishes(tarn, database, 6, lambda i: [f"INSERT INTO acc VALUES ({1000 + i}, 'new', {i}, NULL)", f"UPDATE acc SET balance = -1 WHERE id = {i + 1}", f"DELETE FROM acc WHERE id = {40 + i}"])
    database.sql("ALTER TABLE acc ADD COLUMN more text[]")
    some_publishes(tarn, database, 6, lambda i: [f"INSERT INTO acc VALUES ({2000 + i}, NULL, {i}, 'x', ARRAY['a', NULL])", f"UPDATE acc SET more = ARRAY['b'] WHERE id = {i + 3}", f"DELETE FROM acc WHERE id = {1000 + i}"])
    tarn.wait_caught_up(database)
    assert len(live_files(tarn, "acc")) >= 8 and merges(tarn, "acc") == 0
    before, files = lineage(tarn), set(live_files(tarn, "acc"))
    changes = sorted(map(repr, tarn.rows("acc__changes")))
    assert tarn.stop() == 0

    tarn.start().wait_running("acc")  # nothing is changed any more: what is there is merged
    wait_for(lambda: merges(tarn, "acc") and merges(tarn, "acc__changes"), what="both tables are merged\n" + tarn.log_text()[-2000:])
    assert not files & set(live_files(tarn, "acc")) and len(live_files(tarn, "acc")) == 1 and len(live_files(tarn, "acc__changes")) == 1
    assert lineage(tarn) == before
    tarn.check_equal(database, ["acc"])
    assert sorted(map(repr, tarn.rows("acc__changes"))) == changes
    last, parent = snapshots(tarn, "acc")[-1].summary, snapshots(tarn, "acc")[-2].summary
    assert last["tarn.lsn"] == parent["tarn.lsn"] and last["tarn.commit-id"] != parent["tarn.commit-id"]
    assert last["tarn.commit-id"] == tarn.iceberg("acc").properties["tarn.commit-id"]

    # rows are found where they are now, and keep their ids
    database.sql("UPDATE acc SET balance = balance + 5 WHERE id IN (1, 30, 2003)")
    database.sql("DELETE FROM acc WHERE id IN (2, 31, 2004)")
    database.sql("UPDATE acc SET id = 7777 WHERE id = 32")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["acc"])
    after = lineage(tarn)
    assert {k: v[0] for k, v in after.items() if k != 7777} == {k: v[0] for k, v in before.items() if k not in (2, 31, 2004, 32)}
    assert {k for k, v in after.items() if k in before and v[1] != before[k][1]} == {1, 30, 2003}
    assert tarn.stop() == 0
    tarn.start().wait_running("acc")  # the version of a merge is known as ours
    tarn.check_equal(database, ["acc"])


def test_truncate_and_copy_again_beside_merges(tarn, database):
    fill(database, 200)
    tarn.start(env={"TARN_FAILPOINTS": "compact.written=delay:300"} if COMPACT_POINTS else None).wait_running("acc")
    with Writer(database, 13, pause=0.01):
        for i in range(6):
            time.sleep(1.2)
            if i % 2:
                database.sql("TRUNCATE acc")
            else:
                assert tarn.command("table", "recopy", "src.acc").returncode == 0
    tarn.wait_running("acc")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["acc"])
    assert "error" not in [line.split()[1] for line in tarn.log_text().splitlines() if line[:2] == "20"]


@pytest.mark.skipif(not COMPACT_POINTS, reason="this tarn was built without failpoints (-Dfailpoints=true)")
@pytest.mark.parametrize("hit", [1, 2])
@pytest.mark.parametrize("point", COMPACT_POINTS or ["none"])
def test_kill_in_a_merge(tarn, database, point, hit):
    fill(database, 300)
    with Writer(database, 7, pause=0.01):
        for _ in range(2):
            tarn.start(wait=False, env={"TARN_FAILPOINTS": f"{point}=kill@{hit}"})
            assert tarn.process.wait(30) == -9  # merges happen
        tarn.start().wait_running("acc")
        wait_for(lambda: merges(tarn, "acc"), what="a merge")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["acc"])


@pytest.mark.skipif(not COMPACT_POINTS, reason="this tarn was built without failpoints (-Dfailpoints=true)")
def test_failed_commit_of_a_merge(tarn, database):
    fill(database, 300)
    tarn.start(env={"TARN_FAILPOINTS": "compact.before_commit=error@1"}).wait_running("acc")
    with Writer(database, 7, pause=0.01):
        wait_for(lambda: "merging small files of src.acc" in tarn.log_text(), what="the failure is said")
        tarn.wait_running("acc")
        time.sleep(1)
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["acc"])
