# tests/e2e/test_faults.py — the world goes wrong: server, slot, state, disk, size. Nothing is lost in silence, and what can go on does.
import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time

import psycopg
import pytest

from support import drop_slot, lsn, pg_bin, wait_for

ACC = "CREATE TABLE acc (id bigint PRIMARY KEY, owner text, balance bigint, note text)"


def fill(database, rows=500, table="acc"):
    database.sql(ACC.replace("acc", table))
    database.sql(f"INSERT INTO {table} SELECT g, 'o' || g, g, '' FROM generate_series(1, %s::int) g", rows)


class StubbornWriter:
    """Writes for ever and connects again when the server goes away: what it committed is in the source, whatever it saw."""

    def __init__(self, database, seed, table="acc"):
        self.database, self.random, self.table = database, random.Random(seed), table
        self.stop_it, self.done = threading.Event(), 0
        self.thread = threading.Thread(target=self.run)

    def run(self):
        r = self.random
        while not self.stop_it.is_set():
            try:
                with self.database.connect(connect_timeout=2) as con:
                    while not self.stop_it.is_set():
                        with con.transaction():
                            for _ in range(r.randint(1, 4)):
                                k = r.randint(1, 2000)
                                con.execute(f"INSERT INTO {self.table} VALUES (%s, 'w', 0, '') ON CONFLICT (id) DO UPDATE SET balance = {self.table}.balance + 1", (k,))
                                if r.random() < 0.2:
                                    con.execute(f"DELETE FROM {self.table} WHERE id = %s", (r.randint(1, 2000),))
                        self.done += 1
                        time.sleep(0.002)
            except psycopg.Error:
                time.sleep(0.05)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop_it.set()
        self.thread.join()


@pytest.fixture
def own(own_pg, new_tarn):
    """A cluster of its own, a database in it, and a tarn for it."""
    database = own_pg.create_database("bank")
    return own_pg, database, new_tarn({"src": database.uri})


def reason(tarn, table="acc"):
    return (tarn.table(table) or {}).get("reason", "")


def wait_stopped(tarn, table="acc", seconds=20):
    wait_for(lambda: (tarn.table(table) or {}).get("state") == "stopped", seconds, what=f"table {table} is stopped\n" + tarn.log_text()[-2000:])
    return reason(tarn, table)


def ask_recopy(tarn, table="acc"):
    """What `tarn table recopy src.acc` leaves for the running process."""
    folder = tarn.state / "recopy"
    folder.mkdir(exist_ok=True)
    part = "".join(c if c.isalnum() and c.islower() or c.isdigit() or c in "_-" else f"={ord(c):02X}" for c in f"src.{table}")
    (folder / part).write_text("")
    wait_for(lambda: not (folder / part).exists(), 30, what="the copy is done\n" + tarn.log_text()[-3000:])


def recopy_and_compare(tarn, database, *tables):
    for table in tables:
        ask_recopy(tarn, table)
    tarn.wait_running(*tables)
    database.sql("INSERT INTO acc VALUES (777001, 'after', 1, '')")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, tables)


# --- the server ---


def test_source_restarts_and_crashes_under_load(own):
    server, database, tarn = own
    fill(database)
    tarn.start().wait_running("acc")
    with StubbornWriter(database, 11) as writer:
        for mode in ("fast", "immediate", "immediate", "fast"):
            before = writer.done
            wait_for(lambda: writer.done > before + 20, what="writes go on")
            server.stop(mode)
            server.start()
        wait_for(lambda: writer.done > before + 50, what="writes go on after the last start")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["acc"])
    assert tarn.log_text().count("connection") < 60, "a restart is not worth a screen full"
    assert tarn.stop() == 0


