# tests/e2e/test_interleavings.py — interleavings that could lose or double a change without anybody noticing.
import os
import re
import subprocess
import time

import pytest
from support import lsn, wait_for


def test_table_rewritten_behind_the_snapshot(tarn, database):
    """A rewrite (as TRUNCATE) is not MVCC-safe: under an older snapshot the table is empty. A copy must not take that for its content."""
    for name in "ab":
        database.sql(f"CREATE TABLE {name} (id int PRIMARY KEY, v int)")
        database.sql(f"INSERT INTO {name} SELECT g, g FROM generate_series(1, 500) g")
    tarn.start(env={"TARN_FAILPOINTS": "copier.before_publish=delay:3000@1"})
    wait_for(lambda: (tarn.table("a") or {}).get("state") == "copying", what="a is copied")
    time.sleep(0.5)
    database.sql("ALTER TABLE b ALTER COLUMN v TYPE int USING v + 0")
    tarn.wait_running("a", "b")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["a", "b"])


def test_server_set_back_to_an_older_state(own_pg, new_tarn):
    """A server restored from an older copy of its folder: what it does from there on must not be skipped in silence."""
    database = own_pg.create_database("old")
    tarn = new_tarn({"src": database.uri})
    database.sql("CREATE TABLE a (id int PRIMARY KEY, v int)")
    database.sql("INSERT INTO a SELECT g, 0 FROM generate_series(1, 10) g")
    tarn.start().wait_running("a")
    tarn.wait_caught_up(database)
    tarn.stop()
    own_pg.stop()
    copy = f"{own_pg.home}/copy"
    subprocess.run([*own_pg.as_user, "cp", "-a", str(own_pg.data), copy], check=True)
    own_pg.start()
    tarn.start().wait_running("a")
    database.sql("INSERT INTO a SELECT g, 1 FROM generate_series(100, 20000) g")
    tarn.wait_caught_up(database)
    tarn.stop()
    own_pg.stop()
    subprocess.run([*own_pg.as_user, "rm", "-rf", str(own_pg.data)], check=True)
    subprocess.run([*own_pg.as_user, "mv", copy, str(own_pg.data)], check=True)
    own_pg.start()
    tarn.start(wait=True)
    database.sql("INSERT INTO a VALUES (50, 50)")
    wait_for(lambda: "restored" in tarn.source().get("reason", ""), 20, what="the source stops, saying why\n" + tarn.log_text()[-3000:])
    assert tarn.source()["state"] == "stopped"


def test_copied_table_goes_by_its_own_commits(tarn, database):
    """A table once held at some LSN and copied since: a later start must begin at the copy, whatever the old mark says."""
    database.sql("CREATE TABLE a (id int PRIMARY KEY, v int)")
    database.sql("CREATE TABLE b (id int PRIMARY KEY, v int)")
    database.sql("INSERT INTO b VALUES (1, 1)")
    tarn.start().wait_running("a", "b")
    tarn.wait_caught_up(database)
    tarn.stop()
    held = tarn.state / "held"
    held.mkdir(exist_ok=True)
    (held / "src=2Eb").write_text("lsn FF/0\n")  # from another life of the server
    tarn.start(env={"TARN_FAILPOINTS": "copier.published=kill"})
    tarn.command("table", "recopy", "src.b")
    wait_for(lambda: tarn.process.poll() is not None, 20, what="killed right behind the copy's commit")
    database.sql("INSERT INTO b VALUES (2, 2)")
    (tarn.state / "recopy" / "src=2Eb").unlink(missing_ok=True)
    tarn.start().wait_running("a", "b")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["a", "b"])


def test_foreign_commit_on_one_of_many(tarn, database):
    """The commit of many tables fails because of one: that one stops, the others go on without loss, and not in a loop."""
    from test_positions import foreign_commit

    names = [f"t{n}" for n in range(6)]
    for name in names:
        database.sql(f"CREATE TABLE {name} (id int PRIMARY KEY, v int)")
        database.sql(f"INSERT INTO {name} VALUES (0, 0)")
    tarn.start().wait_running(*names)
    database.sql("BEGIN; " + "".join(f"UPDATE {name} SET v = 1; " for name in names) + "COMMIT")
    tarn.wait_caught_up(database)
    foreign_commit(tarn, "src", "t3")
    for n in range(1, 6):
        database.sql("BEGIN; " + "".join(f"INSERT INTO {name} VALUES ({n}, 1); " for name in names) + "COMMIT")
    wait_for(lambda: tarn.table("t3")["state"] == "stopped", what="the changed table stops")
    others = [n for n in names if n != "t3"]
    tarn.wait_caught_up(database)
    tarn.check_equal(database, others)
    assert all(tarn.table(n)["state"] == "running" for n in others)


