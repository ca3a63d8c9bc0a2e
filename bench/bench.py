# bench/bench.py — what the measurements share: the server, the tarn process, peers, samples.
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import machine

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from support import Postgres, drop_slot, free_port, lsn, pg_bin, wait_for  # noqa: E402

COLUMNS = "id bigint PRIMARY KEY, n int, label text, amount numeric(10,2), at timestamptz, ok boolean"
ROW = "g, g % 1000, 'customer ' || g || ' of ' || g % 97, (g % 1000000)::numeric(12,2) / 100, '2026-01-01 00:00:00+00'::timestamptz + g * interval '1 second', g % 3 = 0"


class Bench:
    """One run: a private server with its default durability, a folder, the options and what was found."""

    def __init__(self, options):
        self.quick, self.big, self.reps = options.quick, options.big, options.reps
        self.tarn = options.tarn
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tarn-bench-", dir=options.folder))
        self.results, self.commands, self.skipped = {}, {}, {}
        self.running = []  # tarn processes, to end with us
        self.server = Postgres(fsync="on", max_wal_senders="60", max_replication_slots="60", max_wal_size="8GB", checkpoint_timeout="1h", wal_sender_timeout="0", shared_buffers="512MB", autovacuum="off")

    def start(self):
        self.server.start()

    def remove(self):
        for process in self.running:
            if process.poll() is None:
                process.kill()
                process.wait()
        self.server.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def rows(self, full, quick):
        return quick if self.quick else full

    def say(self, text):
        print(f"  {text}", flush=True)

    def skip(self, what, why):
        self.skipped[what] = why
        print(f"  {what} skipped: {why}", flush=True)

    def note_command(self, name, args):
        self.commands.setdefault(name, " ".join(str(a) for a in args).replace(str(self.folder), "FOLDER").replace(str(ROOT), "."))

    def versions(self):
        with self.database("postgres").connect() as con:
            server = con.execute("SELECT version()").fetchone()[0]
        found = {"tarn": machine.output(self.tarn, "--version"), "commit": machine.output("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"), "postgresql": server, "python": sys.version.split()[0]}
        try:
            import duckdb
            found["duckdb"] = duckdb.__version__
        except ImportError:
            found["duckdb"] = "missing"
        return found

    def database(self, name):
        from support import Database
        return Database(self.server, name)

    def slots(self, database):
        """Slots that a measurement made: they would keep the WAL of everything that follows."""
        with database.connect() as con:
            for (slot,) in con.execute("SELECT slot_name FROM pg_replication_slots WHERE database = current_database()").fetchall():
                wait_for(lambda s=slot: drop_slot(con, s), 20, what=f"slot {slot} dropped")


def fill(con, table, first, rows, per_transaction):
    """Inserts rows first..first+rows-1, committing every per_transaction."""
    con.execute("SET synchronous_commit = off")
    con.execute(f"""DO $$ DECLARE a bigint := {first}; z bigint := {first + rows}; BEGIN
        WHILE a < z LOOP
            INSERT INTO {table} SELECT {ROW} FROM generate_series(a, least(a + {per_transaction}, z) - 1) g;
            a := a + {per_transaction};
            COMMIT;
        END LOOP; END $$""")


def end_of_wal(database):
    """The position behind all that was committed; a commit behind it makes every reader pass it."""
    with database.connect() as con:
        end = con.execute("SELECT pg_current_wal_insert_lsn()").fetchone()[0]
        con.execute("SELECT pg_logical_emit_message(true, 'bench', '')")
        con.execute("SELECT pg_log_standby_snapshot()") if con.info.server_version >= 160000 else con.execute("CHECKPOINT")
    return end


class TarnProcess:
    """One configuration, its state folder and the process."""

    def __init__(self, bench, name, database, tables, capture_only=False, lake="", extra=""):
        self.bench, self.name, self.process = bench, name, None
        self.folder = bench.folder / name
        self.folder.mkdir()
        self.state = self.folder / "state"
        self.config, self.log = self.folder / "tarn.yaml", self.folder / "log"
        self.port = free_port()
        listed = ", ".join(f'"public.{t}"' for t in tables)
        self.config.write_text(f"""state: {self.state}
lake: {{warehouse: "file:{self.folder}/warehouse"{lake}}}
sources:
  src: {{postgres: "{database.uri}", tables: [{listed}], slot: {name}, publication: {name}}}
{"pipelines: []" if capture_only else ""}
serve: {{http: "127.0.0.1:{self.port}", catalog: "127.0.0.1:0"}}
{extra}
""")

    def start(self, wait=True):
        args = [self.bench.tarn, "-c", str(self.config), "run"]
        self.bench.note_command("tarn", args)
        self.process = subprocess.Popen(args, stdout=open(self.log, "ab"), stderr=subprocess.STDOUT, cwd=self.folder)
        self.bench.running.append(self.process)
        if wait:
            self.wait(lambda: self.status() is not None, 30, "answers")
        return self

    def wait(self, condition, seconds, what, every=0.02):
        end = time.monotonic() + seconds
        while not condition():
            if self.process.poll() is not None:
                raise SystemExit(f"tarn ended with {self.process.returncode} before it {what}:\n{self.tail()}")
            if time.monotonic() > end:
                raise SystemExit(f"tarn: not within {seconds} s: {what}\n{self.tail()}")
            time.sleep(every)

    def tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    def source(self):
        status = self.status()
        return status["sources"][0] if status else {}

    def status(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/status", timeout=20) as answer:
                return json.load(answer)
        except OSError:
            return None

    def wait_running(self, seconds=600):
        self.wait(lambda: self.source().get("tables") and all(t["state"] == "running" for t in self.source()["tables"]), seconds, "has all tables running", 0.05)

    def wait_streaming(self, seconds=60):
        self.wait(lambda: self.source().get("state") == "streaming", seconds, "streams", 0.05)

    def wait_lsn(self, rung, end, seconds=900):
        goal = lsn(end)
        self.wait(lambda: lsn(self.source().get("lsn", {}).get(rung, "0/0")) >= goal, seconds, f"{rung} reaches {end}")

    def cpu(self):
        return machine.cpu_seconds(self.process.pid)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def recvlogical(bench, name, database, slot, publication, end, binary=False):
    """pg_recvlogical to /dev/null until `end`: seconds and processor seconds."""
    args = [f"{pg_bin()}/pg_recvlogical", "-d", database.uri, "--slot", slot, "--start", "--no-loop", "-f", "/dev/null", "--endpos", end, "-o", "proto_version=1", "-o", f"publication_names={publication}"]
    if binary:
        args += ["-o", "binary=true"]
    bench.note_command(name, args)
    before, started = os.times(), time.monotonic()
    subprocess.run(args, check=True, capture_output=True)
    seconds, after = time.monotonic() - started, os.times()
    return seconds, after.children_user + after.children_system - before.children_user - before.children_system


def spread(values):
    """Of repetitions: least, median, most."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values), "n": len(values), "all": values}


def ratios(ours, peers):
    """Repetition by repetition, as both ran next to each other."""
    return spread([a / b for a, b in zip(ours, peers)])