def test_source_down_at_start_comes_later(own):
    server, database, tarn = own
    fill(database, 50)
    server.stop()
    tarn.start()
    wait_for(lambda: tarn.source()["reason"], what="a reason is shown")
    source = tarn.source()
    assert str(server.port) in source["reason"] and source["state"] == "connecting" and "next_try" in source
    assert re.search(r"refused; check that .*; trying again in 1 s, later every 30 s$", tarn.log_text(), re.M), tarn.log_text()
    text = tarn.command("status").stdout
    assert re.search(r"^Source src: connecting$", text, re.M) and re.search(r"^  Trying again (in \d+ s|now)\.$", text, re.M), text
    time.sleep(4)
    assert tarn.log_text().count("refused") <= 2, tarn.log_text()
    server.start()
    tarn.wait_running("acc")
    tarn.check_equal(database, ["acc"])


def test_source_goes_away_and_comes_back(own):
    server, database, tarn = own
    fill(database, 50)
    tarn.start().wait_running("acc")
    server.stop()
    wait_for(lambda: "refused" in tarn.source()["reason"], what="a reason is shown")
    source = tarn.source()
    assert source["state"] == "connecting" and "next_try" in source
    assert re.search(r"warn .* src: .*; trying again in \d+ s, later every 30 s$", tarn.log_text(), re.M), tarn.log_text()
    server.start()
    wait_for(lambda: tarn.source()["state"] == "streaming", 40, what="it streams again")
    assert tarn.source()["reason"] == "" and "next_try" not in tarn.source()


def test_publication_dropped(own):
    """Both who looks at the source and who looks at its tables learn what is missing and what to do."""
    server, database, tarn = own
    fill(database, 50)
    tarn.start().wait_running("acc")
    database.sql("DROP PUBLICATION tarn_src")
    database.sql("UPDATE acc SET balance = 1 WHERE id = 1")
    text = wait_stopped(tarn)
    assert 'publication "tarn_src"' in text and "tarn table recopy src.acc" in text
    source = tarn.source()
    assert source["state"] == "stopped" and 'publication "tarn_src" does not exist' in source["reason"] and "next_try" in source
    lines = [line for line in tarn.log_text().splitlines() if "does not exist" in line]
    assert len(lines) == 1 and lines[0].endswith("; trying again in 1 s, later every 30 s"), lines


def test_short_sender_timeout_with_a_slow_apply(own):
    """Nothing the apply side does keeps the sender waiting: its answers come from a thread of their own."""
    server, database, tarn = own
    database.sql("ALTER SYSTEM SET wal_sender_timeout = '1s'")
    database.sql("SELECT pg_reload_conf()")
    fill(database)
    tarn.start(env={"TARN_FAILPOINTS": "apply.publish.flushed=delay:1500"}).wait_running("acc")
    for n in range(30):
        database.sql("UPDATE acc SET balance = balance + 1 WHERE id = %s", n + 1)
        time.sleep(0.1)
    tarn.wait_caught_up(database, seconds=25)  # one transaction a publish would take 45 s
    tarn.check_equal(database, ["acc"])
    assert "terminating walsender" not in (server.home / "log").read_text()


# --- the slot ---


def test_slot_dropped_while_down(tarn, database):
    fill(database)
    tarn.start().wait_running("acc")
    database.sql("UPDATE acc SET balance = 0 WHERE id = 1")
    tarn.wait_caught_up(database)
    tarn.stop()
    with database.connect() as con:
        wait_for(lambda: drop_slot(con, "tarn_src"), 10, what="slot dropped")
    database.sql("UPDATE acc SET balance = -1 WHERE id = 2")
    tarn.start()
    text = wait_stopped(tarn)
    assert '"tarn_src"' in text and "gone" in text and "tarn table recopy" in text
    database.sql("INSERT INTO acc VALUES (999, 'later', 1, '')")
    time.sleep(1)
    assert 999 not in {r["id"] for r in tarn.rows("acc")}, "a table with a gap does not go on"
    # the next start knows it still, though the new slot looks right
    tarn.stop()
    tarn.start()
    assert "tarn table recopy" in wait_stopped(tarn)
    recopy_and_compare(tarn, database, "acc")
    tarn.stop()
    tarn.start().wait_running("acc")


