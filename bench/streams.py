# bench/streams.py — the same WAL read by pg_recvlogical and by Tarn: capture alone, through to published tables, and a mix of changes on a large table.
import os
import signal
import time

import machine
from bench import COLUMNS, TarnProcess, end_of_wal, fill, ratios, recvlogical, spread


def make_slot(con, name, table):
    con.execute(f"DROP PUBLICATION IF EXISTS {name}")
    con.execute(f"CREATE PUBLICATION {name} FOR TABLE {table}")
    con.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (name,))


class Rates:
    """What repetitions gave, by reader."""

    def __init__(self, bench, rows):
        self.bench, self.rows, self.found = bench, rows, {}

    def add(self, reader, seconds, cpu, **more):
        one = {"rows_per_s": self.rows / seconds, "seconds": seconds, "cpu_us_per_row": cpu / self.rows * 1e6, **more}
        self.found.setdefault(reader, []).append(one)
        self.bench.say(f"{reader}: {one['rows_per_s'] / 1000:.0f} k rows/s, {one['cpu_us_per_row']:.2f} us CPU/row" + "".join(f", {k} {v}" for k, v in more.items()))

    def result(self, ours, peer):
        out = {"rows": self.rows, "readers": {}}
        for reader, samples in self.found.items():
            out["readers"][reader] = {k: spread([s[k] for s in samples]) for k in ("rows_per_s", "cpu_us_per_row", "seconds")}
            out["readers"][reader]["samples"] = samples
        for reader in ours:
            out[f"{reader} / {peer}"] = ratios([s["rows_per_s"] for s in self.found[reader]], [s["rows_per_s"] for s in self.found[peer]])
        return out


def timed_tarn(rates, reader, tarn, rung, end):
    """From the start of the process until `rung` of the position ladder has passed `end`."""
    started = time.monotonic()
    tarn.start(wait=False)
    tarn.wait_lsn(rung, end)
    seconds = time.monotonic() - started
    pid = tarn.process.pid
    rates.add(reader, seconds, tarn.cpu(), threads=machine.threads_cpu(pid), rss_peak_mb=machine.memory_kb(pid, "VmHWM") // 1024)
    tarn.remove()


def prepared(bench, name, database, capture_only):
    """A Tarn that has its slot and, with a pipeline, its (empty) tables, stopped before the changes are made."""
    tarn = TarnProcess(bench, name, database, ["t"], capture_only)
    tarn.start()
    tarn.wait_streaming() if capture_only else tarn.wait_running()
    tarn.stop()
    return tarn


def inserts(bench, per_transaction, label, with_through):
    rows = bench.rows(2_000_000, 200_000)
    database = bench.server.create_database("bench_" + label)
    rates = Rates(bench, rows)
    with database.connect() as con:
        con.execute(f"CREATE TABLE t ({COLUMNS})")
        for i in range(bench.reps):
            make_slot(con, f"text_{i}", "t")
            make_slot(con, f"binary_{i}", "t")
        captures = [prepared(bench, f"capture_{i}", database, True) for i in range(bench.reps)]
        throughs = [prepared(bench, f"through_{i}", database, False) for i in range(bench.reps)] if with_through else []
        fill(con, "t", 1, rows, per_transaction)
    end = end_of_wal(database)
    for i in range(bench.reps):
        rates.add("pg_recvlogical", *recvlogical(bench, "pg_recvlogical", database, f"text_{i}", f"text_{i}", end))
        timed_tarn(rates, "tarn capture", captures[i], "journaled", end)
        rates.add("pg_recvlogical binary", *recvlogical(bench, "pg_recvlogical binary", database, f"binary_{i}", f"binary_{i}", end, binary=True))
        if with_through:
            timed_tarn(rates, "tarn through", throughs[i], "lake", end)
    bench.slots(database)
    bench.server.drop_database(database.name)
    ours = ["tarn capture"] + (["tarn through"] if with_through else [])
    result = rates.result(ours, "pg_recvlogical")
    result.update({k: v for k, v in rates.result(ours, "pg_recvlogical binary").items() if " / " in k})
    return result


def capture(bench):
    """Many transactions of 1000 rows: capture and through; then one single transaction: capture."""
    bench.results["inserts"] = inserts(bench, 1000, "inserts", True)
    bench.results["single transaction"] = inserts(bench, 1 << 40, "single", False)


MIX = """DO $$ DECLARE changed bigint := 0; m bigint; half bigint := {half}; BEGIN
    FOR k IN {first}..{last} LOOP
        INSERT INTO t SELECT {row} FROM generate_series({next} + k * 600::bigint, {next} + k * 600 + 599) g;
        UPDATE t SET n = n + 1, label = label || '!' WHERE id IN (SELECT 2 * (((k * 300 + j) * 15485863) % half) + 1 FROM generate_series(0::bigint, 299) j);
        GET DIAGNOSTICS m = ROW_COUNT; changed := changed + m;
        DELETE FROM t WHERE id IN (SELECT 2 * (((k * 100 + j) * 32452843) % half) + 2 FROM generate_series(0::bigint, 99) j);
        GET DIAGNOSTICS m = ROW_COUNT; changed := changed + m + 600;
        COMMIT;
    END LOOP;
    PERFORM set_config('bench.changes', changed::text, false);
END $$"""


def mix(con, base, first, transactions):
    """Transactions of 600 inserts, 300 updates and 100 deletes all over the table; gives the number of changes."""
    from bench import ROW
    con.execute("SET synchronous_commit = off")
    con.execute(MIX.format(half=base // 2, first=first, last=first + transactions - 1, row=ROW, next=base + 1))
    return int(con.execute("SELECT current_setting('bench.changes')").fetchone()[0])


def mixed(bench):
    """The index is made and Tarn is caught up; it is halted while the changes are written, so that both readers find them all in the WAL."""
    base = 10_000_000 if bench.big else bench.rows(1_000_000, 100_000)
    transactions = bench.rows(1000, 100)
    database = bench.server.create_database("bench_mixed")
    rates, at = None, 0
    with database.connect() as con:
        con.execute(f"CREATE TABLE t ({COLUMNS})")
        fill(con, "t", 1, base, 100_000)
        con.execute("VACUUM ANALYZE t")
        tarn = TarnProcess(bench, "mixed", database, ["t"])
        tarn.start()
        tarn.wait_running()
        for i in range(bench.reps):
            mix(con, base, at, 1)
            at += 1
            tarn.wait_lsn("lake", end_of_wal(database))
            time.sleep(1)
            os.kill(tarn.process.pid, signal.SIGSTOP)
            make_slot(con, f"mixed_{i}", "t")
            changes = mix(con, base, at, transactions)
            at += transactions
            end = end_of_wal(database)
            rates = rates or Rates(bench, changes)
            rates.rows = changes
            rates.add("pg_recvlogical", *recvlogical(bench, "pg_recvlogical mixed", database, f"mixed_{i}", f"mixed_{i}", end))
            cpu, started = tarn.cpu(), time.monotonic()
            os.kill(tarn.process.pid, signal.SIGCONT)
            tarn.wait_lsn("lake", end)
            seconds, pid = time.monotonic() - started, tarn.process.pid
            rates.add("tarn through", seconds, tarn.cpu() - cpu, rss_peak_mb=machine.memory_kb(pid, "VmHWM") // 1024, own_mb=machine.anonymous_kb(pid) // 1024)
        tarn.remove()
    bench.slots(database)
    bench.server.drop_database(database.name)
    bench.results["mixed"] = {"table_rows": base, **rates.result(["tarn through"], "pg_recvlogical")}