def test_keys_moved_in_one_transaction(tarn, database):
    database.sql("CREATE TABLE k (id int PRIMARY KEY, big text, n int)")
    database.sql("ALTER TABLE k ALTER COLUMN big SET STORAGE EXTERNAL")
    database.sql("INSERT INTO k SELECT g, repeat(md5(g::text), 200), 0 FROM generate_series(1, 50) g")
    tarn.start().wait_running("k")
    # a key taken over from a row deleted before; a swap by way of a third key; unchanged TOAST values along all of it
    database.sql("BEGIN; DELETE FROM k WHERE id = 1; UPDATE k SET id = 1 WHERE id = 2; UPDATE k SET n = n + 1 WHERE id = 1; COMMIT")
    database.sql("BEGIN; UPDATE k SET id = -1 WHERE id = 3; UPDATE k SET id = 3 WHERE id = 4; UPDATE k SET id = 4 WHERE id = -1; COMMIT")
    database.sql("BEGIN; UPDATE k SET n = 1 WHERE id = 5; DELETE FROM k WHERE id = 5; INSERT INTO k VALUES (5, 'new', 5); UPDATE k SET n = 6 WHERE id = 5; COMMIT")
    database.sql("BEGIN; INSERT INTO k VALUES (99, repeat('x', 9000), 1); SAVEPOINT s; UPDATE k SET n = 2 WHERE id = 99; ROLLBACK TO s; UPDATE k SET id = 100 WHERE id = 99; COMMIT")
    database.sql("UPDATE k SET n = n")  # changes nothing, sends all
    database.sql("BEGIN; UPDATE k SET n = n + 1; UPDATE k SET n = n + 1; UPDATE k SET id = id + 1000 WHERE id % 2 = 0; COMMIT")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["k"])
    database.sql("BEGIN; UPDATE k SET n = 7; TRUNCATE k; INSERT INTO k VALUES (1, 'a', 1); UPDATE k SET id = 2; COMMIT")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["k"])
    assert tarn.command("verify").returncode == 0


def test_unchanged_toast_across_rotated_files(tarn, database):
    """Files turn inside one transaction; values are taken from files that are finished but not committed."""
    database.sql("CREATE TABLE docs (id int PRIMARY KEY, body text, n int)")
    database.sql("ALTER TABLE docs ALTER COLUMN body SET STORAGE EXTERNAL")
    database.sql("INSERT INTO docs SELECT g, repeat(md5(g::text), 100), 0 FROM generate_series(1, 3000) g")
    tarn.start(sets=["lake.data_file_bytes=64KiB"]).wait_running("docs")
    database.sql("BEGIN; UPDATE docs SET n = 1; UPDATE docs SET n = 2 WHERE id % 3 = 0; UPDATE docs SET n = 3 WHERE id % 7 = 0; DELETE FROM docs WHERE id % 11 = 0; UPDATE docs SET id = id + 10000 WHERE id % 13 = 0; COMMIT")
    tarn.wait_caught_up(database, seconds=180)
    tarn.check_equal(database, ["docs"])
    ids = {}
    for row in tarn.rows("docs"):
        assert row["id"] not in ids
        ids[row["id"]] = 1
    assert tarn.command("verify").returncode == 0


def test_odd_shapes(tarn, database):
    """Only key columns; no rows at all; names that differ by case or look like ours."""
    database.sql("CREATE TABLE only_key (a int, b text, PRIMARY KEY (b, a))")
    database.sql("CREATE TABLE never (id int PRIMARY KEY, v text)")
    database.sql('CREATE TABLE cased (id int PRIMARY KEY, "A" int, a int)')
    database.sql("CREATE TABLE ops (id int PRIMARY KEY, _op text)")
    database.sql("CREATE TABLE rowid (_row_id bigint PRIMARY KEY, v int)")
    database.sql("INSERT INTO only_key SELECT g, 'x' || g FROM generate_series(1, 20) g; INSERT INTO rowid VALUES (1, 1)")
    tarn.start().wait_running("only_key", "never")
    database.sql("UPDATE only_key SET a = a + 100 WHERE a < 5; DELETE FROM only_key WHERE a = 10; INSERT INTO only_key VALUES (7, 'y')")
    database.sql("BEGIN; INSERT INTO never VALUES (1, 'a'); DELETE FROM never; COMMIT")
    database.sql("INSERT INTO cased VALUES (1, 2, 3); UPDATE cased SET a = 4")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["only_key", "never"])
    assert tarn.table("ops")["state"] == "stopped" and "_op" in tarn.table("ops")["reason"]
    for name in ("cased", "rowid"):
        assert tarn.table(name)["state"] in ("running", "stopped")
        if tarn.table(name)["state"] == "running":
            tarn.check_equal(database, [name])


