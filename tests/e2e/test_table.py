# tests/e2e/test_table.py — tarn table: what it shows is what other readers see; rollback, tags and recopy do what they say and refuse what would break the promise.
import json
import os
import pty
import random
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request

import pyarrow as pa
import pytest
from pyiceberg.catalog import load_catalog
from support import wait_for

USERS = "CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL, balance numeric(12,2), tags text[])"


def fill(database, n=100):
    database.sql(USERS)
    database.sql("INSERT INTO users SELECT g, 'user ' || g, g * 1.5, ARRAY['a', NULL] FROM generate_series(1, %s) g" % n)


def table(tarn, *args, ok=0, stdin=None):
    out = tarn.command("table", *args, stdin=stdin)
    assert out.returncode == ok, f"{args}: status {out.returncode}\n{out.stdout}{out.stderr}"
    return out


def table_json(tarn, *args):
    return json.loads(table(tarn, *args, "--json").stdout)


def rest(tarn):
    """pyiceberg as a client of the catalog that tarn serves."""
    return load_catalog("tarn", type="rest", uri=f"http://{tarn.addresses()['catalog']}")


def foreign_commit(tarn, name="users"):
    """Another writer's commit (pyiceberg writes no tables of version 3, so the request is made by hand): a version with the files of the oldest one, as an overwrite makes it."""
    ice = tarn.iceberg(name)
    oldest, current = ice.metadata.snapshots[0], ice.metadata.current_snapshot()
    snapshot = {"snapshot-id": random.getrandbits(62), "parent-snapshot-id": current.snapshot_id, "sequence-number": ice.metadata.last_sequence_number + 1, "timestamp-ms": int(time.time() * 1000),
                "manifest-list": oldest.manifest_list, "schema-id": 0, "first-row-id": ice.metadata.next_row_id, "added-rows": 0, "summary": {"operation": "overwrite"}}
    body = {"requirements": [{"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": current.snapshot_id}],
            "updates": [{"action": "add-snapshot", "snapshot": snapshot}, {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": snapshot["snapshot-id"]}]}
    request = urllib.request.Request(f"http://{tarn.addresses()['catalog']}/v1/namespaces/src/tables/{name}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            assert json.load(reply)["metadata"]["current-snapshot-id"] == snapshot["snapshot-id"]
    except urllib.error.HTTPError as e:
        raise AssertionError(e.read().decode()) from e
    return snapshot["snapshot-id"]


def test_ls_show_history_files_agree_with_pyiceberg(tarn, database):
    fill(database)
    tarn.start().wait_running("users")
    database.sql("UPDATE users SET name = 'x' WHERE id <= 7")
    tarn.wait_caught_up(database)
    for running in (True, False):
        listed = {t["table"]: t for t in table_json(tarn, "ls")}
        assert sorted(listed) == ["src.users", "src.users__changes"]
        ice = tarn.iceberg("users")
        mirror = listed["src.users"]
        files = list(ice.scan().plan_files())
        assert mirror["rows"] == len(tarn.rows("users")) == 100
        assert mirror["version"] == ice.metadata.current_snapshot_id
        assert mirror["files"] == len(files) == 2
        assert mirror["bytes"] >= sum(f.file.file_size_in_bytes for f in files)
        assert mirror["delete_files"] == 1 and mirror["deleted_rows"] == 7
        assert mirror["kind"] == "mirror" and listed["src.users__changes"]["kind"] == "changelog"
        assert mirror["lsn"] == ice.properties["tarn.lsn"]
        assert listed["src.users__changes"]["rows"] == len(tarn.rows("users__changes")) == 7

        shown = table_json(tarn, "show", "users")
        assert shown["uuid"] == str(ice.metadata.table_uuid) and shown["location"] == ice.location()
        assert [(f["id"], f["name"], f["required"]) for f in shown["schema"]["fields"]] == [(f.field_id, f.name, f.required) for f in ice.schema().fields]
        assert shown["properties"] == dict(ice.properties)

        found = table_json(tarn, "files", "src.users")
        assert sorted(f["path"] for f in found["files"]) == sorted(f.file.file_path for f in files)
        assert sorted((f["rows"], f["deleted_rows"]) for f in found["files"]) == [(7, 0), (100, 7)]

        versions = table_json(tarn, "history", "users")
        assert [v["version"] for v in versions] == [s.snapshot_id for s in reversed(ice.metadata.snapshots)]
        assert [v["current"] for v in versions] == [True, False]
        assert [(v["added_rows"], v["deleted_rows"]) for v in versions] == [(7, 7), (100, 0)]
        old = table_json(tarn, "files", "users", "--version", str(versions[1]["version"]))
        assert [(f["rows"], f["deleted_rows"]) for f in old["files"]] == [(100, 0)]

        text = table(tarn, "show", "src.users").stdout
        assert "decimal(12, 2)" in text and "list<string>" in text and "mirror of src.public.users" in text
        assert "src.users__changes" in table(tarn).stdout
        if running:
            tarn.stop()


def test_words_and_errors(tarn, database):
    out = table(tarn, "ls", ok=3)
    assert "tarn run" in out.stderr
    fill(database)
    tarn.start().wait_running("users")
    assert "did you mean src.users" in table(tarn, "show", "src.user", ok=3).stderr
    assert "has no version 42" in table(tarn, "files", "users", "--version", "42", ok=3).stderr
    assert "did you mean 'history'" in table(tarn, "histroy", "users", ok=2).stderr
    assert "tarn table show NAME" in table(tarn, "show", ok=2).stderr
    assert "takes no --drop" in table(tarn, "show", "users", "--drop", ok=2).stderr
    assert "not a version" in table(tarn, "files", "users", "--version", "x", ok=2).stderr
    assert "has no tag" in table(tarn, "rollback", "src.users", "--tag", "nope", ok=3).stderr
    assert "did you mean src.users" in table(tarn, "recopy", "src.user", ok=3).stderr
    assert not (tarn.state / "recopy").exists()


def test_tags_keep_versions(tarn, database):
    fill(database)
    tarn.start(sets=["lake.keep_versions=2", "lake.keep_age=1s"]).wait_running("users")
    first = table_json(tarn, "history", "users")[0]["version"]
    table(tarn, "tag", "users", "begin")
    assert table_json(tarn, "show", "users")["refs"]["begin"] == {"snapshot-id": first, "type": "tag"}
    table(tarn, "tag", "users", "begin")  # the same again
    for n in range(8):
        database.sql("UPDATE users SET balance = %s WHERE id = 1", n)
        tarn.wait_caught_up(database)
    assert tarn.table("users")["state"] == "running"
    wait_for(lambda: (database.sql("UPDATE users SET balance = balance + 1 WHERE id = 2"), tarn.wait_caught_up(database), len(table_json(tarn, "history", "users")) <= 5)[2], 30, 0.5, "old versions expire")
    assert first in [v["version"] for v in table_json(tarn, "history", "users")]
    assert len(tarn.rows("users", snapshot_id=first)) == 100
    assert "drop that first" in table(tarn, "tag", "users", "begin", ok=3).stderr
    assert "is a branch" in table(tarn, "tag", "users", "main", ok=3).stderr
    assert "not a tag" in table(tarn, "tag", "users", "main", "--drop", ok=2).stderr
    table(tarn, "tag", "users", "begin", "--drop")
    assert "has no tag" in table(tarn, "tag", "users", "begin", "--drop", ok=3).stderr
    assert set(table_json(tarn, "show", "users")["refs"]) == {"main"}
    tarn.check_equal(database, ["users"])


def test_rollback_undoes_a_foreign_commit(tarn, database):
    fill(database)
    tarn.start().wait_running("users")
    database.sql("UPDATE users SET name = 'x' WHERE id = 1")
    tarn.wait_caught_up(database)
    own, older = [v["version"] for v in table_json(tarn, "history", "users")]
    assert "nothing to do" in table(tarn, "rollback", "users").stdout
    out = table(tarn, "rollback", "users", "--version", str(older), ok=2)
    assert "tarn table recopy src.users" in out.stderr and str(own) in out.stderr
    assert tarn.iceberg("users").metadata.current_snapshot_id == own

    foreign = foreign_commit(tarn)
    database.sql("INSERT INTO users VALUES (200, 'after', 1)")
    wait_for(lambda: tarn.table("users")["state"] == "stopped", what="the foreign commit is seen")
    assert "rollback" in tarn.table("users")["reason"]
    assert "by:another-writer" in table(tarn, "history", "users").stdout
    assert "tarn table recopy" in table(tarn, "rollback", "users", "--version", str(foreign), ok=2).stderr
    out = table(tarn, "rollback", "users")
    assert f"src.users is at version {own} now; it was at {foreign}" in out.stdout
    assert [(v["version"], v["undone"]) for v in table_json(tarn, "history", "users")][0] == (foreign, True)
    assert tarn.iceberg("users").metadata.current_snapshot_id == own
    tarn.stop()
    tarn.start().wait_running("users")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["users"])
    database.sql("UPDATE users SET name = 'y' WHERE id <= 50")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["users"])


def test_rollback_of_a_foreign_rollback(tarn, database):
    """Another engine set the table back to an old version of ours: undoing that goes forward."""
    fill(database)
    tarn.start().wait_running("users")
    database.sql("UPDATE users SET name = 'x' WHERE id = 1")
    tarn.wait_caught_up(database)
    own, older = [v["version"] for v in table_json(tarn, "history", "users")]
    rest(tarn).load_table("src.users").manage_snapshots().set_current_snapshot(older).commit()
    assert [(v["version"], v["current"], v["undone"]) for v in table_json(tarn, "history", "users")] == [(own, False, True), (older, True, False)]
    tarn.stop()
    tarn.start()
    wait_for(lambda: (tarn.table("users") or {}).get("state") == "stopped", what="it is seen at open")
    assert f"is at version {own} now" in table(tarn, "rollback", "src.users").stdout
    tarn.stop()
    tarn.start().wait_running("users")
    tarn.check_equal(database, ["users"])


def test_rollback_of_a_table_that_was_stopped_at_start(tarn, database):
    """The foreign commit comes while tarn is down: the table never opened, yet its changes must be kept while others go on."""
    fill(database)
    database.sql("CREATE TABLE other (id int PRIMARY KEY)")
    tarn.start().wait_running("users", "other")
    database.sql("UPDATE users SET name = 'x' WHERE id = 1")
    wait_for(lambda: any(r["name"] == "x" for r in tarn.rows("users")), what="the update is published")
    foreign_commit(tarn)
    tarn.stop()
    tarn.start()
    wait_for(lambda: (tarn.table("users") or {}).get("state") == "stopped", what="the foreign commit is seen at open")
    database.sql("INSERT INTO users VALUES (200, 'while stopped', 1)")
    database.sql("INSERT INTO other SELECT generate_series(1, 10)")
    wait_for(lambda: len(tarn.rows("other")) == 10, what="the other table goes on")
    table(tarn, "rollback", "users")
    tarn.stop()
    tarn.start().wait_running("users", "other")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["users", "other"])


def test_foreign_tables_go_back_freely(tarn, database):
    fill(database)
    tarn.start().wait_running("users")
    catalog = rest(tarn)
    catalog.create_namespace("own")
    made = catalog.create_table("own.t", schema=pa.schema([("a", pa.int64())]))
    for n in range(3):
        made.append(pa.table({"a": [n]}))
    ids = [s.snapshot_id for s in made.metadata.snapshots]
    assert "--version N or --tag" in table(tarn, "rollback", "own.t", ok=2).stderr
    table(tarn, "tag", "own.t", "one", "--version", str(ids[0]))
    table(tarn, "rollback", "own.t", "--version", str(ids[1]), "--yes")
    assert sorted(catalog.load_table("own.t").scan().to_arrow()["a"].to_pylist()) == [0, 1]
    table(tarn, "rollback", "t", "--tag", "one")
    assert catalog.load_table("own.t").scan().to_arrow()["a"].to_pylist() == [0]
    table(tarn, "rollback", "own.t", "--version", str(ids[2]))
    assert sorted(catalog.load_table("own.t").scan().to_arrow()["a"].to_pylist()) == [0, 1, 2]
    listed = {t["table"]: t for t in table_json(tarn, "ls")}["own.t"]
    assert listed["rows"] == 3 and "lsn" not in listed
    assert "no pipeline" in table(tarn, "recopy", "own.t", ok=3).stderr


def test_rollback_loses_against_a_concurrent_commit(tarn, database):
    """Between the look at the table and the swap somebody else commits: nothing is done."""
    fill(database)
    tarn.start().wait_running("users")
    catalog = rest(tarn)
    catalog.create_namespace("own")
    made = catalog.create_table("own.t", schema=pa.schema([("a", pa.int64())]))
    made.append(pa.table({"a": [0]}))
    made.append(pa.table({"a": [1]}))
    late = subprocess.Popen([tarn.binary, "-c", str(tarn.config), "table", "rollback", "own.t", "--version", str(made.metadata.snapshots[0].snapshot_id)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, "TARN_FAILPOINTS": "catalog.commit.synced=delay:3000@1"})
    wait_for(lambda: len(list((tarn.warehouse / "own" / "t" / "metadata").glob("0000[3-9]-*"))) == 1, what="the rollback's metadata is written")
    made.append(pa.table({"a": [2]}))
    out, text = late.communicate(timeout=30)
    assert late.returncode == 14 and "nothing was done" in text, out + text
    assert sorted(catalog.load_table("own.t").scan().to_arrow()["a"].to_pylist()) == [0, 1, 2]
    assert len(catalog.load_table("own.t").metadata.snapshots) == 3


@pytest.mark.parametrize("word", ["src.users", "src.users__changes", "src"])
def test_recopy_heals_a_stopped_table(tarn, database, word):
    fill(database)
    tarn.start().wait_running("users")
    foreign_commit(tarn)
    database.sql("INSERT INTO users VALUES (200, 'after', 1)")
    wait_for(lambda: tarn.table("users")["state"] == "stopped", what="the foreign commit is seen")
    out = table(tarn, "recopy", word)
    assert "src.users: the running tarn copies it now" in out.stdout
    tarn.wait_running("users")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["users"])
    assert os.listdir(tarn.state / "recopy") == []


