# tests/e2e/test_sql.py — `tarn sql` as people and scripts use it: formats parsed by others, time travel, errors, cancel, a dying worker, and what a query must not do.
import csv
import datetime
import decimal
import io
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time

import pyarrow
import pyarrow.parquet as pq
import pytest

from support import Postgres, Tarn, tarn_binary, wait_for

SLOW = "SELECT count(*) FROM range(100000000000) a WHERE a.range % 7 = 3"  # minutes


class Bank:
    """A table with three known states, a running tarn beside it."""

    def __init__(self, tarn, database):
        self.tarn, self.database = tarn, database
        self.states = []  # lsn, time, snapshot, rows
        database.sql("CREATE TABLE users (id bigint PRIMARY KEY, name text, balance numeric(12,2), score float8, active bool, born date, seen timestamptz, tags text[], raw bytea, doc jsonb)")
        database.sql("""INSERT INTO users SELECT g, 'user ' || g, g * 1.25, g / 4.0, g % 2 = 0, date '2000-01-01' + g, timestamptz '2026-01-01 00:00+00' + g * interval '1 min', ARRAY['a', NULL, g::text], '\\x00ff', '{"k": 1}'
                     FROM generate_series(1, 50) g""")
        database.sql("INSERT INTO users(id, name) VALUES (51, NULL), (52, ''), (53, E'say \"hi\", twice\\nnew line\\ttab'), (54, '; DROP TABLE x --'), (55, 'täxt ' || chr(128512)), (56, E'\\x1b[31mred')")
        database.sql("UPDATE users SET score = 'NaN' WHERE id = 1")
        database.sql("UPDATE users SET score = '-Infinity' WHERE id = 2")
        tarn.start().wait_running("users")
        self.remember()
        database.sql("UPDATE users SET balance = balance + 1000 WHERE id <= 10")
        database.sql("DELETE FROM users WHERE id = 20")
        self.remember()
        database.sql("ALTER TABLE users ADD COLUMN level int")
        database.sql("UPDATE users SET level = 7 WHERE id = 30")
        database.sql("INSERT INTO users(id, level) VALUES (57, 1)")
        self.remember()

    def remember(self):
        self.tarn.wait_caught_up(self.database)
        lsn = self.database.sql("SELECT pg_current_wal_insert_lsn()::text")[0][0]
        time.sleep(0.01)  # times of versions are in milliseconds
        now = datetime.datetime.now(datetime.timezone.utc)
        time.sleep(0.01)
        rows = self.database.sql("SELECT id, balance FROM users ORDER BY id")
        self.states.append((lsn, now, self.tarn.iceberg("users").current_snapshot().snapshot_id, rows))


@pytest.fixture(scope="module")
def bank():
    server = Postgres()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tarn-e2e-"))
    tarn = None
    try:
        server.start()
        database = server.create_database("bank")
        tarn = Tarn(tarn_binary(), folder, {"bank": database.uri})
        tarn.source = lambda name="bank": Tarn.source(tarn, name)
        tarn.wait_running = lambda *tables: Tarn.wait_running(tarn, *tables, source="bank")
        tarn.wait_caught_up = lambda db: Tarn.wait_caught_up(tarn, db, source="bank")
        tarn.metadata_location = lambda table, source="bank": Tarn.metadata_location(tarn, table, "bank")
        yield Bank(tarn, database)
    finally:
        if tarn:
            tarn.kill()
        server.remove()
        shutil.rmtree(folder, ignore_errors=True)


def sql(bank, *args, **kw):
    return bank.tarn.command("sql", *args, **kw)


def good(out):
    assert out.returncode == 0, out.stderr
    return out.stdout


def ndjson(text):
    return [json.loads(line, parse_float=decimal.Decimal) for line in text.splitlines()]


def fails(out, status, *words):
    """One sentence on standard error that names what is wrong, nothing on standard output."""
    assert out.returncode == status, (out.returncode, out.stderr)
    assert out.stderr.startswith("tarn: ") and out.stdout == "", (out.stdout, out.stderr)
    for word in words:
        assert word.lower() in out.stderr.lower(), (word, out.stderr)


# --- formats, each read by somebody else's reader ---

