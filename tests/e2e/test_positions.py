# tests/e2e/test_positions.py — a pipeline's position never stands for a table that was elsewhere.
import json
import time
import urllib.request

from support import wait_for


def test_killed_after_a_copy_while_others_went_on(tarn, database):
    """Table b is copied while a changes and publishes; death right behind b's commit must not make b skip what came meanwhile."""
    database.sql("CREATE TABLE a (id int PRIMARY KEY, v int)")
    database.sql("INSERT INTO a SELECT g, 0 FROM generate_series(1, 100) g")
    tarn.start().wait_running("a")
    tarn.stop()
    database.sql("CREATE TABLE b (id int PRIMARY KEY, v int)")
    database.sql("INSERT INTO b SELECT g, 0 FROM generate_series(1, 100) g")
    tarn.start(env={"TARN_FAILPOINTS": "copier.before_publish=delay:2500;copier.published=kill"})
    wait_for(lambda: (tarn.table("b") or {}).get("state") == "copying", what="b is copied")
    for round_ in range(10):
        database.sql("UPDATE b SET v = v + 1 WHERE id <= 50; UPDATE a SET v = v + 1")
        database.sql("INSERT INTO b VALUES (%s, 7)", 1000 + round_)
    wait_for(lambda: tarn.process.poll() is not None, 20, what="the failpoint kills it")
    tarn.start().wait_running("a", "b")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["a", "b"])


def test_stopped_table_resumes_where_it_stopped(tarn, database):
    """A table that stops keeps its place, although the pipeline goes on and is restarted."""
    database.sql("CREATE TABLE a (id int PRIMARY KEY, v int)")
    database.sql("CREATE TABLE b (id int PRIMARY KEY, v int)")
    database.sql("INSERT INTO b SELECT g, 0 FROM generate_series(1, 10) g")
    tarn.start().wait_running("a", "b")
    database.sql("INSERT INTO a VALUES (1, 1); UPDATE b SET v = 1 WHERE id = 1")
    tarn.wait_caught_up(database)
    version = foreign_commit(tarn, "src", "b")
    database.sql("UPDATE b SET v = 2 WHERE id = 2")
    wait_for(lambda: tarn.table("b")["state"] == "stopped", what="the foreign commit stops b")
    assert "another writer" in tarn.table("b")["reason"]
    for n in range(20):
        database.sql("INSERT INTO a VALUES (%s, 1)", 100 + n)
        database.sql("UPDATE b SET v = v + 1 WHERE id = 3")
    wait_for(lambda: len(tarn.rows("a")) == 21, what="a goes on")
    tarn.stop()
    tarn.start().wait_running("a")
    wait_for(lambda: tarn.table("b")["state"] == "stopped", what="b is still stopped")
    set_main(tarn, "src", "b", version)
    tarn.stop()
    tarn.start().wait_running("a", "b")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["a", "b"])


def rest(tarn, path, body=None):
    request = urllib.request.Request(f"http://{tarn.addresses()['catalog']}/v1/{path}", data=json.dumps(body).encode() if body else None, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as r:
        return json.load(r)


def foreign_commit(tarn, namespace, table):
    """What another engine's append looks like to the catalog: a new snapshot (of the same files) that is not Tarn's. Returns the version before."""
    metadata = rest(tarn, f"namespaces/{namespace}/tables/{table}")["metadata"]
    current = next(s for s in metadata["snapshots"] if s["snapshot-id"] == metadata["current-snapshot-id"])
    snapshot = {
        **current,
        "snapshot-id": 4242,
        "parent-snapshot-id": current["snapshot-id"],
        "sequence-number": metadata["last-sequence-number"] + 1,
        "timestamp-ms": current["timestamp-ms"] + 1,
        "summary": {"operation": "append", "engine-name": "other"},
        "first-row-id": metadata["next-row-id"],
        "added-rows": 0,
    }
    set_main(tarn, namespace, table, 4242, [{"action": "add-snapshot", "snapshot": snapshot}])
    return current["snapshot-id"]


def set_main(tarn, namespace, table, snapshot_id, before=()):
    metadata = rest(tarn, f"namespaces/{namespace}/tables/{table}")["metadata"]
    rest(
        tarn,
        f"namespaces/{namespace}/tables/{table}",
        {
            "requirements": [{"type": "assert-table-uuid", "uuid": metadata["table-uuid"]}],
            "updates": [*before, {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": snapshot_id}],
        },
    )


def test_table_left_out_for_a_while(tarn, database):
    """A table that `tables:` does not name for a while lacks what came meanwhile: taken in again it says so, or has it all."""
    for name in "ab":
        database.sql(f"CREATE TABLE {name} (id int PRIMARY KEY, v int)")
        database.sql(f"INSERT INTO {name} SELECT g, 0 FROM generate_series(1, 20) g")
    tarn.start().wait_running("a", "b")
    tarn.wait_caught_up(database)
    tarn.stop()
    whole = tarn.config.read_text()
    tarn.config.write_text(whole.replace("public.*", "public.b"))
    tarn.start().wait_running("b")
    database.sql("UPDATE a SET v = 1 WHERE id = 1; UPDATE b SET v = 1 WHERE id = 1")
    tarn.wait_caught_up(database)
    time.sleep(11)  # the pipeline's position is stored every ten seconds
    database.sql("UPDATE b SET v = 1 WHERE id = 2")
    tarn.wait_caught_up(database)
    tarn.stop()
    tarn.config.write_text(whole)
    tarn.start().wait_running("b")
    wait_for(lambda: tarn.table("a")["state"] in ("running", "stopped"), what="a decision")
    if tarn.table("a")["state"] == "running":
        database.sql("UPDATE a SET v = 3 WHERE id = 3")
        tarn.wait_caught_up(database)
        tarn.check_equal(database, ["a", "b"])
    else:
        assert "tarn table recopy src.a" in tarn.table("a")["reason"]
