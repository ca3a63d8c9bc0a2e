# tests/interop/ice_spark.py — the tables that ice_readers.py kept, read by Spark with iceberg-java: the strictest planner there is.
#
#   KEEP=/tmp/kept python ice_readers.py .../ice_drive && spark-submit (with the iceberg runtime) ice_spark.py /tmp/kept/expected.json
import json, sys
from decimal import Decimal

from pyspark.sql import SparkSession

spark = SparkSession.builder.appName("ice_spark").getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
for location, want in json.load(open(sys.argv[1])):
    table = spark.read.format("iceberg").load(location)
    rows = table.select("id", "name", "amount", "tags").collect()
    got = sorted(([r["id"], r["name"], r["amount"], r["tags"]] for r in rows), key=lambda r: r[0])
    want = sorted([[i, name, Decimal(amount), tags] for i, name, amount, tags in want], key=lambda r: r[0])
    assert got == want, f"{location}: {len(got)} rows, {len(want)} expected"
    v3 = json.load(open(location.removeprefix("file://")))["format-version"] == 3
    if v3:
        ids = [r[0] for r in table.selectExpr("_row_id").collect()]
        assert None not in ids and len(set(ids)) == len(want), f"{location}: row ids"
    print(f"{location}: {len(got)} rows" + (", row ids unique" if v3 else ""))