def test_slot_dropped_while_running(own):
    """The server goes down, somebody drops the slot, Tarn comes back to a slot that is gone: seen at the reconnect."""
    server, database, tarn = own
    fill(database)
    tarn.start().wait_running("acc")
    database.sql("UPDATE acc SET balance = 0 WHERE id = 1")
    tarn.wait_caught_up(database)
    with database.connect() as con:
        def dropped():
            con.execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'tarn_src' AND active")
            return drop_slot(con, "tarn_src")
        wait_for(dropped, 10, every=0.005, what="slot dropped")
        con.execute("UPDATE acc SET balance = -1 WHERE id = 2")
    text = wait_stopped(tarn)
    assert '"tarn_src"' in text and "gone" in text and "tarn table recopy" in text
    recopy_and_compare(tarn, database, "acc")


@pytest.mark.parametrize("running", [False, True])
def test_slot_advanced_by_somebody(own, running):
    server, database, tarn = own
    fill(database)
    tarn.start().wait_running("acc")
    database.sql("UPDATE acc SET balance = 0 WHERE id = 1")
    tarn.wait_caught_up(database)
    with database.connect() as con:
        if running:
            os.kill(tarn.process.pid, signal.SIGSTOP)
            con.execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active")
        else:
            tarn.stop()
        con.execute("UPDATE acc SET balance = -1 WHERE id = 2")
        wait_for(lambda: not con.execute("SELECT active FROM pg_replication_slots WHERE slot_name = 'tarn_src'").fetchone()[0], what="the slot is free")
        con.execute("SELECT pg_replication_slot_advance('tarn_src', pg_current_wal_lsn())")
    if running:
        os.kill(tarn.process.pid, signal.SIGCONT)
    else:
        tarn.start()
    text = wait_stopped(tarn)
    assert '"tarn_src"' in text and "beyond" in text and "tarn table recopy" in text
    recopy_and_compare(tarn, database, "acc")


def test_slot_busy_then_free(tarn, database):
    fill(database)
    tarn.start().wait_running("acc")
    tarn.stop()
    database.sql("UPDATE acc SET balance = 5 WHERE id = 3")
    other = subprocess.Popen([f"{pg_bin()}/pg_recvlogical", "-d", database.uri, "--slot", "tarn_src", "--start", "-f", "/dev/null", "-o", "proto_version=1", "-o", "publication_names=tarn_src", "-F", "0", "-s", "0"])
    try:
        pid = wait_for(lambda: database.sql("SELECT active_pid FROM pg_replication_slots WHERE slot_name = 'tarn_src'")[0][0], what="the other has the slot")
        tarn.start()
        wait_for(lambda: str(pid) in tarn.source()["reason"], what="the reason names the process\n" + tarn.log_text()[-2000:])
        assert "tarn_src" in tarn.source()["reason"] and tarn.source()["state"] == "stopped"
    finally:
        other.kill()
        other.wait()
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["acc"])


# --- state ---


def test_state_folder_lost(tarn, database):
    """The slot is still there, the catalog and the journal are not: said, and every table is copied again."""
    fill(database)
    tarn.start().wait_running("acc")
    database.sql("UPDATE acc SET balance = 0 WHERE id = 1")
    tarn.wait_caught_up(database)
    tarn.stop()
    database.sql("UPDATE acc SET balance = -1 WHERE id = 2")
    shutil.rmtree(tarn.state)
    tarn.start().wait_running("acc")
    assert '"tarn_src" was used before' in tarn.log_text()
    database.sql("UPDATE acc SET balance = -2 WHERE id = 3")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["acc"])


def test_journal_folder_lost(tarn, database):
    fill(database)
    tarn.start().wait_running("acc")
    database.sql("UPDATE acc SET balance = 0 WHERE id = 1")
    tarn.wait_caught_up(database)
    tarn.kill()
    shutil.rmtree(tarn.state / "journal")
    database.sql("UPDATE acc SET balance = -1 WHERE id = 2")
    tarn.start()
    # what was confirmed to the slot and published is the same or not: only when the lake provably has it may the table go on
    wait_for(lambda: (tarn.table("acc") or {}).get("state") in ("stopped", "running"), what="a decision")
    if tarn.table("acc")["state"] == "stopped":
        assert "tarn table recopy src.acc" in reason(tarn)
        recopy_and_compare(tarn, database, "acc")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["acc"])