def test_publish_fails_while_copies_wait(tarn, database):
    """The tables are opened again after a failed publish while others wait for the copier: those are the copier's."""
    for name in ("a", "b", "c", "d"):
        database.sql(f"CREATE TABLE {name} (id int PRIMARY KEY, v int)")
        database.sql(f"INSERT INTO {name} SELECT g, g FROM generate_series(1, 200) g")
    tarn.start().wait_running("a", "b", "c", "d")
    tarn.wait_caught_up(database)
    tarn.stop()
    env = {"TARN_FAILPOINTS": "catalog.commit.metadata_written=error@4;copier.before_publish=delay:1500"}
    tarn.start(env=env)
    for name in "bcd":
        tarn.command("table", "recopy", f"src.{name}")
    end = time.monotonic() + 6
    n = 1000
    while time.monotonic() < end:
        n += 1
        for name in "abcd":
            database.sql(f"INSERT INTO {name} VALUES ({n}, 1)")
        time.sleep(0.05)
    tarn.wait_running("a", "b", "c", "d", seconds=60)
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["a", "b", "c", "d"])


def test_recopy_asked_for_while_another_copy_runs(tarn, database):
    """It must not be done under the snapshot of the copy that runs: the table has published since, and would go back."""
    for name in "bc":
        database.sql(f"CREATE TABLE {name} (id int PRIMARY KEY, v int)")
        database.sql(f"INSERT INTO {name} SELECT g, g FROM generate_series(1, 20) g")
    tarn.start().wait_running("b", "c")
    tarn.wait_caught_up(database)
    tarn.stop()
    tarn.start(env={"TARN_FAILPOINTS": "copier.before_publish=delay:4000@1"}).wait_running("b", "c")
    assert tarn.command("table", "recopy", "src.b").returncode == 0
    wait_for(lambda: tarn.table("b")["state"] == "copying", what="b is copied")
    database.sql("UPDATE c SET v = 0 WHERE id <= 5")
    wait_for(lambda: len(tarn.rows("c__changes")) == 5, what="c goes on")
    before = lsn(tarn.iceberg("c").properties["tarn.lsn"])
    assert tarn.command("table", "recopy", "src.c").returncode == 0
    wait_for(lambda: not (tarn.state / "recopy" / "src=2Ec").exists(), 30, what="c was copied")
    assert lsn(tarn.iceberg("c").properties["tarn.lsn"]) >= before, "a table's position never goes back"
    tarn.wait_running("b", "c")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["b", "c"])


def test_lake_ahead_of_its_source(own_pg, new_tarn):
    """As above, but the journal was moved away: tables beyond the server's WAL stop, and a copy makes them whole."""
    database = own_pg.create_database("old")
    tarn = new_tarn({"src": database.uri})
    database.sql("CREATE TABLE a (id int PRIMARY KEY, v int)")
    own_pg.stop()
    copy = f"{own_pg.home}/copy"
    subprocess.run([*own_pg.as_user, "cp", "-a", str(own_pg.data), copy], check=True)
    own_pg.start()
    tarn.start().wait_running("a")
    database.sql("INSERT INTO a SELECT g, 1 FROM generate_series(100, 20000) g")
    tarn.wait_caught_up(database)
    tarn.stop()
    own_pg.stop()
    subprocess.run([*own_pg.as_user, "rm", "-rf", str(own_pg.data)], check=True)
    subprocess.run([*own_pg.as_user, "mv", copy, str(own_pg.data)], check=True)
    own_pg.start()
    (tarn.state / "journal").rename(tarn.folder / "journal.old")
    database.sql("INSERT INTO a VALUES (50, 50)")
    tarn.start()
    wait_for(lambda: (tarn.table("a") or {}).get("state") == "stopped", 20, what="the table stops")
    assert "older state" in tarn.table("a")["reason"]
    assert tarn.command("table", "recopy", "src.a").returncode == 0
    tarn.wait_running("a")
    database.sql("INSERT INTO a VALUES (51, 51)")
    wait_for(lambda: len(tarn.rows("a")) == 2, 20, what="changes arrive")
    tarn.kill()
    database.sql("INSERT INTO a VALUES (52, 52)")
    tarn.start().wait_running("a")
    wait_for(lambda: len(tarn.rows("a")) == 3, 20, what="changes arrive after a start")
    tarn.check_equal(database, ["a"])