ALL = "SELECT * FROM bank.users ORDER BY id"


def source(bank):
    return bank.database.sql("SELECT id, name, balance, score, active, born, seen, tags, raw, doc::text, level FROM users ORDER BY id")


def test_csv(bank):
    out = subprocess.run([bank.tarn.binary, "-c", str(bank.tarn.config), "sql", "--format", "csv", ALL], capture_output=True, check=True)
    rows = list(csv.reader(io.StringIO(out.stdout.decode(), newline="")))
    assert rows[0] == ["id", "name", "balance", "score", "active", "born", "seen", "tags", "raw", "doc", "level"]
    assert len(rows) - 1 == len(source(bank))
    for have, want in zip(rows[1:], source(bank)):
        assert int(have[0]) == want[0] and have[1] == (want[1] or "")
        assert (decimal.Decimal(have[2]) if have[2] else None) == want[2] and have[4] == ("" if want[4] is None else str(want[4]).lower())
        assert have[3] == "" if want[3] is None else repr(float(have[3])) == repr(want[3])
        assert have[5] == (want[5].isoformat() if want[5] else "")
        assert (datetime.datetime.fromisoformat(have[6]) if have[6] else None) == want[6]
        assert (json.loads(have[7]) if have[7] else None) == want[7] and have[8] == ("" if want[8] is None else "\\x" + want[8].hex()) and have[9] == (want[9] or "")
    # an empty text and a NULL can be told apart
    assert b'\r\n51,,,' in out.stdout and b'\r\n52,"",,' in out.stdout


@pytest.mark.parametrize("format", ["json", "ndjson"])
def test_json(bank, format):
    text = good(sql(bank, "--format", format, ALL))
    rows = json.loads(text, parse_float=decimal.Decimal) if format == "json" else ndjson(text)
    for have, want in zip(rows, source(bank), strict=True):
        assert have["id"] == want[0] and have["name"] == want[1] and have["balance"] == want[2] and have["active"] == want[4] and have["tags"] == want[7] and have["doc"] == want[9] and have["level"] == want[10]
        assert have["score"] is None and want[3] is None or repr(float(have["score"])) == repr(want[3])
        assert (datetime.datetime.fromisoformat(have["seen"]) if have["seen"] else None) == want[6]
    assert good(sql(bank, "--format", format, "SELECT 1 AS x WHERE false")) == ("[]\n" if format == "json" else "")


def test_parquet(bank, tmp_path):
    out = tmp_path / "users.parquet"
    assert good(sql(bank, "--format", "parquet", "-o", str(out), ALL)) == ""
    rows = pq.read_table(out).to_pylist()
    want = source(bank)
    assert [(r["id"], r["name"], r["balance"], repr(r["score"]), r["active"], r["born"], r["seen"], r["tags"], r["raw"], r["doc"], r["level"]) for r in rows] == [(*w[:3], repr(w[3]), *w[4:]) for w in want]
    piped = subprocess.run([bank.tarn.binary, "-c", str(bank.tarn.config), "sql", "--format", "parquet", "SELECT id FROM bank.users ORDER BY id"], capture_output=True, check=True)
    assert pq.read_table(pyarrow.BufferReader(piped.stdout))["id"].to_pylist() == [w[0] for w in want]


def test_table_for_people(bank):
    text = good(sql(bank, "SELECT id, name, balance FROM bank.users WHERE id IN (3, 51, 53, 56) ORDER BY id"))
    lines = text.splitlines()
    assert re.fullmatch(r" +id \| name +\| +balance", lines[0]) and re.fullmatch(r"-+\+-+\+-+", lines[1]), lines[:2]
    cells = [[c.strip() for c in line.split(" | ")] for line in lines[2:-1]]
    assert cells == [["3", "user 3", "1003.75"], ["51", "NULL", "NULL"], ["53", 'say "hi", twice\\nnew line\\ttab', "NULL"], ["56", "\\x1b[31mred", "NULL"]]
    assert lines[-1] == "(4 rows)" and "\x1b" not in text
    assert len({line.index(" | ") for line in lines[2:-1]} | {lines[1].index("-+-")}) == 1, "columns are aligned"


# --- versions ---

