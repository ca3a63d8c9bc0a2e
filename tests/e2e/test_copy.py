# tests/e2e/test_copy.py — the copy of a large table over several connections: every row once, whatever happens meanwhile.
import re
import threading

import pytest

from support import wait_for

ROWS = 40_000
# 3000 blocks of which the rows behind 30000 are dead when the copy comes; room in the pages for HOT updates
TABLE = f"""CREATE TABLE big (id bigint PRIMARY KEY, mark int, n int DEFAULT 0, filler text) WITH (fillfactor = 80, autovacuum_enabled = false);
    CREATE INDEX ON big (mark);
    INSERT INTO big SELECT g, g, 0, repeat(md5(g::text), 14) FROM generate_series(1, {ROWS}) g;
    DELETE FROM big WHERE id > 30000"""
SLOW = {"TARN_FAILPOINTS": "copier.batch=delay:700"}
READERS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY (SELECT %WHERE ctid >= %' AND pid <> pg_backend_pid()"


@pytest.fixture
def has_failpoints(tarn):
    if not tarn.command("version", "--failpoints").stdout.strip():
        pytest.skip("needs a build with failpoints (tools/run-tests makes one)")


def wait_readers(database, n):
    return wait_for(lambda: len(pids := [p for (p,) in database.sql(READERS)]) == n and pids, what=f"{n} connections copy")


def copied(tarn):
    return [int(n) for n in re.findall(r"big copied: (\d+) rows", tarn.log_text())]


def check(tarn, database):
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["big"])
    verified = tarn.command("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_writers_while_several_connections_copy(tarn, database, has_failpoints):
    """Rows updated in place (HOT), moved to another page by an update of an indexed column, deleted, made: before and behind the readers."""
    database.sql(TABLE)
    database.sql("DELETE FROM big WHERE id BETWEEN 15000 AND 20000")
    stop = threading.Event()

    def write():
        with database.connect() as con:
            n = 0
            while not stop.is_set():
                n += 1
                con.execute("UPDATE big SET n = n + 1 WHERE id = %s", (n * 7919 % 30000 + 1,))
                con.execute("UPDATE big SET mark = mark + 1000000 WHERE id = %s", (n * 104729 % 30000 + 1,))
                con.execute("DELETE FROM big WHERE id = %s", (n * 15485863 % 30000 + 1,))
                con.execute("INSERT INTO big VALUES (%s, -1, 0, repeat('late', 100))", (1_000_000 + n,))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        tarn.start(env=SLOW)
        wait_readers(database, 2)
        tarn.wait_running("big", seconds=60)
    finally:
        stop.set()
        writer.join()
    check(tarn, database)
    assert len(copied(tarn)) == 1 and copied(tarn)[0] > 1000
    assert tarn.stop() == 0


def test_a_reader_is_terminated(tarn, database, has_failpoints):
    database.sql(TABLE)
    tarn.start(env=SLOW)
    killed = wait_readers(database, 2)[-1]
    assert database.sql("SELECT pg_terminate_backend(%s)", killed) == [(True,)]
    tarn.wait_running("big", seconds=60)
    assert "warn  pipeline: src: copy of public.big: " in tarn.log_text()
    assert copied(tarn) == [30000]
    check(tarn, database)


def test_stopping_interrupts_all_readers(tarn, database, has_failpoints):
    database.sql(TABLE)
    tarn.start(env=SLOW)
    wait_readers(database, 2)
    assert tarn.stop(seconds=10) == 0
    wait_for(lambda: not database.sql(READERS), 10, what="the server's copies end")
    tarn.start().wait_running("big")
    check(tarn, database)


def test_connections_refused(tarn, database, new_tarn, has_failpoints):
    """The role may have no more connections when the copy asks for a further one: it goes on over the one it has."""
    role = f"r_{database.name}"[:60]
    database.sql(TABLE)
    database.sql(f'CREATE ROLE "{role}" LOGIN REPLICATION; GRANT ALL ON DATABASE "{database.name}" TO "{role}"; ALTER TABLE big OWNER TO "{role}"')
    tarn.config.unlink()  # the same folder, under the role
    tarn = new_tarn({"src": database.server.uri(database.name, role)})
    try:
        tarn.start(env={"TARN_FAILPOINTS": "copier.begin=delay:3000"})
        wait_for(lambda: database.sql("SELECT 1 FROM pg_stat_activity WHERE usename = %s AND backend_type = 'client backend' AND state = 'idle in transaction'", role), what="the copy's first connection")
        database.sql(f'ALTER ROLE "{role}" CONNECTION LIMIT 1')
        wait_for(lambda: copied(tarn), 60, what="the copy\n" + tarn.log_text()[-2000:])
        assert re.search(r"is copied over 1 of 2 connections: .*too many connections", tarn.log_text())
        database.sql(f'ALTER ROLE "{role}" CONNECTION LIMIT -1')
        tarn.wait_running("big")
        check(tarn, database)
    finally:
        tarn.stop()
        database.sql(f'ALTER TABLE big OWNER TO postgres; REVOKE ALL ON DATABASE "{database.name}" FROM "{role}"; DROP OWNED BY "{role}" CASCADE; DROP ROLE "{role}"')


@pytest.mark.parametrize("ending", ["gone", "filled"])
def test_the_end_of_the_table(tarn, database, ending):
    """Ranges in which nothing lives, or rows only in the last block."""
    database.sql(TABLE)
    if ending == "gone":
        database.sql("DELETE FROM big WHERE id > 100")
    else:
        database.sql("DELETE FROM big WHERE id < 29999")
    tarn.start().wait_running("big")
    assert copied(tarn) == [100 if ending == "gone" else 2]
    check(tarn, database)


def test_a_wait_outlasts_the_roles_lock_timeout(tarn, database):
    """A slot, and a copy, wait as long as transactions of others last, which lock_timeout of a role or database would cut each time."""
    database.sql("CREATE TABLE locked (id int PRIMARY KEY)")
    database.sql("INSERT INTO locked VALUES (1)")
    database.sql(f'ALTER DATABASE "{database.sql("SELECT current_database()")[0][0]}" SET lock_timeout = 200')
    tarn.start().wait_running("locked")
    waits = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND backend_type = 'walsender' AND clock_timestamp() - backend_start > interval '1 s'"
    with database.connect() as con, con.transaction():
        con.execute("LOCK TABLE locked IN ACCESS EXCLUSIVE MODE")
        assert tarn.command("table", "recopy", "src.locked").returncode == 0
        wait_for(lambda: database.sql(waits) or "lock timeout" in tarn.log_text(), what="the slot waits")
    assert "lock timeout" not in tarn.log_text()
    wait_for(lambda: not (tarn.state / "recopy" / "src=2Elocked").exists(), what="it is copied")
    tarn.wait_running("locked")
    tarn.check_equal(database, ["locked"])
