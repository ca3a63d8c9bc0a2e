# tests/interop/spark_live.py — run by spark-submit: Spark reads the tables of a running tarn through its REST catalog and writes tables of its own there. live.py starts it and says what is right.
#
#   spark-submit spark_live.py JOB.json RESULT.json     prints "ok NAME" or "failed NAME: why" a check
import decimal
import json
import pathlib
import sys
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from pyspark.sql import SparkSession

from readers import TYPES, assert_same, canon

job = json.load(open(sys.argv[1]))
result = {}
spark = SparkSession.builder.appName("tarn interop").getOrCreate()
spark.sparkContext.setLogLevel("ERROR")


def check(function):
    try:
        function()
        print(f"ok {function.__doc__}", flush=True)
    except Exception as e:  # noqa: BLE001 - said, and the next one runs
        text = str(e).split("JVM stacktrace")[0].strip() or traceback.format_exc()
        print(f"failed {function.__doc__}: " + " | ".join(text.splitlines()[:6]), flush=True)


def tuples(value):
    return tuple(tuples(v) for v in value) if isinstance(value, list) else value


def sql(text):
    return [tuple(r) for r in spark.sql(text).collect()]


def rows(table, columns, at=""):
    listed = ", ".join(f"`{c}`" for c in columns)
    return sorted((tuple(canon(TYPES[c], v) for c, v in zip(columns, r)) for r in sql(f"SELECT {listed} FROM tarn.src.{table}{at}")), key=repr)


def expect(have, want):
    assert have == want, f"{have} instead of {want}"


def each_state(table, current):
    for state in job["states"][-1:] if current else job["states"][:-1]:
        snapshot = state["snapshots"][table]
        want = sorted((tuples(r) for r in state["want"][table]), key=repr)
        if snapshot is None:
            continue
        at = "" if current else f" VERSION AS OF {snapshot}"
        assert_same(f"{table} when {state['name']}", rows(table, state["columns"][table], at), want)
        expect(sql(f"SELECT count(*) FROM tarn.src.{table}{at}"), [(len(want),)])


@check
def mirror():
    """the mirror, with deletion vectors, has the source's rows"""
    files = sql("SELECT content, file_format FROM tarn.src.kinds.all_files")
    assert (1, "PUFFIN") in [(c, f.upper()) for c, f in files], "there are deletion vectors to read"
    each_state("kinds", True)


@check
def mirror_before():
    """each older version of the mirror, by snapshot id"""
    each_state("kinds", False)


@check
def changelog():
    """the changelog has the source's changes"""
    each_state("kinds__changes", True)


@check
def changelog_before():
    """each older version of the changelog"""
    each_state("kinds__changes", False)


@check
def by_time():
    """a version by time"""
    for state in job["states"][:-1]:
        have = sql(f"SELECT count(*) FROM tarn.src.kinds TIMESTAMP AS OF '{state['time']}'")
        expect(have, [(len(state["want"]["kinds"]),)])


@check
def row_ids():
    """row ids and sequence numbers are those that DuckDB reads"""
    have = sql("SELECT id, _row_id, _last_updated_sequence_number FROM tarn.src.kinds")
    expect(sorted(have), sorted(tuples(job["row_ids"])))


@check
def folded():
    """the changes folded over a version give the next one"""
    first, last = job["states"][1], job["states"][2]
    at = f"tarn.src.kinds__changes VERSION AS OF {last['snapshots']['kinds__changes']}"
    have = sql(f"""SELECT id FROM (SELECT id, max_by(_op, struct(_commit_lsn, _ordinal, _op = 'I')) AS op FROM
        (SELECT id, _op, _commit_lsn, _ordinal FROM {at} UNION ALL SELECT id, 'I', 0, 0 FROM tarn.src.kinds VERSION AS OF {job['states'][0]['snapshots']['kinds']}) GROUP BY id) WHERE op <> 'D'""")
    ids = [r[0] for r in last["want"]["kinds"]]
    expect(sorted(r[0] for r in have), sorted(ids))
    assert len(first["want"]["kinds"]) != len(ids)