def balances(bank, at, where=""):
    rows = ndjson(good(sql(bank, "--format", "ndjson", f"SELECT u.id, u.balance FROM bank.users AT ({at}) u {where} ORDER BY u.id")))
    return [(r["id"], None if r["balance"] is None else decimal.Decimal(r["balance"])) for r in rows]


@pytest.mark.parametrize("state", [0, 1, 2])
def test_time_travel(bank, state):
    lsn, when, snapshot, want = bank.states[state]
    assert balances(bank, f"VERSION => {snapshot}") == want
    assert balances(bank, f"LSN => '{lsn}'") == want
    assert balances(bank, f"TIMESTAMP => '{when.isoformat()}'") == want


def test_two_versions_in_one_query(bank):
    first, last = bank.states[0], bank.states[2]
    query = f"SELECT n.id, n.balance - o.balance AS more FROM bank.users n JOIN bank.users AT (VERSION => {first[2]}) o USING (id) WHERE n.balance <> o.balance ORDER BY id"
    assert [(r["id"], r["more"]) for r in ndjson(good(sql(bank, "--format", "ndjson", query)))] == [(i, 1000) for i in range(1, 11)]
    gone = f"SELECT id FROM bank.users AT (LSN => '{first[0]}') EXCEPT SELECT id FROM bank.users AT (LSN => '{last[0]}')"
    assert ndjson(good(sql(bank, "--format", "ndjson", gone))) == [{"id": 20}]
    # the columns are those of the version
    assert "level" not in ndjson(good(sql(bank, "--format", "ndjson", f"SELECT * FROM bank.users AT (VERSION => {first[2]}) LIMIT 1")))[0]


def test_changes_tell_the_way(bank):
    rows = ndjson(good(sql(bank, "--format", "ndjson", "SELECT _op, count(*) AS n FROM bank.users__changes WHERE name IS DISTINCT FROM 'seen' GROUP BY 1 ORDER BY 1")))
    assert rows == [{"_op": "D", "n": 1}, {"_op": "I", "n": 1}, {"_op": "U", "n": 11}]


# --- errors ---

def test_errors_are_sentences(bank):
    fails(sql(bank, "SELECT * FROM bank.nope"), 16, "there is no table bank.nope", "tarn table ls", "LINE 1:")
    fails(sql(bank, "SELECT * FROM users"), 16, "namespace.table", "did you mean bank.users?")
    fails(sql(bank, "SELECT * FROM bank.user"), 16, "no table bank.user,", "did you mean bank.users?")
    fails(sql(bank, "DESCRIBE bank.nope"), 16, "there is no table bank.nope")
    fails(sql(bank, 'SELECT * FROM "bank.users"'), 16, "quotes")
    fails(sql(bank, "SELECT * FROM bank.nope AT (VERSION => 1)"), 16, "there is no table bank.nope")
    fails(sql(bank, "SELECT * FROM users"), 16, "users", "bank.users")
    fails(sql(bank, "SELEC 1"), 16, "syntax error", "SELEC")
    fails(sql(bank, "SELECT nope FROM bank.users"), 16, "nope")
    fails(sql(bank, "SELECT * FROM bank.users AT (VERSION => 42)"), 3, "bank.users has no version 42", "oldest")
    fails(sql(bank, "SELECT * FROM bank.users AT (TIMESTAMP => '2001-01-01')"), 3, "2001-01-01", "oldest")
    fails(sql(bank, "SELECT * FROM bank.users AT (LSN => '0/1')"), 3, "0/1", "oldest")
    fails(sql(bank, "SELECT * FROM bank.users AT (LSN => 'x')"), 16, "AT (LSN")
    fails(sql(bank, "SELECT * FROM bank.users AT (NOON => 1)"), 16, "bank.users", "AT (VERSION")
    fails(sql(bank, "SELECT 'abc"), 16, "unterminated")
    fails(sql(bank, "SELECT 1/0 + CAST('x' AS INT)"), 16, "x")
    fails(sql(bank, "SELECT 1", "SELECT 2"), 2, "quotes")
    fails(sql(bank, "--format", "xml", "SELECT 1"), 2, "xml", "ndjson")
    fails(sql(bank, "-f", "/nonexistent.sql"), 11, "/nonexistent.sql")


