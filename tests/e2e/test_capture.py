# tests/e2e/test_capture.py — the main job: copy, hand-over, changes, and readers that agree.
import threading

from support import wait_for

USERS = "CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL, balance numeric(12,2), created timestamptz DEFAULT now(), active boolean, tags text[])"


def test_copy_then_changes(tarn, database):
    database.sql(USERS)
    database.sql("INSERT INTO users SELECT g, 'user ' || g, g * 1.5, now(), g % 2 = 0, ARRAY['a', NULL, 'c' || g] FROM generate_series(1, 1000) g")
    tarn.start().wait_running("users")
    tarn.check_equal(database, ["users"])
    assert tarn.rows("users__changes") == []
    database.sql("UPDATE users SET balance = balance + 1 WHERE id <= 100")
    database.sql("DELETE FROM users WHERE id BETWEEN 200 AND 210")
    database.sql("INSERT INTO users SELECT g, 'new', NULL, NULL, NULL, NULL FROM generate_series(2001, 2100) g")
    database.sql("UPDATE users SET id = 5000 WHERE id = 300")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["users"])
    ops = [c["_op"] for c in tarn.rows("users__changes")]
    assert {op: ops.count(op) for op in set(ops)} == {"U": 100, "D": 12, "I": 101}  # a change of the key is D and I
    assert tarn.stop() == 0


def test_changes_while_copying(tarn, database):
    database.sql(USERS)
    database.sql("INSERT INTO users SELECT g, 'user ' || g, 1, now() FROM generate_series(1, 20000) g")
    stop = threading.Event()

    def write():
        with database.connect() as con:
            n = 0
            while not stop.is_set():
                n += 1
                con.execute("UPDATE users SET balance = balance + 1 WHERE id = %s", (n % 20000 + 1,))
                con.execute("INSERT INTO users VALUES (%s, 'late', 0)", (100000 + n,))
                con.execute("DELETE FROM users WHERE id = %s", (n * 7 % 20000 + 1,))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        tarn.start().wait_running("users")
        wait_for(lambda: tarn.table("users")["inserts"] > 100, what="changes arrive")
    finally:
        stop.set()
        writer.join()
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["users"])


def test_truncate_and_add_column(tarn, database):
    database.sql(USERS)
    database.sql("INSERT INTO users VALUES (1, 'a', 1), (2, 'b', 2)")
    tarn.start().wait_running("users")
    database.sql("ALTER TABLE users ADD COLUMN note text")
    database.sql("UPDATE users SET note = 'x' WHERE id = 1")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["users"])
    database.sql("BEGIN; INSERT INTO users(id, name) VALUES (3, 'c'); ALTER TABLE users ADD COLUMN more int; UPDATE users SET more = 7 WHERE id = 3; TRUNCATE users; INSERT INTO users(id, name, more) VALUES (9, 'z', 1); COMMIT")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["users"])
    assert len(tarn.rows("users")) == 1


def test_added_column_with_a_default_stops_until_copied(tarn, database):
    """Older rows have the default at the source; no message says so."""
    database.sql(USERS)
    database.sql("INSERT INTO users VALUES (1, 'a', 1), (2, 'b', 2)")
    tarn.start().wait_running("users")
    database.sql("ALTER TABLE users ADD COLUMN level int DEFAULT 3")
    database.sql("INSERT INTO users(id, name) VALUES (3, 'c')")
    wait_for(lambda: tarn.table("users")["state"] == "stopped", what="the table stops")
    assert '"level"' in tarn.table("users")["reason"] and "tarn table recopy src.users" in tarn.table("users")["reason"]
    assert tarn.command("table", "recopy", "src.users").returncode == 0
    tarn.wait_running("users")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["users"])
    assert {r["level"] for r in tarn.rows("users")} == {3}


def test_unchanged_toast_keeps_its_value(tarn, database):
    database.sql("CREATE TABLE docs (id int PRIMARY KEY, body text, n int)")
    database.sql("ALTER TABLE docs ALTER COLUMN body SET STORAGE EXTERNAL")
    database.sql("INSERT INTO docs SELECT g, repeat(md5(g::text), 300), 0 FROM generate_series(1, 20) g")
    tarn.start().wait_running("docs")
    database.sql("UPDATE docs SET n = 1 WHERE id <= 10")
    tarn.wait_caught_up(database)
    # twice in one transaction, and for a row inserted in the same transaction
    database.sql("BEGIN; UPDATE docs SET n = 2; UPDATE docs SET n = 3 WHERE id = 5; INSERT INTO docs VALUES (99, repeat(md5('99'), 400), 0); UPDATE docs SET n = 4 WHERE id = 99; COMMIT")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["docs"])
    assert all(c["body"] for c in tarn.rows("docs__changes"))


def test_one_broken_table_stops_alone(tarn, database):
    database.sql("CREATE TABLE good (id int PRIMARY KEY, v int)")
    database.sql("CREATE TABLE bad (id int PRIMARY KEY, t timestamp)")
    database.sql("CREATE TABLE keyless (v int)")
    tarn.start().wait_running("good", "bad")
    wait_for(lambda: tarn.table("keyless")["state"] == "stopped", what="the table without a key stops")
    assert "primary key" in tarn.table("keyless")["reason"]
    database.sql("INSERT INTO bad VALUES (1, 'infinity')")
    database.sql("INSERT INTO good VALUES (1, 1)")
    wait_for(lambda: tarn.table("bad")["state"] == "stopped", what="the table with an infinite timestamp stops")
    assert '"t"' in tarn.table("bad")["reason"] and "infinity" in tarn.table("bad")["reason"]
    database.sql("INSERT INTO good VALUES (2, 2)")
    wait_for(lambda: len(tarn.rows("good")) == 2, what="the other table goes on")


def test_restart_resumes_without_loss(tarn, database):
    database.sql(USERS)
    database.sql("INSERT INTO users SELECT g, 'user ' || g, 0 FROM generate_series(1, 100) g")
    tarn.start().wait_running("users")
    for round_ in range(3):
        database.sql("UPDATE users SET balance = balance + 1 WHERE id %% 3 = %s", round_)
        assert tarn.stop() == 0
        database.sql("INSERT INTO users SELECT g, 'round', 0 FROM generate_series(%s::int, %s::int) g", 1000 * (round_ + 1), 1000 * (round_ + 1) + 50)
        database.sql("DELETE FROM users WHERE id = %s", round_ + 1)
        tarn.start().wait_running("users")
        tarn.wait_caught_up(database)
        tarn.check_equal(database, ["users"])