def test_journal_folder_lost_with_changes_in_it(tarn, database):
    """Changes that were confirmed and journaled, but not published, are gone with the journal: the table stops."""
    fill(database)
    tarn.start(sets=["lake.publish_interval=1h"]).wait_running("acc")
    database.sql("UPDATE acc SET balance = -1 WHERE id = 2")
    wait_for(lambda: database.sql("SELECT confirmed_flush_lsn >= %s::pg_lsn FROM pg_replication_slots WHERE slot_name = 'tarn_src'", tarn.source()["lsn"]["journaled"])[0][0] and tarn.source()["transactions"] > 0,
             what="the slot has moved")
    time.sleep(0.3)
    tarn.kill()
    shutil.rmtree(tarn.state / "journal")
    tarn.start()
    text = wait_stopped(tarn)
    assert "src.acc" in text and "tarn table recopy src.acc" in text
    recopy_and_compare(tarn, database, "acc")


def test_second_process_on_one_state_folder(tarn, database):
    fill(database, 10)
    tarn.start().wait_running("acc")
    addresses = (tarn.state / "run.json").read_text()
    second = tarn.command("run", timeout=20)
    assert second.returncode == 13
    assert str(tarn.state) in second.stderr and "another tarn" in second.stderr and len(second.stderr.splitlines()) <= 3
    assert (tarn.state / "run.json").read_text() == addresses, "the first one's addresses stay"
    assert tarn.get("/healthz")


def test_corrupt_journal_byte_in_the_middle(tarn, database):
    fill(database)
    tarn.start(sets=["journal.segment=1MB", "lake.publish_interval=1h"]).wait_running("acc")
    for n in range(12):
        database.sql("UPDATE acc SET note = repeat(md5(random()::text), 20)")
    wait_for(lambda: len(list((tarn.state / "journal" / "src").glob("*.seg"))) > 2, what="several segments")
    tarn.kill()
    first = sorted((tarn.state / "journal" / "src").glob("*.seg"))[0]
    with open(first, "r+b") as f:
        f.seek(first.stat().st_size // 2)
        byte = f.read(1)
        f.seek(-1, 1)
        f.write(bytes([byte[0] ^ 0x10]))
    tarn.start()

    def said():
        source = tarn.source()
        return source["reason"] + source.get("waiting_because", "")

    wait_for(lambda: first.name in said(), what="file and offset are named: " + said() + "\n" + tarn.log_text()[-2000:])
    assert "offset" in said()
    time.sleep(2)
    assert tarn.log_text().count(first.name) <= 3
    # the way out that the message names
    check = tarn.command("journal", "check", "src")
    assert check.returncode == 10 and first.name in check.stderr + check.stdout


# --- space ---


def small_disk(path, mb):
    path.mkdir(parents=True, exist_ok=True)
    if os.getuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mb}m", "tmpfs", str(path)], capture_output=True).returncode != 0:
        pytest.skip("mounting a tmpfs needs root and a kernel that allows it here")


@pytest.fixture
def disk(folder):
    mounted = []

    def make(name, mb):
        path = folder / name
        small_disk(path, mb)
        mounted.append(path)
        return path

    yield make
    for path in mounted:
        subprocess.run(["umount", "-l", str(path)], check=False)


def ballast(path, mb):
    """Takes the space; freed by removing the file."""
    file = path / "ballast"
    with open(file, "wb") as f:
        try:
            for _ in range(mb):
                f.write(b"\1" * (1 << 20))
                f.flush()
        except OSError:
            pass
    return file


def session_pid(database):
    return database.sql("SELECT active_pid FROM pg_replication_slots WHERE slot_name = 'tarn_src'")[0][0]


