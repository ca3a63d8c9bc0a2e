# tests/e2e/test_vectors.py — many deletion vectors of different sizes in one Puffin file, read by engines that cache files in blocks.
import duckdb


def duckdb_with_iceberg():
    import duckdb_extensions

    con = duckdb.connect()
    for extension in ("avro", "httpfs", "iceberg"):
        duckdb_extensions.import_extension(extension, con=con)
        con.sql(f"LOAD {extension}")
    return con


def test_large_and_small_vectors_in_one_file(new_tarn, database):
    database.sql("CREATE TABLE t (id int PRIMARY KEY, v int)")
    database.sql("INSERT INTO t SELECT g, 0 FROM generate_series(1, 60000) g")
    tarn = new_tarn({"src": database.uri})
    tarn.start(sets=["lake.compact=false"]).wait_running("t")
    for part in range(1, 8):
        database.sql("INSERT INTO t SELECT g, 0 FROM generate_series(%s::int, %s::int) g", part * 100000, part * 100000 + 2000 * part)
        tarn.wait_caught_up(database)
    # one commit: a large vector in the first file, small ones in the others
    database.sql("DELETE FROM t WHERE (id < 60000 AND id % 3 = 0) OR (id > 90000 AND id % 250 < id / 100000)")
    tarn.wait_caught_up(database)
    want = database.sql("SELECT count(*), sum(id::bigint) FROM t")[0]
    location = tarn.metadata_location("t")
    assert len(tarn.iceberg("t").scan().to_arrow()) == want[0]
    for _ in range(2):
        con = duckdb_with_iceberg()
        assert con.sql(f"SELECT count(*), sum(id) FROM iceberg_scan('{location}')").fetchone() == want
