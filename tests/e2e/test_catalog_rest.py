# tests/e2e/test_catalog_rest.py — the REST catalog under real clients: pyiceberg over HTTP.
#
# Needs the program tests/support/catalog_server.c: TARN_CATALOG_SERVER names it (make test sets it), else it is looked for in the build folders.
import glob
import gzip
import json
import os
import pathlib
import signal
import subprocess
import threading

import pytest
import requests

pa = pytest.importorskip("pyarrow")
pytest.importorskip("pyiceberg")

from pyiceberg.catalog.rest import RestCatalog  # noqa: E402
from pyiceberg.exceptions import (  # noqa: E402
    CommitFailedException, NamespaceAlreadyExistsError, NamespaceNotEmptyError, NoSuchNamespaceError, NoSuchTableError, TableAlreadyExistsError)
from pyiceberg.partitioning import PartitionField, PartitionSpec  # noqa: E402
from pyiceberg.schema import Schema  # noqa: E402
from pyiceberg.transforms import BucketTransform, DayTransform  # noqa: E402
from pyiceberg.types import IntegerType, LongType, NestedField, StringType, TimestamptzType  # noqa: E402


def server_program():
    root = pathlib.Path(__file__).resolve().parents[2]
    found = [os.environ.get("TARN_CATALOG_SERVER"), *sorted(glob.glob(str(root / "build*/tests/unit/catalog/catalog_server")))]
    found = [p for p in found if p and os.access(p, os.X_OK)]
    if not found:
        pytest.skip("catalog_server is not built: ninja -C build tests/unit/catalog/catalog_server")
    return found[0]


class Server:
    def __init__(self, folder):
        self.folder = folder
        self.start()

    def start(self, **env):
        self.process = subprocess.Popen([server_program(), str(self.folder)], stdout=subprocess.PIPE, text=True, env={**os.environ, **env})
        self.address = self.process.stdout.readline().strip()
        assert self.address, "the server did not start"

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(10) == 0

    def catalog(self):
        return RestCatalog("tarn", uri=f"http://{self.address}")

    def url(self, path):
        return f"http://{self.address}{path}"


@pytest.fixture
def server(tmp_path):
    s = Server(tmp_path)
    yield s
    if s.process.poll() is None:
        s.stop()


ROWS = pa.table({"id": pa.array([1, 2, 3], pa.int64()), "name": ["a", "b", None]})


def rows(table):
    return sorted(table.scan().to_arrow().to_pylist(), key=lambda r: r["id"])


def test_namespaces(server):
    c = server.catalog()
    c.create_namespace("ns", {"owner": "me"})
    c.create_namespace(("a", "b"))
    with pytest.raises(NamespaceAlreadyExistsError):
        c.create_namespace("ns")
    assert c.list_namespaces() == [("a",), ("ns",)]
    assert c.list_namespaces("a") == [("a", "b")]
    assert c.load_namespace_properties("ns") == {"owner": "me"}
    summary = c.update_namespace_properties("ns", removals={"owner", "zz"}, updates={"x": "y"})
    assert (summary.removed, summary.updated, summary.missing) == (["owner"], ["x"], ["zz"])
    assert c.load_namespace_properties(("a", "b")) == {}
    assert c.namespace_exists("ns") and not c.namespace_exists("nope")
    with pytest.raises(NoSuchNamespaceError):
        c.load_namespace_properties("nope")
    with pytest.raises(NamespaceNotEmptyError):
        c.drop_namespace("a")
    c.drop_namespace(("a", "b"))
    c.drop_namespace("a")
    assert c.list_namespaces() == [("ns",)]


def test_write_and_read(server):
    c = server.catalog()
    c.create_namespace("ns")
    t = c.create_table("ns.t", schema=ROWS.schema)
    with pytest.raises(TableAlreadyExistsError):
        c.create_table("ns.t", schema=ROWS.schema)
    t.append(ROWS)
    t.append(pa.table({"id": pa.array([4], pa.int64()), "name": ["d"]}))
    assert [r["id"] for r in rows(t)] == [1, 2, 3, 4]
    t.delete("id = 2")
    assert [r["id"] for r in rows(c.load_table("ns.t"))] == [1, 3, 4]
    t.overwrite(pa.table({"id": pa.array([9], pa.int64()), "name": ["z"]}))
    assert rows(c.load_table("ns.t")) == [{"id": 9, "name": "z"}]
    first = t.snapshots()[0].snapshot_id
    assert t.scan(snapshot_id=first).to_arrow().num_rows == 3
    t.manage_snapshots().create_tag(first, "start").commit()
    assert c.load_table("ns.t").refs()["start"].snapshot_id == first
    # a restart changes nothing
    server.stop()
    server.start()
    assert rows(server.catalog().load_table("ns.t")) == [{"id": 9, "name": "z"}]