def test_no_catalog_yet(bank, tmp_path):
    other = Tarn(tarn_binary(), tmp_path, {"bank": bank.database.uri})
    fails(other.command("sql", "SELECT 1"), 3, "tarn run", str(other.state))


# --- where statements come from ---

def test_scripts(bank, tmp_path):
    script = tmp_path / "s.sql"
    script.write_text("-- a comment; with a semicolon\nCREATE TEMP TABLE rich AS SELECT id FROM bank.users WHERE balance > 1005;\nSELECT 'a;b' AS x;\n/* ; */ SELECT count(*) AS n FROM rich\n")
    want = [{"x": "a;b"}, {"n": bank.database.sql("SELECT count(*) FROM users WHERE balance > 1005")[0][0]}]
    assert ndjson(good(sql(bank, "--format", "ndjson", "-f", str(script)))) == want
    assert ndjson(good(sql(bank, "--format", "ndjson", stdin=script.read_text()))) == want
    assert ndjson(good(sql(bank, "--format", "ndjson", "-f", "-", stdin=script.read_text()))) == want
    assert good(sql(bank, stdin="  -- nothing\n;\n")) == ""
    # the first failing statement ends it; what came before is there
    out = sql(bank, "--format", "ndjson", stdin="SELECT 1 AS a; SELECT nope; SELECT 2 AS b;")
    assert out.returncode == 16 and ndjson(out.stdout) == [{"a": 1}] and "nope" in out.stderr


def test_a_reader_that_goes_away(bank):
    out = subprocess.run(f"'{bank.tarn.binary}' -c '{bank.tarn.config}' sql --format csv 'SELECT * FROM range(5000000)' | head -2; echo ${{PIPESTATUS[0]}}", shell=True, executable="/bin/bash", capture_output=True, text=True, timeout=30)
    assert out.stdout.split() == ["range", "0", "0"] and out.stderr == ""


class Terminal:
    """tarn at a terminal of its own."""

    def __init__(self, tarn, *args):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(tarn.folder)
            os.execve(tarn.binary, ["tarn", "-c", str(tarn.config), *args], {**os.environ, "TERM": "xterm", "HOME": str(tarn.folder)})
        self.seen = ""

    def until(self, text, seconds=15):
        end = time.monotonic() + seconds
        at = 0
        while text not in self.seen[at:]:
            assert time.monotonic() < end, f"no {text!r} in {self.seen!r}"
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:
                    raise AssertionError(f"ended: {self.seen!r}")
        found, self.seen = self.seen.split(text, 1)
        return found

    def type(self, text):
        os.write(self.fd, text.encode())

    def key(self, text):
        """Keys that a line discipline would eat: libedit shows its prompt a moment before it has the terminal to itself."""
        self.until("tarn> ")
        time.sleep(0.2)
        self.type(text)

    def end(self, seconds=10):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self.fd], [], [], 0.05)[0]:
                try:
                    self.seen += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:
                    pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError(f"it goes on: {self.seen!r}")


def test_at_a_terminal(bank):
    """A prompt, an answer, an error that does not end it, Ctrl-C that ends only the query, history, Ctrl-D."""
    t = Terminal(bank.tarn, "sql")
    t.until(">")
    t.type("SELECT count(*) AS n,\n")
    t.type("'x' || 'y' AS xy FROM bank.users;\n")
    t.until(f"{len(source(bank))} | xy")
    t.until("(1 row)")
    t.type("SELECT nope;\n")
    t.until("\"nope\" was not found")
    t.type(SLOW + ";\n")
    time.sleep(0.7)
    t.type("\x03")
    t.until("cancelled", 3)
    t.type("SELECT 40 + 2 AS answer;\n")
    assert "42" in t.until("(1 row)")
    t.key("\x1b[A\n")  # the line before, by the arrow key
    assert "42" in t.until("(1 row)")
    t.key("\x04")
    assert t.end() == 0


# --- with and without a server ---

