# tests/interop/live.py — a private PostgreSQL and a tarn, their tables read and other tables written by Spark, pyiceberg and DuckDB through the REST catalog; run by tests/interop/run.
#
#   live.py PATH/TO/tarn [PATH/TO/tools/peers/spark]     prints "ok NAME" or "failed NAME: why" a check; without Spark the others do what they can
import datetime
import decimal
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import pyarrow as pa
from pyiceberg.catalog.rest import RestCatalog

from readers import Life, assert_same, canon_rows, duck
from support import Postgres, Tarn

NOT_IN_SPARK = ("tm", "a_tm")  # Iceberg's time has no Spark type: a table with such a column cannot be loaded there


class Checks:
    def __init__(self):
        self.failed = 0

    def run(self, name, function):
        try:
            function()
            print(f"ok {name}", flush=True)
        except Exception as e:  # noqa: BLE001 - said, and the next one runs
            self.failed += 1
            print(f"failed {name}: " + " | ".join(str(e).splitlines()[:6]), flush=True)


def query(tarn, text):
    out = tarn.command("sql", "--format", "json", text)
    assert out.returncode == 0, out.stderr
    return [tuple(r.values()) for r in json.loads(out.stdout, parse_float=decimal.Decimal)]


def expect(have, want):
    assert have == want, f"{have} instead of {want}"


class TimedLife(Life):
    """Notes when each state was reached: versions' times are in milliseconds and in UTC."""

    def remember(self, name):
        super().remember(name)
        time.sleep(0.05)
        self.states[-1].time = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")
        time.sleep(0.05)


def job_of(life):
    location = life.tarn.metadata_location("kinds")
    ids = duck().sql(f"SELECT id::VARCHAR, _row_id, _last_updated_sequence_number FROM iceberg_scan('{location}')").fetchall()
    return {"row_ids": ids, "states": [{"name": s.name, "time": s.time, "snapshots": s.snapshots, "want": s.want, "columns": {t: s.columns_of(t) for t in s.want}} for s in life.states]}


def pyiceberg_writes(catalog):
    catalog.create_namespace("py")
    table = catalog.create_table("py.t", schema=pa.schema([pa.field("id", pa.int64()), pa.field("name", pa.string())]))
    table.append(pa.table({"id": pa.array([1, 2, 3], pa.int64()), "name": ["a", "b", None]}))
    table.delete("id = 2")
    expect(sorted(r["id"] for r in catalog.load_table("py.t").scan().to_arrow().to_pylist()), [1, 3])


def run_spark(spark, tarn, folder, life):
    """Spark's own checks are printed as they come; True when it came to its end."""
    job, result = folder / "job.json", folder / "result.json"
    job.write_text(json.dumps(job_of(life)))
    env = {**os.environ, "CATALOG_URI": f"http://{tarn.addresses()['catalog']}"}
    p = subprocess.Popen([spark, "run", str(HERE / "spark_live.py"), str(job), str(result)], stdout=subprocess.PIPE, stderr=open(folder / "spark.log", "w"), text=True, env=env)
    failed = 0
    for line in p.stdout:
        if line.startswith(("ok ", "failed ")):
            failed += line.startswith("failed ")
            word, rest = line.rstrip("\n").split(" ", 1)
            print(f"{word} Spark: {rest}", flush=True)
    assert p.wait() == 0, f"Spark ended with {p.returncode}: " + (folder / "spark.log").read_text()[-1500:]
    return failed, json.loads(result.read_text())