def test_evolution(server):
    c = server.catalog()
    c.create_namespace("ns")
    schema = Schema(NestedField(10, "id", LongType(), required=True), NestedField(20, "ts", TimestamptzType(), required=False), NestedField(30, "n", IntegerType(), required=False),
                    identifier_field_ids=[10])
    spec = PartitionSpec(PartitionField(source_id=20, field_id=1000, transform=DayTransform(), name="ts_day"))
    t = c.create_table("ns.t", schema=schema, partition_spec=spec, properties={"k": "v"})
    assert [f.field_id for f in t.schema().fields] == [1, 2, 3]
    assert t.spec().fields[0].source_id == 2
    assert t.schema().identifier_field_ids == [1]
    with t.update_schema() as u:
        u.add_column("s", StringType(), doc="later")
        u.rename_column("n", "m")
    with t.update_schema() as u:
        u.update_column("m", LongType())
    with t.update_spec() as u:
        u.add_field("id", BucketTransform(8), "id_bucket")
    with t.transaction() as tx:
        tx.set_properties(k="w", x="1")
        tx.remove_properties("x")
    t = c.load_table("ns.t")
    assert [(f.field_id, f.name, str(f.field_type)) for f in t.schema().fields] == [(1, "id", "long"), (2, "ts", "timestamptz"), (3, "m", "long"), (4, "s", "string")]
    assert [(f.name, f.field_id) for f in t.spec().fields] == [("ts_day", 1000), ("id_bucket", 1001)]
    assert t.properties["k"] == "w" and "x" not in t.properties
    with t.update_schema() as u:
        u.delete_column("s")
    assert t.metadata.last_column_id == 4


def test_rename_drop_register(server):
    c = server.catalog()
    c.create_namespace("ns")
    c.create_namespace(("deep", "er"))
    t = c.create_table("ns.t", schema=ROWS.schema)
    t.append(ROWS)
    location = t.location()
    c.rename_table("ns.t", ("deep", "er", "u"))
    assert c.list_tables(("deep", "er")) == [("deep", "er", "u")]
    with pytest.raises(NoSuchTableError):
        c.load_table("ns.t")
    again = c.create_table("ns.t", schema=ROWS.schema)
    assert again.location() != location
    c.drop_table(("deep", "er", "u"))
    assert not c.table_exists(("deep", "er", "u")) and c.table_exists("ns.t")
    back = c.register_table("ns.back", c_location(server, location))
    assert rows(back) == ROWS.to_pylist()
    again.append(ROWS)
    c.purge_table("ns.t")
    assert rows(c.load_table("ns.back")) == ROWS.to_pylist()
    left = [p for p in pathlib.Path(again.location().removeprefix("file://")).rglob("*") if p.is_file()]
    assert left == []


def test_register_compressed(server):
    """Metadata files of other engines may be gzipped."""
    c = server.catalog()
    c.create_namespace("ns")
    t = c.create_table("ns.t", schema=ROWS.schema)
    t.append(ROWS)
    c.drop_table("ns.t")
    plain = pathlib.Path(t.metadata_location.removeprefix("file://"))
    packed = plain.parent / "00009-x.gz.metadata.json"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    back = c.register_table("ns.t", f"file://{packed}")
    assert rows(back) == ROWS.to_pylist()
    back.append(ROWS)
    assert "/00010-" in c.load_table("ns.t").metadata_location
    # half a file is refused, and so is something else
    for name, content in [("1.gz.metadata.json", gzip.compress(plain.read_bytes())[:-20]), ("2.metadata.json", b'{"format-version":2}'), ("3.metadata.json", b"wat")]:
        (plain.parent / name).write_bytes(content)
        answer = requests.post(server.url("/v1/namespaces/ns/register"), json={"name": "bad", "metadata-location": f"file://{plain.parent / name}"})
        assert answer.status_code == 400, answer.text


def c_location(server, location):
    """The newest metadata file of a dropped table."""
    return "file://" + sorted(glob.glob(location.removeprefix("file://") + "/metadata/*.metadata.json"))[-1]


def test_staged_create(server):
    c = server.catalog()
    c.create_namespace("ns")
    with c.create_table_transaction("ns.t", schema=ROWS.schema, properties={"format-version": "2"}) as tx:
        assert not c.table_exists("ns.t")
        tx.append(ROWS)
    assert rows(c.load_table("ns.t")) == ROWS.to_pylist()


def test_staged_create_loses(server):
    c = server.catalog()
    c.create_namespace("ns")
    tx = c.create_table_transaction("ns.t", schema=ROWS.schema)
    c.create_table("ns.t", schema=ROWS.schema)
    with pytest.raises((CommitFailedException, TableAlreadyExistsError)):
        tx.commit_transaction()


def test_stale_writer(server):
    c = server.catalog()
    c.create_namespace("ns")
    a = c.create_table("ns.t", schema=ROWS.schema)
    b = c.load_table("ns.t")
    a.append(ROWS)
    before = a.metadata_location
    answer = requests.post(server.url("/v1/namespaces/ns/tables/t"), json={
        "requirements": [{"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": None}], "updates": [{"action": "set-properties", "updates": {"x": "1"}}]})
    assert answer.status_code == 409 and answer.json()["error"]["type"] == "CommitFailedException"
    assert c.load_table("ns.t").metadata_location == before
    b.refresh()
    assert rows(b) == ROWS.to_pylist()