def test_journal_disk_full(tarn, database, disk, pg_server):
    fill(database)
    tarn.stop()
    path = disk("state/journal", 24)
    tarn.start(sets=["journal.segment=1MB"]).wait_running("acc")
    file = ballast(path, 24)
    pid = session_pid(database)
    for _ in range(10):
        database.sql("UPDATE acc SET note = repeat(md5(random()::text), 100)")
    wait_for(lambda: tarn.source()["state"] == "waiting for space", what="the source waits\n" + tarn.log_text()[-2000:])
    assert "No space" in tarn.source()["reason"] and str(path) in tarn.source()["reason"]
    time.sleep(1.5)
    assert session_pid(database) == pid, "the replication session is kept"
    assert tarn.log_text().count("No space") <= 4, "said, not repeated"
    file.unlink()
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["acc"])
    assert session_pid(database) == pid


def test_warehouse_disk_full(tarn, database, disk):
    """Twice in trouble: full, then read-only. The stream goes on into the journal; a table that had nothing to do all the while has no gap."""
    fill(database)
    fill(database, table="idle")
    path = disk("warehouse", 24)
    tarn.start(sets=["journal.segment=1MB"]).wait_running("acc", "idle")
    for _ in range(8):
        database.sql("UPDATE acc SET note = repeat(md5(random()::text), 20)")
    tarn.wait_caught_up(database)
    segments = tarn.state / "journal" / "src"
    wait_for(lambda: len(list(segments.glob("*.seg"))) == 1, what="the journal is trimmed")
    pid = session_pid(database)
    for trouble, word in (("full", "No space"), ("read-only", "Read-only")):
        if trouble == "full":
            file = ballast(path, 24)
        else:
            subprocess.run(["mount", "-o", "remount,ro", str(path)], check=True)
        before = len(tarn.log_text())
        for _ in range(3):
            database.sql("UPDATE acc SET note = repeat(md5(random()::text), 50)")
            time.sleep(0.3)
        wait_for(lambda: tarn.source().get("waiting_because"), what="the pipeline waits\n" + tarn.log_text()[-2000:])
        assert word in tarn.source()["waiting_because"], tarn.source()["waiting_because"]
        time.sleep(2)
        assert tarn.table("acc")["state"] == "running" and session_pid(database) == pid
        assert tarn.log_text()[before:].count(word) <= 6, "said, not repeated"
        if trouble == "full":
            file.unlink()
        else:
            subprocess.run(["mount", "-o", "remount,rw", str(path)], check=True)
        tarn.wait_caught_up(database)
        tarn.check_equal(database, ["acc", "idle"])
        assert tarn.source()["waiting_because"] == "" and tarn.table("idle")["state"] == "running"


def test_journal_limit_reached_by_a_stopped_table(tarn, database):
    """The others come first: the stopped table's changes are given up, in words, also behind a restart."""
    fill(database)
    database.sql("CREATE TABLE bad (id int PRIMARY KEY, t timestamp)")
    sets = ["journal.segment=1MB", "journal.max=4MB"]
    tarn.start(sets=sets).wait_running("acc", "bad")
    database.sql("INSERT INTO bad VALUES (1, '2020-01-01')")
    tarn.wait_caught_up(database)
    database.sql("INSERT INTO bad VALUES (2, 'infinity')")
    wait_stopped(tarn, "bad")
    database.sql("INSERT INTO bad VALUES (4, '2022-01-01')")
    database.sql("DELETE FROM bad WHERE id = 2")
    for _ in range(12):
        database.sql("UPDATE acc SET note = repeat(md5(random()::text), 40)")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["acc"])
    assert "src.bad" in tarn.log_text() and "given up" in tarn.log_text()
    tarn.stop()
    database.sql("INSERT INTO bad VALUES (3, '2021-01-01')")
    tarn.start(sets=sets).wait_running("acc")
    text = wait_stopped(tarn, "bad")
    assert "no longer there" in text and "recopy src.bad" in text
    ask_recopy(tarn, "bad")
    tarn.wait_running("bad")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["acc", "bad"])