def test_without_a_server(new_tarn, database):
    database.sql("CREATE TABLE one (id int PRIMARY KEY, v text)")
    database.sql("INSERT INTO one VALUES (1, 'a'), (2, 'b')")
    tarn = new_tarn({"src": database.uri})
    tarn.start().wait_running("one")
    database.sql("UPDATE one SET v = 'c' WHERE id = 2")
    tarn.wait_caught_up(database)
    assert tarn.stop() == 0
    ask = ("sql", "--format", "csv", "SELECT * FROM src.one ORDER BY id")
    assert tarn.command(*ask).stdout.split() == ["id,v", "1,a", "2,c"]
    # killed, with a WAL left beside the catalog's database
    tarn.start().wait_running("one")
    database.sql("DELETE FROM one WHERE id = 1")
    tarn.wait_caught_up(database)
    tarn.kill()
    assert tarn.command(*ask).stdout.split() == ["id,v", "2,c"]
    # and beside a server again
    tarn.start().wait_running("one")
    assert tarn.command(*ask).stdout.split() == ["id,v", "2,c"]


# --- cancel, death, limits ---

def children(pid):
    return [int(c) for c in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def start_query(bank, query, *args, env=None):
    p = subprocess.Popen([bank.tarn.binary, "-c", str(bank.tarn.config), "sql", *args, query], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **(env or {})})
    worker = wait_for(lambda: children(p.pid), 10, what="a worker starts")[0]
    wait_for(lambda: busy(worker), 20, what="the query runs")
    return p, worker


