# tests/data/iceberg/make.py — writes the manifests and manifest lists in this folder with pyiceberg and fastavro, and what they say as text (fastavro's reading).
#
#   python make.py            (needs pyiceberg with sql-sqlite and pyarrow, fastavro)
#
# NAME.avro is a manifest, NAME.list.avro a list; NAME.txt the expected lines of test_ice_manifest.c, with the inheritance rules of the Iceberg specification applied here.
import io, json, os, sys, tempfile, warnings

import fastavro
import pyarrow as pa

warnings.simplefilter("ignore")
HERE = os.path.dirname(os.path.abspath(__file__))


def open_avro(path):
    with open(path.removeprefix("file://"), "rb") as f:
        data = f.read()
    return data, list(fastavro.reader(io.BytesIO(data)))


def pairs(m):
    if m is None:
        return {}
    return {p["key"]: p["value"] for p in m} if isinstance(m, list) else {int(k): v for k, v in m.items()}


def num(v):
    return "-" if v is None else str(v)


def metrics(d):
    maps = [pairs(d.get(k)) for k in ("column_sizes", "value_counts", "null_value_counts", "nan_value_counts", "lower_bounds", "upper_bounds")]
    out = []
    for i in sorted(set().union(*maps)):
        out.append(f"{i}:" + ",".join("-" if i not in m else m[i].hex() if isinstance(m[i], bytes) else str(m[i]) for m in maps))
    return ";".join(out) or "none"


def manifest_lines(entries, info):
    """info: sequence, added_snapshot_id, first_row_id, content as a list would give them."""
    row_id = info["first_row_id"]
    for e in entries:
        d = e["data_file"]
        inherits = e["status"] == 1 or info["sequence"] == 0
        seq = e.get("sequence_number")
        seq = info["sequence"] if seq is None and inherits else seq
        fseq = e.get("file_sequence_number")
        fseq = info["sequence"] if fseq is None and inherits else seq if fseq is None else fseq
        first = d.get("first_row_id")
        if first is None and row_id is not None and d.get("content", 0) == 0 and e["status"] != 2:
            first = row_id
            row_id += d["record_count"]
        snap = e.get("snapshot_id")
        yield " ".join([str(e["status"]), str(d.get("content", 0)), d["file_path"].rsplit("/", 1)[1], d["file_format"].lower(), str(d["record_count"]), str(d["file_size_in_bytes"]),
                        num(info["added_snapshot_id"] if snap is None else snap), num(seq), num(fseq), num(first), num((d.get("referenced_data_file") or "-").rsplit("/", 1)[-1]),
                        num(d.get("content_offset")), num(d.get("content_size_in_bytes")), num(d.get("sort_order_id")),
                        "+".join(map(str, d.get("split_offsets") or [])) or "-", "+".join(map(str, d.get("equality_ids") or [])) or "-", metrics(d)])


def list_lines(infos):
    for i in infos:
        parts = i.get("partitions")
        p = "null" if parts is None else ";".join(f"{int(x['contains_null'])},{num(None if x.get('contains_nan') is None else int(x['contains_nan']))},"
                                                   f"{num(x['lower_bound'].hex() if x['lower_bound'] is not None else None)},{num(x['upper_bound'].hex() if x['upper_bound'] is not None else None)}" for x in parts) or "none"
        count = lambda new, old: num(i.get(new, i.get(old)))
        yield " ".join([i["manifest_path"].rsplit("/", 1)[1], str(i["manifest_length"]), str(i["partition_spec_id"]), str(i.get("content", 0)), str(i.get("sequence_number", 0)),
                        str(i.get("min_sequence_number", 0)), str(i["added_snapshot_id"]), count("added_files_count", "added_data_files_count"),
                        count("existing_files_count", "existing_data_files_count"), count("deleted_files_count", "deleted_data_files_count"), num(i.get("added_rows_count")),
                        num(i.get("existing_rows_count")), num(i.get("deleted_rows_count")), num(i.get("first_row_id")), p])


def put(name, data, lines, head=""):
    with open(f"{HERE}/{name}.avro", "wb") as f:
        f.write(data)
    with open(f"{HERE}/{name}.txt", "w") as f:
        f.write(head + "".join(x + "\n" for x in lines))


def put_manifest(name, path, sequence, added_snapshot_id, first_row_id, content):
    data, entries = open_avro(path)
    info = {"sequence": sequence, "added_snapshot_id": added_snapshot_id, "first_row_id": first_row_id, "content": content}
    put(name, data, manifest_lines(entries, info), f"{sequence} {added_snapshot_id} {num(first_row_id)} {content}\n")


def put_list(name, path):
    data, infos = open_avro(path)
    put(name + ".list", data, list_lines(infos))
    return infos


def put_table(name, metadata_path, every=True):
    """The current snapshot's list and its manifests."""
    md = json.load(open(metadata_path.removeprefix("file://")))
    snap = [s for s in md["snapshots"] if s["snapshot-id"] == md["current-snapshot-id"]][0]
    for n, i in enumerate(put_list(name, snap["manifest-list"])):
        put_manifest(f"{name}-{n}", i["manifest_path"], i.get("sequence_number", 0), i["added_snapshot_id"], i.get("first_row_id"), i.get("content", 0))


