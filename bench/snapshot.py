# bench/snapshot.py — the first copy of a table against COPY to /dev/null and against DuckDB's postgres extension writing Parquet.
import os
import re
import subprocess
import sys
import time

import machine
from bench import COLUMNS, TarnProcess, fill, pg_bin, ratios, spread

DUCK = """import sys, time, duckdb, duckdb_extensions
uri, out = sys.argv[1:]
con = duckdb.connect()
con.execute('SET enable_progress_bar = false')
duckdb_extensions.import_extension('postgres_scanner', con=con)
con.execute('LOAD postgres_scanner')
con.execute(f"ATTACH '{uri}' AS pg (TYPE postgres, READ_ONLY)")
started = time.monotonic()
con.execute(f"COPY (FROM pg.public.t) TO '{out}' (FORMAT parquet, COMPRESSION zstd)")
print(time.monotonic() - started)
"""


def cpu_of(call):
    before = os.times()
    value = call()
    after = os.times()
    return value, after.children_user + after.children_system - before.children_user - before.children_system


def psql(bench, database, statement):
    args = [f"{pg_bin()}/psql", "-X", "-q", database.uri, "-c", statement]
    bench.note_command("psql: " + statement, args + ["> /dev/null"])
    started = time.monotonic()
    subprocess.run(args, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def duckdb_copy(bench, database):
    out = bench.folder / "duckdb.parquet"
    args = [sys.executable, "-c", DUCK, database.uri, str(out)]
    bench.note_command("duckdb", ["python -c \"COPY (FROM pg.public.t) TO 'out.parquet' (FORMAT parquet, COMPRESSION zstd)\""])
    found = subprocess.run(args, capture_output=True, text=True)
    size = out.stat().st_size if out.exists() else 0
    out.unlink(missing_ok=True)
    if found.returncode:
        raise RuntimeError(found.stderr.strip().splitlines()[-1])
    return float(found.stdout.split()[-1]), size


def tarn_copy(bench, database, i):
    tarn = TarnProcess(bench, f"copy_{i}", database, ["t"])
    tarn.start()
    tarn.wait_running()
    cpu, pid = tarn.cpu(), tarn.process.pid
    peak = machine.memory_kb(pid, "VmHWM") // 1024
    rows, ms = map(int, re.search(r"copied: (\d+) rows in (\d+) ms", tarn.log.read_text()).groups())
    size = sum(f.stat().st_size for f in (tarn.folder / "warehouse").rglob("*.parquet"))
    tarn.remove()
    bench.slots(database)
    return rows, ms / 1000, cpu, size, peak


def have_duckdb(bench):
    try:
        import duckdb  # noqa: F401
        import duckdb_extensions  # noqa: F401
    except ImportError as missing:
        bench.skip("DuckDB's postgres extension", f"{missing}; pip install -r bench/requirements.txt")
        return False
    return True


def snapshot(bench):
    rows = bench.rows(5_000_000, 500_000)
    database = bench.server.create_database("bench_snapshot")
    with database.connect() as con:
        con.execute(f"CREATE TABLE t ({COLUMNS})")
        fill(con, "t", 1, rows, 100_000)
        con.execute("VACUUM (ANALYZE, FREEZE) t")
    found, duck = {}, have_duckdb(bench)

    def add(name, seconds, cpu, **more):
        found.setdefault(name, []).append({"rows_per_s": rows / seconds, "seconds": seconds, "cpu_us_per_row": cpu / rows * 1e6, **more})
        bench.say(f"{name}: {rows / seconds / 1000:.0f} k rows/s, {cpu / rows * 1e6:.2f} us CPU/row" + "".join(f", {k} {v}" for k, v in more.items()))

    psql(bench, database, "COPY t TO STDOUT (FORMAT binary)")  # the table into memory
    for i in range(bench.reps):
        add("psql COPY binary", *cpu_of(lambda: psql(bench, database, "COPY t TO STDOUT (FORMAT binary)")))
        copied, seconds, cpu, size, peak = tarn_copy(bench, database, i)
        assert copied == rows, f"{copied} of {rows} rows"
        add("tarn copy", seconds, cpu, file_mb=size // 1_000_000, rss_peak_mb=peak)
        if duck:
            try:
                (seconds, size), cpu = cpu_of(lambda: duckdb_copy(bench, database))
                add("duckdb to Parquet", seconds, cpu, file_mb=size // 1_000_000)
            except RuntimeError as why:
                bench.skip("DuckDB's postgres extension", str(why))
                duck = False
    bench.server.drop_database(database.name)
    result = {"rows": rows, "readers": {name: {**{k: spread([s[k] for s in samples]) for k in ("rows_per_s", "cpu_us_per_row")}, "samples": samples} for name, samples in found.items()}}
    for peer in ("psql COPY binary", "duckdb to Parquet"):
        if peer in found:
            result[f"tarn copy / {peer}"] = ratios([s["rows_per_s"] for s in found["tarn copy"]], [s["rows_per_s"] for s in found[peer]])
    bench.results["snapshot"] = result
