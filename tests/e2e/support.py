# tests/e2e/support.py — what tests share: a private PostgreSQL, a tarn process, and reading the lake with other people's readers.
import decimal
import json
import os
import pathlib
import pwd
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import urllib.request
import uuid

import psycopg
import pytest


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(condition, seconds=30, every=0.05, what="condition"):
    """Polls until condition() is true and returns its value; fails with the last value seen."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(every)


def pg_bin():
    named = os.environ.get("PG_BIN")
    if named:
        return named
    for folder in sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return str(folder)
    return os.path.dirname(subprocess.check_output(["sh", "-c", "command -v initdb"], text=True).strip())


def tarn_binary():
    named = os.environ.get("TARN")
    if named:
        return named
    for build in ("build-test", "build"):
        found = pathlib.Path(__file__).resolve().parents[2] / build / "src" / "cli" / "tarn"
        if found.exists():
            return str(found)
    pytest.exit("no tarn binary: run make first, or set TARN", 2)


class Postgres:
    """A private cluster on a free port. The server refuses to run as root: then it runs as the user postgres."""

    def __init__(self, **settings):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="tarn-pg-"))
        self.port = None  # taken at the first start, so that nobody else gets it while initdb works
        self.settings = {"wal_level": "logical", "max_wal_senders": "10", "max_replication_slots": "10", "fsync": "off", "wal_sender_timeout": "60s", **settings}
        self.as_user = []
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.home, owner.pw_uid, owner.pw_gid)
            self.as_user = ["runuser", "-u", "postgres", "--"]
        os.chmod(self.home, 0o755)
        self.data = self.home / "data"

    def run(self, program, *args, check=True):
        return subprocess.run([*self.as_user, f"{pg_bin()}/{program}", *args], cwd=self.home, check=check, capture_output=True, text=True)

    def start(self):
        if not self.data.exists():
            self.run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
            self.port = free_port()
            conf = "".join(f"{k} = '{v}'\n" for k, v in self.settings.items())
            conf += f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{self.home}'\n"
            subprocess.run([*self.as_user, "tee", "-a", str(self.data / "postgresql.conf")], input=conf, text=True, stdout=subprocess.DEVNULL, check=True)
        self.run("pg_ctl", "-D", str(self.data), "-l", str(self.home / "log"), "-w", "-t", "60", "start")

    def stop(self, mode="fast"):
        self.run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "stop", check=False)

    def remove(self):
        self.stop("immediate")
        subprocess.run(["rm", "-rf", str(self.home)], check=False)

    def uri(self, database="postgres", user="postgres"):
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name):
        with psycopg.connect(self.uri(), autocommit=True) as con:
            con.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            con.execute(f'CREATE DATABASE "{name}"')
        return Database(self, name)

    def drop_database(self, name):
        with psycopg.connect(self.uri(), autocommit=True) as con:
            for (slot, pid) in con.execute("SELECT slot_name, active_pid FROM pg_replication_slots WHERE database = %s", (name,)).fetchall():
                if pid:
                    con.execute("SELECT pg_terminate_backend(%s)", (pid,))
                wait_for(lambda s=slot: drop_slot(con, s), 10, what=f"slot {slot} dropped")
            con.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def drop_slot(con, slot):
    try:
        con.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
        return True
    except psycopg.errors.UndefinedObject:
        return True
    except psycopg.Error:
        return False


class Database:
    def __init__(self, server, name):
        self.server, self.name = server, name
        self.uri = server.uri(name)

    def connect(self, **kw):
        return psycopg.connect(self.uri, autocommit=True, **kw)

    def sql(self, text, *params):
        with self.connect() as con:
            cur = con.execute(text, params or None)
            return cur.fetchall() if cur.description else None


class Tarn:
    """One configuration and the process that runs it."""

    def __init__(self, binary, folder, sources, tables=("public.*",), options=None, pipelines=None):
        self.binary, self.folder, self.process = binary, pathlib.Path(folder), None
        self.state, self.warehouse = self.folder / "state", self.folder / "warehouse"
        self.config = self.folder / "tarn.yaml"
        self.log = self.folder / "log"
        lines = [f"state: {self.state}", f'lake: {{warehouse: "file:{self.warehouse}", publish_interval: 200ms}}', "sources:"]
        for name, uri in sources.items():
            listed = ", ".join(f'"{t}"' for t in tables)
            lines.append(f'  {name}: {{postgres: "{uri}", tables: [{listed}]}}')
        if pipelines:
            lines.append(pipelines)
        lines.append('serve: {http: "127.0.0.1:0", catalog: "127.0.0.1:0"}')
        lines.append("log: {level: debug}")
        self.config.write_text("\n".join(lines) + "\n" + (options or ""))

    def start(self, env=None, wait=True, sets=()):
        args = [self.binary, "-c", str(self.config)]
        for s in sets:
            args += ["--set", s]
        (self.state / "run.json").unlink(missing_ok=True)
        self.process = subprocess.Popen([*args, "run"], stdout=open(self.log, "ab"), stderr=subprocess.STDOUT, env={**os.environ, **(env or {})}, cwd=self.folder)
        if wait:
            wait_for(lambda: self.addresses() or self.process.poll() is not None, 20, what="tarn answers\n" + self.log_text()[-2000:])
            assert self.process.poll() is None, self.log_text()[-3000:]
        return self

    def addresses(self):
        try:
            return json.loads((self.state / "run.json").read_text())
        except (OSError, ValueError):
            return None

    def stop(self, seconds=20):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(seconds)
        return self.process.returncode if self.process else None

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()

    def command(self, *args, env=None, stdin=None, timeout=120):
        return subprocess.run([self.binary, "-c", str(self.config), *args], capture_output=True, text=True, cwd=self.folder, env={**os.environ, **(env or {})}, input=stdin, timeout=timeout)

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def get(self, path):
        with urllib.request.urlopen(f"http://{self.addresses()['http']}{path}", timeout=10) as r:
            return r.read().decode()

    def status(self):
        return json.loads(self.get("/api/v1/status"))

    def source(self, name="src"):
        return next(s for s in self.status()["sources"] if s["source"] == name)

    def table(self, name, source="src"):
        return next((t for t in self.source(source).get("tables", []) if t["table"] == f"{source}.{name}"), None)

    def wait_running(self, *tables, source="src", seconds=30):
        for name in tables:
            wait_for(lambda n=name: (self.table(n, source) or {}).get("state") == "running", seconds, what=f"table {name} runs\n" + self.log_text()[-3000:])

    def wait_caught_up(self, database, source="src", seconds=60):
        """Until every transaction committed so far is in published tables."""
        goal = lsn(database.sql("SELECT pg_current_wal_insert_lsn()")[0][0])
        # a later commit moves the decoder past the goal even when nothing else happens
        database.sql("SELECT pg_logical_emit_message(true, 'test', '')")

        def reached():
            s = self.source(source)
            return "lsn" in s and lsn(s["lsn"]["lake"]) >= goal

        wait_for(reached, seconds, what=f"lake reaches {goal:X}\n" + self.log_text()[-3000:])

    # --- the lake, read by others ---

    def metadata_location(self, table, source="src"):
        with sqlite3.connect(f"file:{self.state}/catalog.db?mode=ro", uri=True) as db:
            row = db.execute("SELECT metadata_location FROM tables WHERE namespace = ? AND name = ?", (source, table)).fetchone()
        return row[0] if row else None

    def iceberg(self, table, source="src"):
        from pyiceberg.table import StaticTable

        return StaticTable.from_metadata(self.metadata_location(table, source))

    def rows(self, table, source="src", snapshot_id=None):
        """Rows as dictionaries, read by pyiceberg."""
        return self.iceberg(table, source).scan(snapshot_id=snapshot_id).to_arrow().to_pylist()

    def check_equal(self, database, tables, source="src"):
        """Every mirror equals its source table, by pyiceberg; the changelog has each change once."""
        for table in tables:
            have = self.rows(table, source)
            columns = [f.name for f in self.iceberg(table, source).schema().fields]
            want = database.sql("SELECT " + ", ".join(f'"{c}"' for c in columns) + f' FROM public."{table}"')
            compare(table, canonical(have, columns), canonical([dict(zip(columns, r)) for r in want], columns))
            self.check_changelog(table, source)

    def check_changelog(self, table, source="src"):
        changes = self.rows(table + "__changes", source)
        seen = set()
        for c in changes:
            key = (c["_commit_lsn"], c["_ordinal"], c["_op"])
            assert key not in seen, f"change {key} of {table} is there twice"
            seen.add(key)
        return changes


def plain(value):
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, decimal.Decimal):
        return value.normalize() if value else decimal.Decimal(0)
    if isinstance(value, (dict,)):
        return json.dumps(value, sort_keys=True)
    if isinstance(value, str) and value[:1] in "{[":
        try:
            return json.dumps(json.loads(value), sort_keys=True)
        except ValueError:
            return value
    if isinstance(value, list):
        return tuple(plain(v) for v in value)
    return value


def canonical(rows, columns):
    return sorted((tuple(plain(r[c]) for c in columns) for r in rows), key=repr)


def compare(table, have, want):
    if have == want:
        return
    extra, missing = [r for r in have if r not in want][:5], [r for r in want if r not in have][:5]
    raise AssertionError(f"{table}: lake has {len(have)} rows, source {len(want)}; only in lake: {extra}; only in source: {missing}")


def lsn(text):
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)