def busy(pid):
    """More processor time than opening takes."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12]) > 60  # hundredths of a second


def capture_works(bank):
    n = bank.database.sql("UPDATE users SET name = 'seen' WHERE id = 40 RETURNING xmin::text::bigint")[0][0]
    bank.tarn.wait_caught_up(bank.database)
    assert bank.tarn.process.poll() is None
    rows = ndjson(good(sql(bank, "--format", "ndjson", f"SELECT name FROM bank.users__changes WHERE _xid = {n}")))
    assert rows == [{"name": "seen"}]


def gone(pid):
    return not os.path.exists(f"/proc/{pid}")


def test_interrupt(bank):
    p, worker = start_query(bank, SLOW)
    begin = time.monotonic()
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=10)
    assert time.monotonic() - begin < 2
    assert p.returncode == 15 and err == "tarn: the query was cancelled\n" and out == "", (p.returncode, err)
    wait_for(lambda: gone(worker), 2, what="no worker is left")
    capture_works(bank)


def test_a_worker_that_is_killed(bank):
    p, worker = start_query(bank, SLOW)
    os.kill(worker, signal.SIGKILL)
    out, err = p.communicate(timeout=10)
    assert p.returncode == 16 and "worker" in err and "signal 9" in err and err.count("\n") == 1 and out == "", (p.returncode, err)
    capture_works(bank)


def test_a_session_that_is_killed_leaves_nothing(bank, tmp_path):
    p, worker = start_query(bank, SLOW, env={"TMPDIR": str(tmp_path)})
    p.kill()
    p.wait()
    wait_for(lambda: gone(worker), 3, what="the worker ends with its session")
    left = list(tmp_path.glob("tarn-sql-*"))
    assert len(left) == 1
    old = time.time() - 120
    os.utime(left[0], (old, old))
    good(sql(bank, "SELECT 1", env={"TMPDIR": str(tmp_path)}))
    assert not list(tmp_path.glob("tarn-sql-*")), "the next one sweeps"


def test_limits(bank):
    # one list that cannot be spilled
    out = bank.tarn.command("--set", "sql.memory=64MB", "sql", "SELECT length(list(range)::VARCHAR) FROM range(100000000)")
    fails(out, 12, "memory")
    # sorting more than the memory is spilled instead
    out = bank.tarn.command("--set", "sql.memory=64MB", "sql", "--format", "csv", "SELECT count(*) FROM (SELECT md5(range::VARCHAR) AS m FROM range(1500000) ORDER BY m)")
    assert good(out).split() == ["count_star()", "1500000"]
    begin = time.monotonic()
    out = bank.tarn.command("--set", "sql.time=1s", "sql", SLOW)
    fails(out, 15, "longer than its limit of 1 s")
    assert time.monotonic() - begin < 4
    capture_works(bank)


# --- what a query must not do ---

FORBIDDEN = [
    "SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/passwd'", "SELECT * FROM read_blob('/proc/self/environ')", "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM read_parquet('{file}')", "SELECT * FROM read_text('{config}')", "COPY (SELECT 1) TO '{folder}/out.csv'", "COPY bank.users TO '{folder}/out.csv'", "EXPORT DATABASE '{folder}/out'", "ATTACH '{folder}/out.db'",
    "ATTACH '{catalog}' AS c (TYPE sqlite)", "INSTALL httpfs", "LOAD httpfs", "SET enable_external_access = true", "SET memory_limit = '1TB'", "RESET allowed_paths", "PRAGMA enable_external_access=true", "SELECT * FROM read_csv('http://127.0.0.1:1/x')",
    "CREATE SECRET s (TYPE s3)", "EXPLAIN ANALYZE COPY (SELECT 1) TO '{folder}/out.csv'", "PREPARE p AS COPY (SELECT 1) TO '{folder}/out.csv'", "SELECT getenv('HOME')", "CALL pragma_version()", "CREATE TABLE bank.evil AS SELECT 1; COPY bank.evil TO '{folder}/out.csv'",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_refused(bank, statement, tmp_path):
    file = next((bank.tarn.state).glob("journal/**/*"), bank.tarn.state / "catalog.db")
    text = statement.format(folder=tmp_path, file=file, config=bank.tarn.config, catalog=bank.tarn.state / "catalog.db")
    out = sql(bank, text, env={"TARN_TEST_SECRET": "xyzzy-secret"})
    assert out.returncode == 16 and out.stdout == "" and "root:" not in out.stderr and "xyzzy" not in out.stderr, out.stdout + out.stderr
    assert not list(tmp_path.iterdir()), "nothing was written"


def test_the_lake_cannot_be_changed(bank):
    """INSERT and the like change views or the worker's memory, never a table of the lake."""
    before = source(bank)
    for statement in ("INSERT INTO bank.users(id) VALUES (999)", "DELETE FROM bank.users", "UPDATE bank.users SET name = 'x'", "TRUNCATE bank.users", "ALTER TABLE bank.users ADD COLUMN x INT", "DROP VIEW bank.users", "DROP TABLE bank.users"):
        fails(sql(bank, statement), 16, "bank.users cannot be changed", "tarn sql only reads")
    fails(sql(bank, "CREATE TABLE bank.mine (a INT)"), 16, "bank.mine cannot be made", "CREATE TEMP TABLE")
    fails(sql(bank, "CREATE TABLE mine AS SELECT 1"), 16, "mine would not be kept", "CREATE TEMP")
    rows = ndjson(good(sql(bank, "--format", "ndjson", "SELECT id, name FROM bank.users ORDER BY id")))
    assert [(r["id"], r["name"]) for r in rows] == [(w[0], w[1]) for w in before]


def test_names(bank):
    """Listings show the tables and their columns."""
    assert ndjson(good(sql(bank, "--format", "ndjson", "SHOW TABLES"))) == [{"namespace": "bank", "table": "users"}, {"namespace": "bank", "table": "users__changes"}]
    rows = ndjson(good(sql(bank, "--format", "ndjson", "SELECT table_schema AS s, table_name AS t FROM information_schema.tables WHERE table_schema = 'bank' ORDER BY t")))
    assert rows == [{"s": "bank", "t": "users"}, {"s": "bank", "t": "users__changes"}]
    columns = ndjson(good(sql(bank, "--format", "ndjson", "DESCRIBE bank.users")))
    assert [(c["column_name"], c["column_type"]) for c in columns] == [("id", "BIGINT"), ("name", "VARCHAR"), ("balance", "DECIMAL(12,2)"), ("score", "DOUBLE"), ("active", "BOOLEAN"), ("born", "DATE"), ("seen", "TIMESTAMP WITH TIME ZONE"),
                                                                      ("tags", "VARCHAR[]"), ("raw", "BLOB"), ("doc", "VARCHAR"), ("level", "INTEGER")]
    assert good(sql(bank, "--format", "csv", 'SELECT count(*) AS n FROM "BANK".Users')).split() == ["n", str(len(source(bank)))]
