# tests/interop/ice_readers.py — tables committed by ice_drive, read by pyiceberg and DuckDB; manifests read by fastavro.
#
#   python ice_readers.py PATH/TO/ice_drive     (needs pyiceberg, pyarrow, fastavro; DuckDB's part needs duckdb, duckdb-extensions and its avro, httpfs, iceberg packages)
#
# With KEEP=FOLDER the tables stay there, and FOLDER/expected.json says their rows: ice_spark.py reads them with Spark.
# Data files come from pyarrow, deletion vectors from struct: nothing of what the readers are given but metadata is Tarn's own.
import decimal, json, os, random, struct, subprocess, sys, tempfile, zlib

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.table import StaticTable

try:
    import duckdb
    import duckdb_extensions
except ImportError:
    duckdb = None


def fid(i):
    return {b"PARQUET:field_id": str(i).encode()}


SCHEMA = pa.schema([
    pa.field("id", pa.int64(), False, fid(1)), pa.field("name", pa.string(), True, fid(2)), pa.field("amount", pa.decimal128(12, 2), True, fid(3)),
    pa.field("tags", pa.list_(pa.field("element", pa.string(), True, fid(5))), True, fid(4)),
])


def roaring32(values):
    """Portable Roaring format without run containers: cookie 12346."""
    keys = {}
    for v in sorted(values):
        keys.setdefault(v >> 16, []).append(v & 0xFFFF)
    bodies = []
    for vs in keys.values():
        if len(vs) > 4096:
            bits = bytearray(8192)
            for v in vs:
                bits[v >> 3] |= 1 << (v & 7)
            bodies.append(bytes(bits))
        else:
            bodies.append(struct.pack(f"<{len(vs)}H", *vs))
    out = struct.pack("<II", 12346, len(keys))
    for k, vs in keys.items():
        out += struct.pack("<HH", k, len(vs) - 1)
    at = len(out) + 4 * len(keys)
    for b in bodies:
        out += struct.pack("<I", at)
        at += len(b)
    return out + b"".join(bodies)


def puffin(path, dvs):
    """dvs: {data path: positions}; returns {data path: (offset, size, cardinality)}."""
    data, blobs, where = b"PFA1", [], {}
    for name, positions in dvs.items():
        body = b"\xd1\xd3\x39\x64" + struct.pack("<Q", 1) + struct.pack("<I", 0) + roaring32(positions)
        blob = struct.pack(">I", len(body)) + body + struct.pack(">I", zlib.crc32(body))
        where[name] = (len(data), len(blob), len(positions))
        blobs.append({"type": "deletion-vector-v1", "fields": [2147483645], "snapshot-id": -1, "sequence-number": -1, "offset": len(data), "length": len(blob),
                      "properties": {"referenced-data-file": name, "cardinality": str(len(positions))}})
        data += blob
    footer = json.dumps({"blobs": blobs, "properties": {}}).encode()
    data += b"PFA1" + footer + struct.pack("<I", len(footer)) + b"\0\0\0\0" + b"PFA1"
    with open(path.removeprefix("file://"), "wb") as f:
        f.write(data)
    return where