def pyiceberg_tables(root):
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.transforms import IdentityTransform
    from pyiceberg.types import DoubleType, ListType, LongType, NestedField, StringType

    catalog = SqlCatalog("c", uri=f"sqlite:///{root}/c.db", warehouse=f"file://{root}/w")
    catalog.create_namespace("n")
    schema = Schema(NestedField(1, "id", LongType()), NestedField(2, "kind", StringType()), NestedField(3, "x", DoubleType()),
                    NestedField(4, "tags", ListType(5, StringType(), element_required=False)))
    spec = PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "kind"))
    rows = lambda a, b: pa.table({"id": list(range(a, b)), "kind": [None if i % 5 == 0 else "ab"[i % 2] for i in range(a, b)], "x": [float("nan") if i == 3 else i / 2 for i in range(a, b)],
                                  "tags": [[str(i)] for i in range(a, b)]})
    for version in (1, 2):
        t = catalog.create_table(f"n.p{version}", schema=schema, partition_spec=spec, properties={"format-version": str(version), "write.parquet.compression-codec": "zstd"})
        t.append(rows(0, 8))
        t.append(rows(8, 12))
        t.delete("id = 2")
        put_table(f"pyiceberg-v{version}", t.metadata_location)


def odd_writer(root):
    """Allowed by Avro and Iceberg, written by nobody we know: null after the type, codec null, unknown columns, optional ones missing, counts as int, several array blocks."""
    opt = lambda name, t, i: {"name": name, "type": [t, "null"], "field-id": i}
    kv = lambda name, k, v, t: {"type": "array", "items": {"type": "record", "name": name, "fields": [{"name": "key", "type": "int", "field-id": k}, {"name": "value", "type": t, "field-id": v}]},
                                "logicalType": "map"}
    schema = {"type": "record", "name": "manifest_entry", "namespace": "org.odd", "fields": [
        {"name": "data_file", "field-id": 2, "type": {"type": "record", "name": "r2", "fields": [
            {"name": "renamed_size", "type": "long", "field-id": 104}, {"name": "renamed_path", "type": "string", "field-id": 100},
            {"name": "file_format", "type": "string", "field-id": 101}, {"name": "record_count", "type": "int", "field-id": 103},
            opt("lower", kv("lb", 126, 127, "bytes"), 125), opt("counts", kv("vc", 119, 120, "int"), 109),
            {"name": "future", "type": ["null", {"type": "map", "values": {"type": "fixed", "name": "f3", "size": 3}}, {"type": "enum", "name": "e", "symbols": ["A", "B"]}], "field-id": 9001},
            {"name": "again", "type": ["null", "org.odd.f3"], "field-id": 9002}, {"name": "ratio", "type": "double", "field-id": 9003}, {"name": "flag", "type": "boolean", "field-id": 9004},
            {"name": "partition", "type": {"type": "record", "name": "r102", "fields": [opt("p", "int", 1000)]}, "field-id": 102},
            opt("split_offsets", {"type": "array", "items": "long", "element-id": 133}, 132)]}},
        opt("snapshot_id", "long", 1), {"name": "status", "type": "int", "field-id": 0}, opt("sequence_number", "long", 3)]}
    f = lambda name, **more: {"renamed_size": 1234, "renamed_path": f"s3://b/{name}", "file_format": "PARQUET", "record_count": 10, "lower": None, "counts": None, "future": None, "again": None,
                              "ratio": 0.5, "flag": True, "partition": {"p": None}, "split_offsets": None} | more
    entries = [
        {"data_file": f("a.parquet", lower=[{"key": 1, "value": b"\x01\x02"}, {"key": 2, "value": b""}], counts=[{"key": 2, "value": 7}], future={"k": b"abc"}, again=b"xyz"),
         "snapshot_id": None, "status": 1, "sequence_number": None},
        {"data_file": f("b.parquet", split_offsets=[4, 900], future="B"), "snapshot_id": 77, "status": 0, "sequence_number": 3},
        {"data_file": f("c.parquet"), "snapshot_id": 78, "status": 2, "sequence_number": 2},
        {"data_file": f("d.parquet"), "snapshot_id": None, "status": 1, "sequence_number": None}]
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(schema), entries, codec="null", metadata={"content": "data"}, sync_interval=100)
    plain = [{**e, "data_file": {"file_path": e["data_file"]["renamed_path"], "file_format": "parquet", "record_count": 10, "file_size_in_bytes": 1234,
                                 "lower_bounds": e["data_file"]["lower"], "value_counts": e["data_file"]["counts"], "split_offsets": e["data_file"]["split_offsets"]}} for e in entries]
    info = {"sequence": 9, "added_snapshot_id": 99, "first_row_id": 1000, "content": 0}
    put("odd", out.getvalue(), manifest_lines(plain, info), "9 99 1000 0\n")


def main():
    if len(sys.argv) == 3:  # a table of another engine: NAME METADATA
        put_table(sys.argv[1], sys.argv[2])
        return
    with tempfile.TemporaryDirectory() as root:
        pyiceberg_tables(root)
        odd_writer(root)


main()