def test_only_a_stopped_table(tarn, database):
    """Nothing runs, and yet the journal is read on: the source's WAL is not kept for a table that waits for somebody."""
    database.sql("CREATE TABLE bad (id int PRIMARY KEY, t timestamp, note text)")
    tarn.start(sets=["journal.segment=1MB", "journal.max=3MB"]).wait_running("bad")
    database.sql("INSERT INTO bad VALUES (1, now())")
    tarn.wait_caught_up(database)
    tarn.stop()
    database.sql("ALTER TABLE bad DROP CONSTRAINT bad_pkey")
    tarn.start(sets=["journal.segment=1MB", "journal.max=3MB"])
    wait_stopped(tarn, "bad")
    for n in range(12):
        database.sql("INSERT INTO bad SELECT g, now(), repeat(md5(random()::text), 40) FROM generate_series(%s::int, %s::int) g", 1000 * n + 10, 1000 * n + 400)
    tarn.wait_caught_up(database)
    wait_for(lambda: database.sql("SELECT pg_current_wal_lsn() - confirmed_flush_lsn < 1000000 FROM pg_replication_slots WHERE slot_name = 'tarn_src'")[0][0], what="the slot moves on")
    assert "given up" in tarn.log_text() and "tarn table recopy src.bad" in tarn.log_text()


# --- size ---


def test_large_transaction(tarn, database):
    fill(database, 10)
    tarn.start().wait_running("acc")
    database.sql("BEGIN; INSERT INTO acc SELECT g, 'big', g, 'n' FROM generate_series(1001, 301000) g; UPDATE acc SET balance = 1 WHERE id % 3 = 0; DELETE FROM acc WHERE id % 5 = 0; COMMIT")
    tarn.wait_caught_up(database, seconds=90)
    rows = {r["id"]: r["balance"] for r in tarn.rows("acc")}
    assert rows == dict(database.sql("SELECT id, balance FROM acc"))
    changes = tarn.rows("acc__changes")
    assert len({(c["_commit_lsn"], c["_ordinal"]) for c in changes}) == len(changes)
    assert len({c["_commit_lsn"] for c in changes}) == 1


def test_fifty_tables(tarn, database):
    names = [f"t{n:02}" for n in range(50)]
    for name in names:
        database.sql(f"CREATE TABLE {name} (id int PRIMARY KEY, v text); INSERT INTO {name} SELECT g, 'x' FROM generate_series(1, 20) g")
    tarn.start().wait_running(*names, seconds=60)
    with database.connect() as con:
        for round_ in range(3):
            with con.transaction():
                for name in names:
                    con.execute(f"UPDATE {name} SET v = v || %s WHERE id %% 2 = 0", (str(round_),))
    tarn.wait_caught_up(database)
    tarn.check_equal(database, names)


def test_column_added_and_the_source_goes_away(own):
    """What rows had in a new column only the source knows: the table waits for it, the others do not."""
    server, database, tarn = own
    fill(database, 50)
    fill(database, 50, table="other")
    tarn.start(env={"TARN_FAILPOINTS": "apply.publish.flushed=delay:4000@1"}).wait_running("acc", "other")
    database.sql("INSERT INTO other VALUES (1000, 'first', 0, '')")  # its publish takes a while
    time.sleep(0.5)
    database.sql("ALTER TABLE acc ADD COLUMN extra int")
    database.sql("INSERT INTO acc VALUES (1001, 'o', 0, '', 7)")
    database.sql("INSERT INTO other VALUES (1001, 'second', 0, '')")
    goal = lsn(database.sql("SELECT pg_current_wal_lsn()")[0][0])
    wait_for(lambda: lsn(tarn.source()["lsn"]["journaled"]) >= goal - 64 or tarn.source()["transactions"] >= 3, 10, what="all is in the journal")
    server.stop("immediate")
    assert len(tarn.rows("other")) <= 51, "the test is worth nothing: it was applied before the source went away"
    wait_for(lambda: len(tarn.rows("other")) == 52, 20, what="the other table goes on\n" + tarn.log_text()[-2000:])
    assert tarn.table("acc")["state"] == "opening" and tarn.source()["waiting_because"] == ""
    assert "table src.acc waits for an answer of its source" in tarn.log_text()
    server.start()
    tarn.wait_running("acc", seconds=60)
    database.sql("INSERT INTO acc VALUES (1002, 'o', 0, '', 8)")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["acc", "other"])
    tarn.stop()
    tarn.start().wait_running("acc", "other")
    tarn.check_equal(database, ["acc", "other"])