class Drive:
    def __init__(self, exe, root, name, version):
        self.dir = f"{root}/bank/{name}/data"
        os.makedirs(self.dir)
        self.p = subprocess.Popen([exe, root, name, str(version)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.rows = {}      # data path -> list of rows
        self.dead = {}      # data path -> set of positions
        self.n = 0

    def say(self, *words):
        self.p.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.p.stdin.flush()

    def ask(self, *words):
        self.say(*words)
        line = self.p.stdout.readline().strip()
        assert line, f"ice_drive ended with {self.p.wait()}"
        return line

    def add(self, rows, metrics=True):
        self.n += 1
        path = f"file://{self.dir}/f{self.n:04}.parquet"
        table = pa.Table.from_pylist(rows, SCHEMA)
        pq.write_table(table, path.removeprefix("file://"))
        self.say("add", path, len(rows), os.path.getsize(path.removeprefix("file://")))
        if metrics:
            ids = [r["id"] for r in rows]
            self.say("metric", path, 1, 100, len(rows), 0, struct.pack("<q", min(ids)).hex(), struct.pack("<q", max(ids)).hex())
            self.say("metric", path, 2, 100, len(rows), sum(r["name"] is None for r in rows), "-", "-")
        self.rows[path], self.dead[path] = rows, set()
        return path

    def dv(self, positions):
        """positions: {path: new dead positions}; the old ones stay dead."""
        self.n += 1
        path = f"file://{self.dir}/dv{self.n:04}.puffin"
        for p, s in positions.items():
            self.dead[p] = self.dead[p] | set(s)
        for p, (offset, size, n) in puffin(path, {p: self.dead[p] for p in positions}).items():
            self.say("dv", p, path, offset, size, n)

    def remove(self, path):
        self.say("remove", path)
        del self.rows[path], self.dead[path]

    def commit(self):
        return self.ask("commit")

    def expected(self):
        return sorted((r["id"], r["name"], r["amount"], r["tags"]) for p, rows in self.rows.items() for i, r in enumerate(rows) if i not in self.dead[p])

    def close(self):
        self.p.stdin.close()
        assert self.p.wait() == 0


def rows(first, n):
    return [{"id": i, "name": None if i % 7 == 0 else f"n{i}", "amount": decimal.Decimal(i) / 4, "tags": [f"t{i}", None] if i % 3 else None} for i in range(first, first + n)]


def by_pyiceberg(location, filter=None):
    scan = StaticTable.from_metadata(location).scan(**({"row_filter": filter} if filter else {}))
    return sorted((r["id"], r["name"], r["amount"], r["tags"]) for r in scan.to_arrow().to_pylist())


def connect():
    if not duckdb:
        return None
    c = duckdb.connect()
    for extension in ("avro", "httpfs", "iceberg"):
        duckdb_extensions.import_extension(extension, con=c)
        c.sql(f"LOAD {extension}")
    return c


def by_duckdb(c, location):
    return sorted(c.sql(f"SELECT id, name, amount, tags FROM iceberg_scan('{location}')").fetchall())


def check(c, drive, location):
    want = drive.expected()
    got = by_pyiceberg(location)
    assert got == want, f"pyiceberg {len(got)} rows, {len(want)} expected"
    if want:
        low = want[len(want) // 2][0]
        assert by_pyiceberg(location, f"id >= {low}") == [r for r in want if r[0] >= low], "pyiceberg with a filter"
    if c:
        got = by_duckdb(c, location)
        assert got == want, f"duckdb {len(got)} rows, {len(want)} expected"


def check_manifests(location):
    """Counts, sequences, row ids and ids of the live snapshot as the specification wants them, read by fastavro."""
    md = json.load(open(location.removeprefix("file://")))
    v3 = md["format-version"] == 3
    snap = [s for s in md["snapshots"] if s["snapshot-id"] == md["current-snapshot-id"]][0]
    total = {"data": 0, "records": 0, "deletes": 0, "dead": 0}
    ranges = []
    with open(snap["manifest-list"].removeprefix("file://"), "rb") as f:
        infos = list(fastavro.reader(f))
    for info in infos:
        path = info["manifest_path"].removeprefix("file://")
        assert os.path.getsize(path) == info["manifest_length"]
        with open(path, "rb") as f:
            reader = fastavro.reader(f)
            meta, entries = reader.metadata, list(reader)
        assert meta["content"] == ("deletes" if info["content"] else "data") and meta["partition-spec"] == "[]" and meta["format-version"] == str(md["format-version"])
        assert json.loads(meta["schema"])["type"] == "struct"
        sums = {s: [0, 0] for s in (0, 1, 2)}
        row_id = info.get("first_row_id")
        assert not v3 or (row_id is None) == bool(info["content"])
        low = info["sequence_number"]
        for e in entries:
            d = e["data_file"]
            sums[e["status"]][0] += 1
            sums[e["status"]][1] += d["record_count"]
            if e["status"] == 1:
                assert e["sequence_number"] is None and e["file_sequence_number"] is None and e["snapshot_id"] == info["added_snapshot_id"]
            else:
                assert e["sequence_number"] is not None and e["file_sequence_number"] is not None
            if e["status"] == 2:
                assert e["snapshot_id"] == info["added_snapshot_id"]
                continue
            if e["status"] == 0:
                low = min(low, e["sequence_number"])
                assert e["snapshot_id"] != info["added_snapshot_id"]
            if info["content"]:
                total["deletes"] += 1
                total["dead"] += d["record_count"]
                assert d["file_format"] == "puffin" and d["referenced_data_file"] and d["content_offset"] >= 4 and d["content_size_in_bytes"] > 0
                assert d["file_size_in_bytes"] == os.path.getsize(d["file_path"].removeprefix("file://"))
            else:
                total["data"] += 1
                total["records"] += d["record_count"]
                assert d["value_counts"] is not None and d["split_offsets"] == [4]
                if v3:
                    assert (d["first_row_id"] is None) == (e["status"] == 1)
                    start = row_id if d["first_row_id"] is None else d["first_row_id"]
                    if d["first_row_id"] is None:
                        row_id += d["record_count"]
                    ranges.append((start, start + d["record_count"]))
        for name, status in (("existing", 0), ("added", 1), ("deleted", 2)):
            assert [info[f"{name}_files_count"], info[f"{name}_rows_count"]] == sums[status], (name, info)
        assert info["min_sequence_number"] == low
        assert sums[0][0] + sums[1][0] > 0 or info["added_snapshot_id"] == snap["snapshot-id"], "a manifest with nothing live is carried on"
    ranges.sort()
    assert all(a[1] <= b[0] for a, b in zip(ranges, ranges[1:])), "row ids overlap"
    assert not ranges or ranges[-1][1] <= md["next-row-id"]
    s = snap["summary"]
    assert [int(s["total-data-files"]), int(s["total-records"]), int(s["total-delete-files"]), int(s["total-position-deletes"])] == list(total.values()), (s, total)
    return md, snap, infos


def append_only(c, exe, root):
    d = Drive(exe, root, "changes", 2)
    for i in range(12):
        d.add(rows(i * 100, 40), metrics=i % 2 == 0)
        location = d.commit()
        if i == 5:
            d.say("keep 1000 4")
    check(c, d, location)
    md, snap, infos = check_manifests(location)
    assert len(infos) <= 4 and snap["summary"]["operation"] == "append" and len(md["snapshots"]) == 12
    d.say("column extra")
    d.add(rows(5000, 3))
    location = d.commit()
    check(c, d, location)
    d.say("prop tarn.lsn 0/16B3748")
    location = d.commit()
    md = json.load(open(location.removeprefix("file://")))
    assert md["properties"]["tarn.lsn"] == "0/16B3748" and len(md["snapshots"]) == 13
    full = (location, d.expected())
    d.say("removeall")
    d.rows, d.dead = {}, {}
    location = d.commit()
    check(c, d, location)
    md, snap, infos = check_manifests(location)
    assert snap["summary"]["operation"] == "delete" and snap["summary"]["deleted-records"] == str(12 * 40 + 3)
    d.close()
    return full


def mirror(c, exe, root, seed):
    rnd = random.Random(seed)
    d = Drive(exe, root, f"mirror{seed}", 3)
    next_id = 0
    d.say("keep 5 6")
    for step in range(60):
        before = sorted(d.rows)
        if rnd.random() < 0.7 or not d.rows:
            for _ in range(rnd.randint(1, 3)):
                n = rnd.randint(1, 60)
                d.add(rows(next_id, n))
                next_id += n
        old = [p for p in d.rows if len(d.dead[p]) < len(d.rows[p])]
        if rnd.random() < 0.15 and len(before) > 4:
            # compaction: some files become one, their live rows unchanged
            gone = rnd.sample(before, 3)
            kept = [r for p in gone for i, r in enumerate(d.rows[p]) if i not in d.dead[p]]
            for p in gone:
                d.remove(p)
            if kept:
                d.add(kept)
            old = [p for p in old if p not in gone]
        if old and rnd.random() < 0.8:
            chosen = rnd.sample(old, min(len(old), rnd.randint(1, 4)))
            d.dv({p: rnd.sample(range(len(d.rows[p])), rnd.randint(1, max(1, len(d.rows[p]) // 3))) for p in chosen})
        if rnd.random() < 0.1 and seed % 2:
            d.ask("sweep")
            d.say("reopen")
        location = d.commit()
        check_manifests(location)
        if rnd.random() < 0.3:
            d.ask("sweep")
        if step % 10 == 9:
            check(c, d, location)
            md = json.load(open(location.removeprefix("file://")))
            if step % 20 == 9:  # every retained version is whole: nothing it needs was swept
                for s in md["snapshots"]:
                    t = StaticTable.from_metadata(location)
                    assert t.scan(snapshot_id=s["snapshot-id"]).to_arrow() is not None
    location = d.commit() if d.say("prop a b") is None else None
    d.ask("sweep")
    md = json.load(open(location.removeprefix("file://")))
    assert len(md["snapshots"]) <= 7, len(md["snapshots"])
    d.close()
    return location, d


def foreign(c, exe, root):
    """A table that pyiceberg wrote: we remove one of its files and add ours; what it recorded of the others stays as it was."""
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.schema import Schema
    from pyiceberg.types import DecimalType, ListType, LongType, NestedField, StringType
    catalog = SqlCatalog("c", uri=f"sqlite:///{root}/foreign.db", warehouse=f"file://{root}")
    catalog.create_namespace("bank")
    schema = Schema(NestedField(1, "id", LongType(), required=True), NestedField(2, "name", StringType()), NestedField(3, "amount", DecimalType(12, 2)),
                    NestedField(4, "tags", ListType(5, StringType(), element_required=False)))
    t = catalog.create_table("bank.foreign", schema=schema, location=f"file://{root}/bank/foreign", properties={"format-version": "2"})
    for i in range(3):
        t.append(pa.Table.from_pylist(rows(i * 10, 10), SCHEMA))
    def described(location):
        return {f["file_path"]: [str(f[k]) for k in ("record_count", "file_size_in_bytes", "column_sizes", "value_counts", "null_value_counts", "nan_value_counts", "lower_bounds", "upper_bounds",
                                                     "split_offsets", "sort_order_id")] for f in StaticTable.from_metadata(location).inspect.files().to_pylist()}
    before = described(t.metadata_location)
    d = Drive.__new__(Drive)
    d.dir, d.n = f"{root}/bank/foreign/data", 0
    d.p = subprocess.Popen([exe, root, "foreign", t.metadata_location.removeprefix("file://")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    d.rows = {f["file_path"]: rows(f["readable_metrics"]["id"]["lower_bound"], 10) for f in t.inspect.files().to_pylist()}
    d.dead = {p: set() for p in d.rows}
    gone = sorted(d.rows)[1]
    d.remove(gone)
    d.add(rows(100, 5))
    location = d.commit()
    check(c, d, location)
    check_manifests(location)
    d.say("keep 1000 2")  # merge: every foreign entry is written again
    d.add(rows(200, 5))
    location = d.commit()
    check(c, d, location)
    check_manifests(location)
    after = described(location)
    assert gone not in after and all(after[p] == before[p] for p in before if p != gone), (before, after)
    d.close()


def leftovers(root, name, location):
    """Files on disk that no retained snapshot reaches."""
    md = json.load(open(location.removeprefix("file://")))
    used = set()
    for s in md["snapshots"]:
        used.add(s["manifest-list"])
        for info in fastavro.reader(open(s["manifest-list"].removeprefix("file://"), "rb")):
            used.add(info["manifest_path"])
            used.update(e["data_file"]["file_path"] for e in fastavro.reader(open(info["manifest_path"].removeprefix("file://"), "rb")) if e["status"] != 2)
    have = {f"file://{d}/{f}" for d, _, fs in os.walk(f"{root}/bank/{name}") for f in fs if not f.endswith(".metadata.json")}
    assert used <= have, f"swept but reachable: {sorted(used - have)}"
    return have - used


def main():
    exe = sys.argv[1]
    c = connect()
    print("readers: pyiceberg, fastavro" + (", duckdb" if c else " (DuckDB or its extensions are missing: not asked)"))
    keep = os.environ.get("KEEP")
    kept = []
    with tempfile.TemporaryDirectory() as temporary:
        root = os.path.abspath(keep) if keep else temporary
        kept.append(append_only(c, exe, root))
        print("append-only v2: ok")
        foreign(c, exe, root)
        print("a table of pyiceberg, taken over: ok")
        for seed in range(int(os.environ.get("SEEDS", "3"))):
            location, d = mirror(c, exe, root, seed)
            kept.append((location, d.expected()))
            left = leftovers(root, f"mirror{seed}", location)
            assert not left, f"never swept: {sorted(left)}"
            print(f"mirror v3, seed {seed}: ok")
        if keep:
            with open(f"{root}/expected.json", "w") as f:
                json.dump(kept, f, default=str)


main()