@check
def metadata_tables():
    """snapshots, history and manifests are shown"""
    ids = {s["snapshots"]["kinds"] for s in job["states"]}
    assert ids <= {r[0] for r in sql("SELECT snapshot_id FROM tarn.src.kinds.snapshots")}
    assert sql("SELECT count(*) FROM tarn.src.kinds.history")[0][0] >= len(ids)
    assert sql("SELECT sum(added_data_files_count + existing_data_files_count) FROM tarn.src.kinds.manifests WHERE content = 0")[0][0] == sql("SELECT count(*) FROM tarn.src.kinds.data_files")[0][0]
    expect(sorted(r[1] for r in sql("SHOW TABLES IN tarn.src")), ["kinds", "kinds__changes"])


# --- tables of Spark's own ---

@check
def create_and_write():
    """a v3 table: create, append, delete, update and merge with deletion vectors"""
    sql("CREATE NAMESPACE tarn.own")
    sql("""CREATE TABLE tarn.own.v3 (id bigint NOT NULL, name string, amount decimal(12,2), at timestamp, tags array<string>) USING iceberg
        TBLPROPERTIES ('format-version'='3', 'write.delete.mode'='merge-on-read', 'write.update.mode'='merge-on-read', 'write.merge.mode'='merge-on-read')""")
    sql("INSERT INTO tarn.own.v3 SELECT /*+ COALESCE(1) */ id, concat('n', id), id / 4, timestamp'2026-01-01 00:00:00' + make_dt_interval(0, id), array('a', NULL) FROM range(100)")
    sql("DELETE FROM tarn.own.v3 WHERE id % 10 = 0")
    sql("UPDATE tarn.own.v3 SET name = 'updated' WHERE id < 5")
    sql("MERGE INTO tarn.own.v3 t USING (SELECT id + 95 AS id FROM range(10)) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET name = 'merged' WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, 'inserted')")
    names = {i: "updated" if i < 5 else "merged" if i >= 95 else f"n{i}" for i in range(100) if i % 10} | {i: "inserted" for i in range(100, 105)}
    expect(sql("SELECT id, name FROM tarn.own.v3 ORDER BY id"), sorted(names.items()))
    expect(sql("SELECT id, amount FROM tarn.own.v3 WHERE id IN (2, 99, 104) ORDER BY id"), [(2, decimal.Decimal("0.50")), (99, decimal.Decimal("24.75")), (104, None)])
    assert sql("SELECT count(*) FROM tarn.own.v3.delete_files")[0][0] > 0
    result["v3"] = sql("SELECT id, name, CAST(amount AS string) FROM tarn.own.v3 ORDER BY id")
    result["v3_versions"] = [r[0] for r in sql("SELECT snapshot_id FROM tarn.own.v3.snapshots ORDER BY committed_at")]


@check
def create_as_select():
    """a table made from a mirror (CREATE TABLE AS SELECT), partitioned"""
    sql("CREATE TABLE tarn.own.copy USING iceberg PARTITIONED BY (yes, bucket(4, id)) AS SELECT id, yes, i4, wide, t, raw, d, ts, tz, a_t FROM tarn.src.kinds")
    expect(sql("SELECT count(*) FROM (SELECT id, yes, i4, wide, t, raw, d, ts, tz, a_t FROM tarn.own.copy EXCEPT SELECT id, yes, i4, wide, t, raw, d, ts, tz, a_t FROM tarn.src.kinds)"), [(0,)])
    expect(sql("SELECT count(*) FROM tarn.own.copy"), sql("SELECT count(*) FROM tarn.src.kinds"))
    result["copy"] = sql("SELECT id, i4 FROM tarn.own.copy ORDER BY id")