def test_foreign_rows_behind_a_foreign_compaction(tarn, database):
    """Another engine's append, then its compaction on top: the newest version says 'replace', its rows are not ours."""
    from test_positions import rest, set_main

    def commit(snapshot_id, operation):
        metadata = rest(tarn, "namespaces/src/tables/a")["metadata"]
        current = next(s for s in metadata["snapshots"] if s["snapshot-id"] == metadata["current-snapshot-id"])
        snapshot = {
            **current,
            "snapshot-id": snapshot_id,
            "parent-snapshot-id": current["snapshot-id"],
            "sequence-number": metadata["last-sequence-number"] + 1,
            "timestamp-ms": current["timestamp-ms"] + 1,
            "summary": {"operation": operation, "engine-name": "other"},
            "first-row-id": metadata["next-row-id"],
            "added-rows": 0,
        }
        set_main(tarn, "src", "a", snapshot_id, [{"action": "add-snapshot", "snapshot": snapshot}])

    database.sql("CREATE TABLE a (id int PRIMARY KEY, v int)")
    database.sql("INSERT INTO a VALUES (1, 1)")
    tarn.start().wait_running("a")
    commit(77, "replace")
    tarn.stop()
    tarn.start().wait_running("a")  # a compaction alone changes no rows
    commit(78, "append")
    commit(79, "replace")
    tarn.stop()
    tarn.start()
    wait_for(lambda: (tarn.table("a") or {}).get("state") == "stopped", 20, what="the foreign rows are seen")
    assert "another writer" in tarn.table("a")["reason"]


# --- tables outside the publication: their changes just stop coming ---


@pytest.fixture
def two(tarn, database):
    for name in "ab":
        database.sql(f"CREATE TABLE {name} (id int PRIMARY KEY, v int)")
        database.sql(f"INSERT INTO {name} SELECT g, 0 FROM generate_series(1, 20) g")
    tarn.start().wait_running("a", "b")
    tarn.wait_caught_up(database)
    return tarn, database


def stopped_as_outside(tarn, name):
    wait_for(lambda: (tarn.table(name) or {}).get("state") == "stopped", 20, what=f"{name} stops\n" + tarn.log_text()[-2000:])
    reason = tarn.table(name)["reason"]
    assert f"table public.{name} was not in publication" in reason and '"tarn_src"' in reason and f"tarn table recopy src.{name}" in reason, reason


def recopied(tarn, database, *names):
    for name in names:
        assert tarn.command("table", "recopy", f"src.{name}").returncode == 0
    for name in names:
        wait_for(lambda n=name: not (tarn.state / "recopy" / f"src=2E{n}").exists(), what=f"{name} is copied")
    tarn.wait_running(*names)
    for name in names:
        database.sql(f"INSERT INTO {name} VALUES ({9000}, 1)")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, names)


def test_table_taken_out_of_the_publication(two):
    """Noticed while running; a restart (which puts it back) does not make it whole, a copy does, for good."""
    tarn, database = two
    database.sql("ALTER PUBLICATION tarn_src DROP TABLE a")
    database.sql("UPDATE a SET v = 1 WHERE id = 1")
    stopped_as_outside(tarn, "a")
    assert tarn.table("b")["state"] == "running"
    for _ in range(2):
        tarn.stop()
        tarn.start().wait_running("b")
        stopped_as_outside(tarn, "a")
    recopied(tarn, database, "a", "b")
    tarn.stop()
    tarn.start().wait_running("a", "b")
    database.sql("UPDATE a SET v = 2 WHERE id = 2")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["a", "b"])