def test_recopy_without_a_running_tarn(tarn, database):
    fill(database)
    tarn.start().wait_running("users")
    tarn.stop()
    before = tarn.metadata_location("users")
    assert "at the next 'tarn run'" in table(tarn, "recopy", "users", ok=3).stderr + table(tarn, "recopy", "src.users").stdout
    assert len(os.listdir(tarn.state / "recopy")) == 1
    assert tarn.metadata_location("users") == before
    tarn.start().wait_running("users")
    wait_for(lambda: os.listdir(tarn.state / "recopy") == [] and tarn.metadata_location("users") != before, what="it is copied")
    tarn.wait_running("users")
    tarn.check_equal(database, ["users"])


def test_a_table_that_cannot_be_read_is_named(tarn, database):
    fill(database)
    tarn.start().wait_running("users")
    tarn.stop()
    with sqlite3.connect(tarn.state / "catalog.db") as db:
        db.execute("UPDATE tables SET metadata_location = metadata_location || '.gone' WHERE name = 'users'")
    out = table(tarn, "ls", ok=10)
    assert "src.users cannot be read" in out.stdout and "src.users__changes" in out.stdout


@pytest.mark.parametrize("answer, done", [("n\n", False), ("\n", False), ("y\n", True)])
def test_asks_on_a_terminal(tarn, database, answer, done):
    fill(database)
    tarn.start().wait_running("users")
    tarn.stop()
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(tarn.binary, [tarn.binary, "-c", str(tarn.config), "table", "recopy", "src"])
    seen = b""
    while b"(y/n)" not in seen:
        seen += os.read(fd, 4096)
    os.write(fd, answer.encode())
    _, end = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(end) == (0 if done else 15)
    assert b"src.users again" in seen
    assert (tarn.state / "recopy").exists() == done