@check
def evolve():
    """columns added, renamed and dropped, a table renamed, replaced, tagged, rolled back and dropped"""
    sql("CREATE TABLE tarn.own.v2 (id int, a string, b int) USING iceberg TBLPROPERTIES ('format-version'='2')")
    sql("INSERT INTO tarn.own.v2 VALUES (1, 'x', 1), (2, 'y', 2)")
    sql("ALTER TABLE tarn.own.v2 ADD COLUMN c double")
    sql("ALTER TABLE tarn.own.v2 RENAME COLUMN a TO name")
    sql("ALTER TABLE tarn.own.v2 ALTER COLUMN id TYPE bigint")
    sql("ALTER TABLE tarn.own.v2 DROP COLUMN b")
    sql("INSERT INTO tarn.own.v2 VALUES (3000000000, 'z', 0.5)")
    expect(sql("SELECT * FROM tarn.own.v2 ORDER BY id"), [(1, "x", None), (2, "y", None), (3000000000, "z", 0.5)])
    sql("ALTER TABLE tarn.own.v2 CREATE TAG kept")
    sql("DELETE FROM tarn.own.v2 WHERE id = 1")
    expect(sql("SELECT count(*) FROM tarn.own.v2 VERSION AS OF 'kept'"), [(3,)])
    kept = sql("SELECT snapshot_id FROM tarn.own.v2.refs WHERE name = 'kept'")[0][0]
    sql(f"CALL tarn.system.rollback_to_snapshot('own.v2', {kept})")
    expect(sql("SELECT count(*) FROM tarn.own.v2"), [(3,)])
    sql("ALTER TABLE tarn.own.v2 RENAME TO own.second")
    expect(sql("SELECT count(*) FROM tarn.own.second"), [(3,)])
    sql("CREATE TABLE tarn.own.gone (id int) USING iceberg")
    sql("CREATE OR REPLACE TABLE tarn.own.gone USING iceberg AS SELECT 'r' AS replaced")
    expect(sql("SELECT * FROM tarn.own.gone"), [("r",)])
    sql("DROP TABLE tarn.own.gone")
    assert not {"gone", "v2"} & {r[1] for r in sql("SHOW TABLES IN tarn.own")}
    result["second"] = sql("SELECT id, name, c FROM tarn.own.second ORDER BY id")


@check
def position_deletes():
    """a v2 table with position deletes"""
    sql("CREATE TABLE tarn.own.pos (id int) USING iceberg TBLPROPERTIES ('format-version'='2', 'write.delete.mode'='merge-on-read')")
    sql("INSERT INTO tarn.own.pos SELECT /*+ COALESCE(1) */ CAST(id AS int) FROM range(20)")
    sql("DELETE FROM tarn.own.pos WHERE id % 2 = 0")
    expect(sql("SELECT count(*) FROM tarn.own.pos"), [(10,)])
    assert sql("SELECT count(*) FROM tarn.own.pos.delete_files")[0][0] == 1


@check
def of_pyiceberg():
    """a table that pyiceberg wrote: read, appended to and deleted from"""
    expect(sql("SELECT id, name FROM tarn.py.t ORDER BY id"), [(1, "a"), (3, None)])
    sql("INSERT INTO tarn.py.t VALUES (4, 'spark')")
    sql("DELETE FROM tarn.py.t WHERE id = 1")
    expect(sql("SELECT id, name FROM tarn.py.t ORDER BY id"), [(3, None), (4, "spark")])


@check
def nothing_left():
    """drop of a table with its files (PURGE), and of a namespace"""
    sql("CREATE NAMESPACE tarn.brief")
    sql("CREATE TABLE tarn.brief.t (id int) USING iceberg")
    sql("INSERT INTO tarn.brief.t VALUES (1)")
    result["purged"] = [r[0] for r in sql("SELECT file_path FROM tarn.brief.t.files")]
    try:
        sql("DROP NAMESPACE tarn.brief")
        raise AssertionError("a namespace with a table was dropped")
    except Exception as e:  # noqa: BLE001
        assert "not empty" in str(e).lower() or "NOT_EMPTY" in str(e), str(e)[:300]
    sql("DROP TABLE tarn.brief.t PURGE")
    sql("DROP NAMESPACE tarn.brief")
    assert ("brief",) not in sql("SHOW NAMESPACES IN tarn")


json.dump(result, open(sys.argv[2], "w"), default=str)