def test_two_writers(server):
    """Both append until each has done its share; every acknowledged append is there once, nothing else is."""
    server.catalog().create_namespace("ns")
    server.catalog().create_table("ns.t", schema=ROWS.schema)
    done, errors = [], []

    def work(base):
        c = server.catalog()
        for i in range(8):
            for _ in range(100):
                try:
                    c.load_table("ns.t").append(pa.table({"id": pa.array([base + i], pa.int64()), "name": ["w"]}))
                    done.append(base + i)
                    break
                except CommitFailedException:
                    continue
                except Exception as e:  # pragma: no cover - reported below
                    errors.append(e)
                    return

    threads = [threading.Thread(target=work, args=(base,)) for base in (100, 200)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    assert not errors
    assert sorted(done) == [*range(100, 108), *range(200, 208)]
    t = server.catalog().load_table("ns.t")
    assert [r["id"] for r in rows(t)] == sorted(done)
    assert [s.sequence_number for s in t.snapshots()] == list(range(1, 17))


def test_two_property_writers(server):
    """Without a requirement the server applies both on top of each other."""
    c = server.catalog()
    c.create_namespace("ns")
    c.create_table("ns.t", schema=ROWS.schema)

    def work(name):
        for i in range(20):
            r = requests.post(server.url("/v1/namespaces/ns/tables/t"), json={"requirements": [], "updates": [{"action": "set-properties", "updates": {f"{name}{i}": "1"}}]})
            assert r.status_code == 200, r.text

    threads = [threading.Thread(target=work, args=(n,)) for n in "abc"]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    properties = c.load_table("ns.t").properties
    assert {f"{n}{i}" for n in "abc" for i in range(20)} <= set(properties)


def test_http_details(server):
    c = server.catalog()
    c.create_namespace("ns")
    c.create_table("ns.t", schema=ROWS.schema)
    r = requests.get(server.url("/v1/namespaces/ns/tables/t"))
    assert r.headers["Content-Type"] == "application/json" and r.json()["config"] == {}
    assert requests.get(server.url("/v1/namespaces/ns/tables/t"), headers={"If-None-Match": r.headers["ETag"]}).status_code == 304
    assert requests.head(server.url("/v1/namespaces/ns/tables/t")).status_code == 204
    assert requests.put(server.url("/v1/namespaces")).headers["Allow"] == "GET, POST"
    assert requests.post(server.url("/v1/namespaces/ns/tables/t/metrics"), json={"report-type": "scan-report"}).status_code == 204
    assert requests.post(server.url("/v1/namespaces"), data=json.dumps({"namespace": ["x"]})).status_code == 415
    assert requests.get(server.url("/v1/config?warehouse=w")).json()["endpoints"]


@pytest.mark.parametrize("point, done", [("catalog.commit.metadata_written", False), ("catalog.commit.synced", False), ("catalog.commit.before_swap", False), ("catalog.commit.after_swap", True)])
def test_killed(server, point, done):
    """Killed at each point of a commit: the table is whole, old or new, and goes on."""
    c = server.catalog()
    c.create_namespace("ns")
    c.create_table("ns.t", schema=ROWS.schema).append(ROWS)
    before = c.load_table("ns.t").metadata_location
    server.stop()
    server.start(TARN_FAILPOINTS=f"{point}=kill")
    try:
        answer = requests.post(server.url("/v1/namespaces/ns/tables/t"), json={"requirements": [], "updates": [{"action": "set-properties", "updates": {"x": "1"}}]})
        assert answer.status_code == 200
        pytest.skip("built without failpoints")
    except requests.ConnectionError:
        pass
    assert server.process.wait(10) == -signal.SIGKILL
    server.start()
    t = server.catalog().load_table("ns.t")
    assert (t.metadata_location != before) == done
    assert ("x" in t.properties) == done
    assert rows(t) == ROWS.to_pylist()
    t.append(pa.table({"id": pa.array([4], pa.int64()), "name": ["d"]}))
    assert len(rows(t)) == 4


def test_unknown_outcome(server):
    """An error after the swap is "unknown" to the client: 500, and the commit is there."""
    c = server.catalog()
    c.create_namespace("ns")
    c.create_table("ns.t", schema=ROWS.schema)
    server.stop()
    server.start(TARN_FAILPOINTS="catalog.commit.after_swap=error@1")
    answer = requests.post(server.url("/v1/namespaces/ns/tables/t"), json={"requirements": [], "updates": [{"action": "set-properties", "updates": {"x": "1"}}]})
    if answer.status_code == 200:
        pytest.skip("built without failpoints")
    assert answer.status_code == 500 and answer.json()["error"]["type"] == "CommitStateUnknownException"
    assert server.catalog().load_table("ns.t").properties["x"] == "1"