def test_table_recopied_while_outside(two):
    """The copy puts it into the publication before its snapshot; the looks before, between and behind do not stop it again."""
    tarn, database = two
    database.sql("ALTER PUBLICATION tarn_src DROP TABLE a")
    stopped_as_outside(tarn, "a")
    recopied(tarn, database, "a")
    time.sleep(7)  # two looks of the monitor
    database.sql("UPDATE a SET v = 3 WHERE id = 3")
    tarn.wait_caught_up(database)
    assert tarn.table("a")["state"] == "running"
    tarn.check_equal(database, ["a", "b"])


def test_table_put_back_while_nobody_looks(two):
    """Out, changed, in again, all of it while Tarn is down: the membership is another one than was noted."""
    tarn, database = two
    time.sleep(4)  # a look of the monitor
    tarn.stop()
    database.sql("ALTER PUBLICATION tarn_src DROP TABLE a")
    database.sql("UPDATE a SET v = 1 WHERE id = 1")
    database.sql("ALTER PUBLICATION tarn_src ADD TABLE ONLY a")
    tarn.start().wait_running("b")
    stopped_as_outside(tarn, "a")
    recopied(tarn, database, "a", "b")
    tarn.stop()
    tarn.start().wait_running("a", "b")


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_table_put_back_and_written_to(two, end):
    """It is written to from before it is taken out until it is stopped, so it has commits from behind the look: what it lacks is not forgotten with the process."""
    tarn, database = two
    time.sleep(4)  # a look of the monitor
    marks = tarn.state / "outside" / "src"
    before = marks.read_bytes() if marks.exists() else b""
    with database.connect() as con:
        con.execute("ALTER PUBLICATION tarn_src DROP TABLE a")
        con.execute("UPDATE a SET v = 1 WHERE id = 1")
        con.execute("ALTER PUBLICATION tarn_src ADD TABLE ONLY a")
        seen = lambda: marks.read_bytes() != before if end == "kill" else tarn.table("a")["state"] == "stopped"
        until = time.monotonic() + 20
        while not seen():
            assert time.monotonic() < until, tarn.log_text()[-2000:]
            con.execute("UPDATE a SET v = v + 1 WHERE id = 2")
    tarn.stop() if end == "stop" else tarn.kill()
    tarn.start().wait_running("b")
    stopped_as_outside(tarn, "a")
    recopied(tarn, database, "a", "b")


@pytest.mark.parametrize("running", [True, False])
def test_table_put_back_before_anybody_looked(two, running):
    """Out, changed, in again: while running the membership is another one; while down it is still out at a start that does not live on."""
    tarn, database = two
    if not running:
        tarn.stop()
    with database.connect() as con:
        with con.transaction():
            con.execute("ALTER PUBLICATION tarn_src DROP TABLE a")
        con.execute("UPDATE a SET v = 1 WHERE id = 1")
        if running:
            con.execute("ALTER PUBLICATION tarn_src ADD TABLE ONLY a")
            con.execute("UPDATE a SET v = 2 WHERE id = 2")
    if not running:
        tarn.start(env={"TARN_FAILPOINTS": "source.tables.marked=kill"}, wait=False)  # killed before the publication is completed
        wait_for(lambda: tarn.process.poll() is not None, 20, what="killed at the start")
        tarn.start()
    stopped_as_outside(tarn, "a")
    tarn.stop()
    tarn.start().wait_running("b")
    stopped_as_outside(tarn, "a")
    recopied(tarn, database, "a", "b")


def test_publication_dropped_and_made_again(two):
    tarn, database = two
    with database.connect() as con:
        con.execute("BEGIN; DROP PUBLICATION tarn_src; CREATE PUBLICATION tarn_src FOR TABLE a, b; COMMIT")
    stopped_as_outside(tarn, "a")
    stopped_as_outside(tarn, "b")
    recopied(tarn, database, "a", "b")


def test_tables_added_later_and_damaged_marks(two):
    """A table made while Tarn is down is copied as ever; a file of marks that cannot be read stops the source in words."""
    tarn, database = two
    tarn.stop()
    database.sql("CREATE TABLE c (id int PRIMARY KEY, v int)")
    tarn.start(env={"TARN_FAILPOINTS": "copier.published=kill"})
    wait_for(lambda: tarn.process.poll() is not None, 20, what="killed behind the copy of c")
    tarn.start().wait_running("a", "b", "c")
    recopied(tarn, database, "a", "c")
    tarn.stop()
    marks = tarn.state / "outside" / "src"
    good = marks.read_text()
    assert re.fullmatch(r"(\d+ [0-9A-F]+/[0-9A-F]+ \d+\n)+crc [0-9a-f]{8}\n", good)
    for bad in ("", good[:-1], good.replace("crc", "crC"), "1" + good, good + "\n"):
        marks.write_text(bad)
        tarn.start()
        wait_for(lambda: "damaged" in tarn.source()["reason"], what="said")
        assert str(marks) in tarn.source()["reason"]
        tarn.stop()
    marks.write_text(good)
    tarn.start().wait_running("a", "b", "c")