def after_spark(checks, tarn, catalog, result):
    con = duck()

    def by_tarn():
        expect(query(tarn, "SELECT id, name, CAST(amount AS VARCHAR) AS amount FROM own.v3 ORDER BY id"), [tuple(r) for r in result["v3"]])
        expect(query(tarn, "SELECT id, i4 FROM own.copy ORDER BY id"), [tuple(r) for r in result["copy"]])
        expect([(i, n, None if c is None else float(c)) for i, n, c in query(tarn, "SELECT id, name, c FROM own.second ORDER BY id")], [tuple(r) for r in result["second"]])

    def versions():
        counts = [query(tarn, f"SELECT count(*) FROM own.v3 AT (VERSION => {v})")[0][0] for v in result["v3_versions"]]
        expect(counts, [100, 90, 90, 95])

    def by_pyiceberg():
        have = catalog.load_table("own.v3").scan(selected_fields=("id", "name")).to_arrow().to_pylist()
        expect(sorted((r["id"], r["name"]) for r in have), [(r[0], r[1]) for r in result["v3"]])

    def by_duckdb():
        con.sql(f"ATTACH '' AS lake (TYPE iceberg, ENDPOINT 'http://{tarn.addresses()['catalog']}', AUTHORIZATION_TYPE 'none')")
        expect(con.sql("SELECT id, name FROM lake.own.v3 ORDER BY id").fetchall(), [(r[0], r[1]) for r in result["v3"]])
        expect(con.sql("SELECT id FROM lake.own.pos ORDER BY id").fetchall(), [(i,) for i in range(1, 20, 2)])

    def refused():
        out = tarn.command("sql", "SELECT * FROM own.pos")
        assert out.returncode == 8 and "position delete" in out.stderr, (out.returncode, out.stderr)

    def shared():
        expect(sorted((r["id"], r["name"]) for r in catalog.load_table("py.t").scan().to_arrow().to_pylist()), [(3, None), (4, "spark")])
        catalog.load_table("py.t").append(pa.table({"id": pa.array([5], pa.int64()), "name": ["last"]}))
        expect(query(tarn, "SELECT id, name FROM py.t ORDER BY id"), [(3, None), (4, "spark"), (5, "last")])

    def purged():
        left = [p for p in result["purged"] if os.path.exists(p.removeprefix("file://").removeprefix("file:"))]
        assert result["purged"] and not left, left

    checks.run("tarn sql reads Spark's tables: deletion vectors, partitions, changed columns", by_tarn)
    checks.run("tarn sql reads older versions of Spark's table", versions)
    checks.run("pyiceberg reads Spark's table", by_pyiceberg)
    checks.run("DuckDB reads Spark's tables through the catalog", by_duckdb)
    checks.run("tarn sql says what it cannot read: position delete files", refused)
    checks.run("a table that pyiceberg, Spark and tarn share", shared)
    checks.run("a purged table's files are gone", purged)


def capture_goes_on(tarn, database, life):
    life.sql("UPDATE kinds SET note = 'after' WHERE i2 > 610")
    tarn.wait_caught_up(database)
    columns = life.states[-1].columns
    assert_same("kinds", canon_rows(tarn.rows("kinds"), columns), canon_rows(life.source_rows("kinds", columns), columns))


def main():
    binary, spark = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    checks, server = Checks(), Postgres()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tarn-interop-"))
    tarn = None
    spark_failed = 0
    try:
        server.start()
        database = server.create_database("interop")
        tarn = Tarn(binary, folder, {"src": database.uri})
        life = TimedLife(tarn, database, without=NOT_IN_SPARK).live()
        catalog = RestCatalog("tarn", uri=f"http://{tarn.addresses()['catalog']}")
        checks.run("pyiceberg creates, appends to and deletes from a table", lambda: pyiceberg_writes(catalog))
        if spark:
            try:
                spark_failed, result = run_spark(spark, tarn, folder, life)
                after_spark(checks, tarn, catalog, result)
            except Exception as e:  # noqa: BLE001
                checks.failed += 1
                print("failed Spark: " + " | ".join(str(e).splitlines()[-12:]), flush=True)
        checks.run("capture went on meanwhile", lambda: capture_goes_on(tarn, database, life))
        checks.run("tarn stops clean", lambda: expect(tarn.stop(), 0))
    finally:
        if tarn:
            tarn.kill()
        server.remove()
        if not os.environ.get("KEEP"):
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if checks.failed or spark_failed else 0


sys.exit(main())
