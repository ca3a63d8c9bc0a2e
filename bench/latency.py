# bench/latency.py — from the client's commit to a table version that another reader finds in the catalog, at 100 transactions a second.
import json
import sqlite3
import threading
import time
import urllib.parse

from bench import COLUMNS, ROW, TarnProcess, lsn

RATE = 100


class Writer(threading.Thread):
    """One row a transaction. Its insert position is behind the commit record before it and before its own: with one writer it decides which version shows it."""

    def __init__(self, database, seconds):
        super().__init__(daemon=True)
        self.database, self.seconds, self.commits = database, seconds, []

    def run(self):
        insert = f"INSERT INTO t SELECT {ROW.replace(chr(37), chr(37) * 2)} FROM generate_series(%s::bigint, %s::bigint) g RETURNING pg_current_wal_insert_lsn()"
        with self.database.connect() as con:
            start = time.monotonic()
            for i in range(int(self.seconds * RATE)):
                time.sleep(max(0, start + i / RATE - time.monotonic()))
                position = con.execute(insert, (i + 1, i + 1)).fetchone()[0]
                self.commits.append((lsn(position), time.monotonic()))


class Reader(threading.Thread):
    """Looks at the catalog every few milliseconds; a new version's snapshot says how far it goes."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.stopping, self.versions = path, False, []

    def run(self):
        db, last = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True), None
        while not self.stopping:
            location = db.execute("SELECT metadata_location FROM tables WHERE namespace = 'src' AND name = 't'").fetchone()[0]
            if location != last:
                found = time.monotonic()
                last = location
                with open(urllib.parse.urlparse(location).path) as file:
                    metadata = json.load(file)
                current = next(s for s in metadata["snapshots"] if s["snapshot-id"] == metadata["current-snapshot-id"])
                self.versions.append((lsn(current["summary"]["tarn.lsn"]), found))
            time.sleep(0.003)
        db.close()


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(p / 100 * len(values)))]


def one(bench, database, interval):
    name = "latency_" + (interval or "default")
    tarn = TarnProcess(bench, name, database, ["t"], lake=f", publish_interval: {interval}" if interval else "")
    tarn.start()
    tarn.wait_running()
    reader, writer = Reader(tarn.state / "catalog.db"), Writer(database, bench.rows(30, 5))
    cpu, started = tarn.cpu(), time.monotonic()
    reader.start()
    writer.start()
    writer.join()
    goal = writer.commits[-1][0]
    tarn.wait(lambda: reader.versions and reader.versions[-1][0] >= goal, 30, "shows the last commit")
    cpu, seconds = tarn.cpu() - cpu, time.monotonic() - started
    reader.stopping = True
    reader.join()
    tarn.remove()
    bench.slots(database)
    delays, versions = [], iter(reader.versions)
    at = next(versions)
    for position, committed in writer.commits:
        while at[0] < position:
            at = next(versions)
        delays.append((at[1] - committed) * 1000)
    out = {"commits": len(delays), "versions": len(reader.versions), "p50_ms": percentile(delays, 50), "p99_ms": percentile(delays, 99), "max_ms": max(delays), "cpu_percent": 100 * cpu / seconds}
    bench.say(f"publish interval {interval or 'default (1s)'}: p50 {out['p50_ms']:.0f} ms, p99 {out['p99_ms']:.0f} ms, max {out['max_ms']:.0f} ms, {out['versions']} versions, {out['cpu_percent']:.1f} % of a core")
    return out


def latency(bench):
    database = bench.server.create_database("bench_latency")
    results = {}
    for interval in (None, "200ms", "50ms"):
        database.sql(f"DROP TABLE IF EXISTS t; CREATE TABLE t ({COLUMNS})")
        results[interval or "default"] = one(bench, database, interval)
    bench.server.drop_database(database.name)
    bench.results["latency"] = results