@pytest.mark.parametrize("quiet", [False, True])
def test_server_set_back_and_grown_past_it(own_pg, new_tarn, quiet):
    """As a server set back, but it has written so much since that its log ends behind what was taken from it before."""
    database = own_pg.create_database("old")
    tarn = new_tarn({"src": database.uri})
    database.sql("CREATE SCHEMA far; CREATE TABLE far.away (t text)")
    database.sql("CREATE TABLE a (id int PRIMARY KEY, v int)")
    database.sql("INSERT INTO a SELECT g, 0 FROM generate_series(1, 10) g")
    tarn.start().wait_running("a")
    database.sql("INSERT INTO a VALUES (20, 20)")
    tarn.wait_caught_up(database)
    tarn.stop()
    own_pg.stop()
    copy = f"{own_pg.home}/copy"
    subprocess.run([*own_pg.as_user, "cp", "-a", str(own_pg.data), copy], check=True)
    own_pg.start()
    tarn.start().wait_running("a")
    # log of other tables alone; with `quiet` nothing else, so that only idle positions were confirmed
    database.sql("INSERT INTO far.away SELECT repeat('x', 1000) FROM generate_series(1, 3000)")
    if not quiet:
        database.sql("INSERT INTO a VALUES (30, 30)")
    tarn.wait_caught_up(database)
    time.sleep(6)  # an idle position is stored every five seconds
    database.sql("SELECT pg_logical_emit_message(true, 'test', '')")
    tarn.wait_caught_up(database)
    tarn.stop()
    taken = database.sql("SELECT pg_current_wal_lsn()")[0][0]
    own_pg.stop()
    subprocess.run([*own_pg.as_user, "rm", "-rf", str(own_pg.data)], check=True)
    subprocess.run([*own_pg.as_user, "mv", copy, str(own_pg.data)], check=True)
    own_pg.start()
    database.sql("INSERT INTO a VALUES (50, 50)")  # at a place that was passed
    while not database.sql("SELECT pg_current_wal_lsn() > %s::pg_lsn", taken)[0][0]:
        database.sql("INSERT INTO far.away SELECT repeat('x', 1000) FROM generate_series(1, 1000)")
    database.sql("INSERT INTO a VALUES (51, 51)")
    tarn.start()
    wait_for(lambda: "restored to an older state" in tarn.source().get("reason", ""), 20, what="the source stops, saying why\n" + tarn.log_text()[-3000:])
    assert tarn.source()["state"] == "stopped" and "tarn table recopy src" in tarn.source()["reason"]
    assert 51 not in {r["id"] for r in tarn.rows("a")}


def test_server_that_crashed_is_no_other_server(own_pg, new_tarn):
    """A crash makes the slot forget what it was told last: the same transactions come again, and nothing is said."""
    database = own_pg.create_database("old")
    tarn = new_tarn({"src": database.uri})
    database.sql("CREATE TABLE a (id int PRIMARY KEY, v int)")
    tarn.start().wait_running("a")
    for n in range(3):
        database.sql("INSERT INTO a SELECT g, 0 FROM generate_series(%s::int, %s::int) g", n * 100 + 1, n * 100 + 90)
        tarn.wait_caught_up(database)
        wait_for(lambda: database.sql("SELECT confirmed_flush_lsn >= %s::pg_lsn FROM pg_replication_slots WHERE slot_name = 'tarn_src'", tarn.source()["lsn"]["journaled"])[0][0], what="it is confirmed")
        own_pg.stop("immediate")
        own_pg.start()
        database.sql("INSERT INTO a VALUES (%s, 1)", n * 100 + 91)
        wait_for(lambda: tarn.source()["state"] == "streaming", 40, what="it streams again")
        tarn.wait_caught_up(database)
        tarn.check_equal(database, ["a"])
    assert "restored" not in tarn.log_text()
