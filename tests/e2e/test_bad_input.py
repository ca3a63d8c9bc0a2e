# tests/e2e/test_bad_input.py — what a person gets for wrong input: a sentence with the object, the cause and the next step; others go on; no password anywhere; no screen full of repeats.
import datetime
import json
import os
import shutil
import time
import urllib.request

import psycopg
import pytest

from support import Database, Postgres, free_port, wait_for
from test_faults import ask_recopy, reason, wait_stopped

SECRET = "Tr0ub4dor-secret"
USERS = "CREATE TABLE users (id int PRIMARY KEY, name text, n int)"


def fill(database, table="users", rows=20):
    database.sql(USERS.replace("users", table))
    database.sql(f"INSERT INTO {table} SELECT g, 'u' || g, g FROM generate_series(1, {rows}) g")


@pytest.fixture
def strict():
    """Passwords, and room for one slot only."""
    server = Postgres(max_replication_slots="1")
    server.start()
    with psycopg.connect(server.uri(), autocommit=True) as con:
        con.execute("SET password_encryption = 'scram-sha-256'")
        con.execute(f"ALTER ROLE postgres PASSWORD '{SECRET}'")
        con.execute(f"CREATE ROLE plain LOGIN PASSWORD '{SECRET}'")
        con.execute(f"CREATE ROLE repl LOGIN REPLICATION PASSWORD '{SECRET}'")
        con.execute("CREATE DATABASE bank")
    hba = server.data / "pg_hba.conf"
    hba.write_text("host all all 127.0.0.1/32 scram-sha-256\nhost replication all 127.0.0.1/32 scram-sha-256\n")
    server.run("pg_ctl", "-D", str(server.data), "reload")
    os.environ["PGPASSWORD"] = SECRET
    database = Database(server, "bank")
    fill(database)
    yield server, database
    del os.environ["PGPASSWORD"]
    server.remove()


@pytest.fixture
def quiet_env():
    """Tarn must not find the password of the test's own connections."""
    return {"PGPASSWORD": "", "PGPASSFILE": "/nonexistent"}


def uri(server, database="bank", user="postgres", password=SECRET, host="127.0.0.1", port=None):
    return f"postgresql://{user}:{password}@{host}:{port or server.port}/{database}"


def refused(tarn, env, *words, doctor=True, watch=1.0):
    """tarn run says why, once, and waits for it to be mended; tarn doctor ends with a status of its own. Both without the password."""
    before = len(tarn.log_text())
    tarn.start(env=env)
    wait_for(lambda: tarn.source().get("reason"), 15, what="a reason\n" + tarn.log_text()[-1500:])
    time.sleep(watch)
    source, log = tarn.source(), tarn.log_text()[before:]
    assert source["state"] in ("stopped", "connecting"), source
    for word in words:
        assert word in source["reason"], (word, source["reason"])
    assert len([line for line in log.splitlines() if "error" in line or "warn" in line]) <= 3, log
    assert not any(table["state"] == "running" for table in source["tables"])
    assert tarn.stop(10) == 0
    text = log + str(source)
    if doctor:
        out = tarn.command("doctor", env=env)
        assert out.returncode == 6, out.stdout + out.stderr
        assert "FAIL" in out.stdout and "->" in out.stdout
        text += out.stdout + out.stderr
    assert SECRET not in text and "wrong-one" not in text
    return source["reason"], text


# --- the way to the server ---


def test_wrong_host(new_tarn, pg_server, quiet_env):
    refused(new_tarn({"src": uri(pg_server, host="no-such-host.invalid")}), quiet_env, "no-such-host.invalid")


def test_wrong_port(new_tarn, pg_server, quiet_env):
    port = free_port()
    refused(new_tarn({"src": uri(pg_server, port=port)}), quiet_env, str(port), "refused", watch=6)


def test_wrong_password_and_rights_and_no_free_slot(new_tarn, strict, quiet_env, folder):
    server, database = strict
    text, _ = refused(new_tarn({"src": uri(server, password="wrong-one")}), quiet_env, "postgres", "password")
    refused(new_tarn({"src": uri(server, database="nowhere")}), quiet_env, "nowhere")
    text, _ = refused(new_tarn({"src": uri(server, user="plain")}), quiet_env, "plain", "REPLICATION")
    # may replicate, but owns nothing: the publication cannot be made
    text, _ = refused(new_tarn({"src": uri(server, user="repl")}), quiet_env, "PUBLICATION", doctor=False)
    database.sql("SELECT pg_create_physical_replication_slot('of_another')")
    refused(new_tarn({"src": uri(server)}), quiet_env, "max_replication_slots", "ALTER SYSTEM")
    # mended while it runs: it goes on by itself
    tarn = new_tarn({"src": uri(server)})
    tarn.start(env=quiet_env)
    wait_for(lambda: tarn.source().get("reason"), what="a reason")
    database.sql("SELECT pg_drop_replication_slot('of_another')")
    tarn.wait_running("users")
    assert SECRET not in tarn.log_text()
    for root, _, files in os.walk(tarn.state):
        for name in files:
            with open(os.path.join(root, name), "rb") as f:
                assert SECRET.encode() not in f.read(), name


def test_wal_level_replica(new_tarn, quiet_env):
    server = Postgres(wal_level="replica")
    server.start()
    try:
        database = server.create_database("bank")
        fill(database)
        refused(new_tarn({"src": database.uri}), quiet_env, "wal_level", "ALTER SYSTEM SET wal_level = logical")
    finally:
        server.remove()


# --- what is there under our names ---


def test_slot_of_another_plugin(tarn, database, quiet_env):
    fill(database)
    database.sql("SELECT pg_create_logical_replication_slot('tarn_src', 'test_decoding')")
    refused(tarn, quiet_env, "tarn_src", "test_decoding", "slot:")
    database.sql("SELECT pg_drop_replication_slot('tarn_src')")


def test_slot_of_another_database(tarn, database, pg_server, quiet_env):
    fill(database)
    other = pg_server.create_database("other_db")
    other.sql("SELECT pg_create_logical_replication_slot('tarn_src', 'pgoutput')")
    try:
        refused(tarn, quiet_env, "tarn_src", "other_db")
    finally:
        pg_server.drop_database("other_db")


def test_pattern_that_matches_nothing(new_tarn, database, quiet_env):
    fill(database)
    refused(new_tarn({"src": database.uri}, tables=("public.user",)), quiet_env, "public.user", "public.users")


def test_two_tables_of_one_lake_name(new_tarn, database):
    """public.sales__users and sales.users would both be src.sales__users: nothing is started, nothing is made."""
    database.sql('CREATE SCHEMA sales; CREATE TABLE sales.users (id int PRIMARY KEY); CREATE TABLE "sales__users" (id int PRIMARY KEY)')
    tarn = new_tarn({"src": database.uri}, tables=("public.*", "sales.*"))
    tarn.start(wait=False)
    assert tarn.process.wait(15) == 2
    text = tarn.log_text()
    assert "public.sales__users" in text and "sales.users" in text and "src.sales__users" in text and "tables:" in text
    assert not list(tarn.warehouse.glob("src/*"))


def test_config_typo(tarn, database):
    text = tarn.config.read_text().replace("publish_interval", "publish_intervall")
    tarn.config.write_text(text)
    line = next(i for i, l in enumerate(text.splitlines(), 1) if "intervall" in l)
    out = tarn.command("run")
    assert out.returncode == 2
    assert f"tarn.yaml:{line}" in out.stderr and "publish_intervall" in out.stderr and "publish_interval'" in out.stderr
    assert len(out.stderr.splitlines()) == 1


def test_unwritable_warehouse(tarn, database):
    """A file where the folder should be, and a folder nobody may write (for root: a read-only one)."""
    fill(database)
    tarn.warehouse.write_text("a file")
    out = tarn.command("run", timeout=20)
    assert out.returncode == 11 and str(tarn.warehouse) in out.stderr and len(out.stderr.splitlines()) <= 3, out.stderr
    assert database.sql("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'tarn_src'")[0][0] == 0, "nothing was begun"


# --- tables that change under us ---


def test_table_dropped_while_running(tarn, database):
    fill(database)
    fill(database, "keep")
    tarn.start().wait_running("users", "keep")
    database.sql("UPDATE users SET n = 0 WHERE id = 1")
    database.sql("DROP TABLE users")
    database.sql("UPDATE keep SET n = 0 WHERE id = 1")
    text = wait_stopped(tarn, "users")
    assert "public.users" in text and "dropped" in text and "tarn table recopy src.users" in text
    assert {r["id"]: r["n"] for r in tarn.rows("users")}[1] == 0, "what it had before is in the lake"
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["keep"])
    tarn.stop()
    tarn.start().wait_running("keep")
    text = wait_stopped(tarn, "users")
    assert "public.users" in text and "not at the source any more" in text
    assert len(tarn.rows("users")) == 20


def test_table_dropped_and_made_again(tarn, database):
    """Another table under the old name: its rows do not mix with the old ones'."""
    fill(database)
    tarn.start().wait_running("users")
    database.sql("UPDATE users SET n = 0 WHERE id = 1")
    tarn.wait_caught_up(database)
    database.sql("BEGIN; DROP TABLE users; CREATE TABLE users (id int PRIMARY KEY, other text); INSERT INTO users VALUES (500, 'new'); COMMIT")
    text = wait_stopped(tarn, "users")
    assert "public.users" in text and "tarn table recopy src.users" in text
    ask_recopy(tarn, "users")
    tarn.wait_running("users")
    database.sql("INSERT INTO users VALUES (501, 'newer')")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["users"])
    # and while tarn is down
    tarn.stop()
    database.sql("BEGIN; DROP TABLE users; CREATE TABLE users (id int PRIMARY KEY, other text); INSERT INTO users VALUES (600, 'third'); COMMIT")
    tarn.start()
    text = wait_stopped(tarn, "users")
    assert "created again" in text
    ask_recopy(tarn, "users")
    tarn.wait_running("users")
    database.sql("INSERT INTO users VALUES (601, 'newest')")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["users"])


CHANGES = [
    ("type", "ALTER TABLE users ALTER COLUMN n TYPE text USING n::text", ['"n"', "type"]),
    ("dropped", "ALTER TABLE users DROP COLUMN n", ['"n"', "dropped or renamed"]),
    ("renamed", "ALTER TABLE users RENAME COLUMN n TO m", ['"n"', "dropped or renamed"]),
    ("key", "ALTER TABLE users DROP CONSTRAINT users_pkey, ADD PRIMARY KEY (id, name)", ["primary key"]),
]


def test_shape_changes_stop_one_table_each(tarn, database):
    """Four tables change in four ways, the fifth goes on; a new copy mends each."""
    for name, _, _ in CHANGES:
        fill(database, f"t_{name}")
    fill(database, "keep")
    tables = [f"t_{name}" for name, _, _ in CHANGES]
    tarn.start().wait_running("keep", *tables)
    for name, ddl, _ in CHANGES:
        database.sql(ddl.replace("users", f"t_{name}"))
        database.sql(f"UPDATE t_{name} SET name = 'changed' WHERE id = 1")
    database.sql("UPDATE keep SET n = 0")
    for name, _, words in CHANGES:
        text = wait_stopped(tarn, f"t_{name}")
        for word in [*words, f"public.t_{name}", f"tarn table recopy src.t_{name}"]:
            assert word in text, (word, text)
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["keep"])
    for table in tables:
        ask_recopy(tarn, table)
    tarn.wait_running(*tables)
    for table in tables:
        database.sql(f"UPDATE {table} SET name = 'again' WHERE id = 2")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["keep", *tables])


def test_table_renamed(tarn, database):
    fill(database)
    fill(database, "keep")
    tarn.start().wait_running("users", "keep")
    database.sql("ALTER TABLE users RENAME TO people")
    database.sql("UPDATE people SET n = -1 WHERE id = 1")
    text = wait_stopped(tarn, "users")
    assert "public.users" in text and "public.people" in text and "renamed" in text
    database.sql("ALTER TABLE people RENAME TO users")
    ask_recopy(tarn, "users")
    tarn.wait_running("users")
    database.sql("UPDATE users SET n = -2 WHERE id = 2")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["users", "keep"])
    # renamed for good: the new name is copied at the next start, the old one is shown as gone
    database.sql("ALTER TABLE users RENAME TO people")
    tarn.stop()
    tarn.start().wait_running("people", "keep")
    assert "not at the source any more" in wait_stopped(tarn, "users")
    tarn.check_equal(database, ["people", "keep"])


def test_table_without_a_key(tarn, database):
    fill(database)
    database.sql("CREATE TABLE keyless (v int)")
    tarn.start().wait_running("users")
    text = wait_stopped(tarn, "keyless")
    assert "public.keyless" in text and "primary key" in text and "ALTER TABLE" in text
    # updates of such a table still work at the source: it was not put into the publication
    database.sql("INSERT INTO keyless VALUES (1)")
    database.sql("UPDATE keyless SET v = 2")
    # mended: found at the next start
    database.sql("ALTER TABLE keyless ADD PRIMARY KEY (v)")
    tarn.stop()
    tarn.start().wait_running("keyless")
    tarn.check_equal(database, ["keyless"])


def test_key_lost_and_found(tarn, database):
    """A table that lost its key is stopped at the next start, and what was written meanwhile is not skipped when it has one again."""
    fill(database)
    fill(database, "keep")
    tarn.start().wait_running("users", "keep")
    tarn.stop()
    database.sql("ALTER TABLE users DROP CONSTRAINT users_pkey")
    database.sql("INSERT INTO users VALUES (100, 'meanwhile', 0)")
    tarn.start().wait_running("keep")
    assert "primary key" in wait_stopped(tarn, "users")
    database.sql("UPDATE keep SET n = 0")
    tarn.wait_caught_up(database)
    tarn.stop()
    database.sql("ALTER TABLE users ADD PRIMARY KEY (id)")
    tarn.start().wait_running("keep")
    wait_for(lambda: tarn.table("users")["state"] in ("running", "stopped"), what="decided")
    time.sleep(0.5)
    if tarn.table("users")["state"] == "stopped":
        assert "recopy" in reason(tarn, "users")
        ask_recopy(tarn, "users")
    tarn.wait_running("users")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["users", "keep"])


# --- the lake changes under us ---


def test_warehouse_restored_from_an_older_copy(tarn, database):
    fill(database)
    fill(database, "keep")
    tarn.start().wait_running("users", "keep")
    tarn.stop()
    old = tarn.folder / "old"
    shutil.copytree(tarn.warehouse / "src", old)
    tarn.start().wait_running("users", "keep")
    for n in range(3):
        database.sql(f"UPDATE users SET n = -{n + 1}")
        tarn.wait_caught_up(database)
    tarn.stop()
    folder = next(p for p in (tarn.warehouse / "src").iterdir() if p.name.startswith("users") and "changes" not in p.name)
    shutil.rmtree(folder)
    shutil.copytree(old / folder.name, folder)
    tarn.start().wait_running("keep")
    text = wait_stopped(tarn, "users")
    assert "src.users" in text and "missing" in text and "recopy src.users" in text, text
    database.sql("UPDATE keep SET n = 0")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["keep"])
    ask_recopy(tarn, "users")
    tarn.wait_running("users")
    tarn.check_equal(database, ["users"])


def test_state_restored_from_an_older_copy(tarn, database):
    """The reverse: the catalog and the journal are older than the warehouse and the slot."""
    fill(database)
    tarn.start().wait_running("users")
    database.sql("UPDATE users SET n = 0 WHERE id = 1")
    tarn.wait_caught_up(database)
    tarn.stop()
    shutil.copytree(tarn.state, tarn.folder / "old-state")
    tarn.start().wait_running("users")
    for n in range(3):
        database.sql(f"UPDATE users SET n = -{n + 1}")
        tarn.wait_caught_up(database)
    tarn.stop()
    shutil.rmtree(tarn.state)
    shutil.copytree(tarn.folder / "old-state", tarn.state)
    tarn.start()
    text = wait_stopped(tarn, "users")
    assert "tarn_src" in text and "older copy" in text and "tarn table recopy" in text
    ask_recopy(tarn, "users")
    tarn.wait_running("users")
    database.sql("UPDATE users SET n = 7 WHERE id = 7")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["users"])


def test_foreign_commit(tarn, database):
    import pyarrow
    from pyiceberg.catalog import load_catalog

    fill(database)
    fill(database, "keep")
    tarn.start().wait_running("users", "keep")
    catalog = load_catalog("t", type="rest", uri=f"http://{tarn.addresses()['catalog']}")
    changelog = catalog.load_table("src.users__changes")
    schema = changelog.schema().as_arrow()
    database.sql("UPDATE users SET n = 0 WHERE id = 2")
    tarn.wait_caught_up(database)
    row = {f.name: None for f in schema} | {"_op": "I", "_commit_lsn": 1, "_ordinal": 0, "_xid": 1, "_commit_ts": datetime.datetime.now(datetime.timezone.utc), "id": 4711}
    changelog.refresh()
    try:
        changelog.append(pyarrow.Table.from_pylist([row], schema=schema))
    except Exception as error:  # noqa: BLE001
        pytest.skip(f"pyiceberg cannot append here: {error}")
    database.sql("UPDATE users SET n = -1 WHERE id = 1")
    database.sql("UPDATE keep SET n = -1 WHERE id = 1")
    text = wait_stopped(tarn, "users")
    assert "src.users__changes" in text and "another writer" in text and "recopy src.users" in text and "rollback" in text
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["keep"])
    ask_recopy(tarn, "users")
    tarn.wait_running("users")
    database.sql("UPDATE users SET n = -2 WHERE id = 2")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["users", "keep"])
    assert 4711 not in {c["id"] for c in tarn.rows("users__changes")}
    # a mirror, set back to an older version by a client: its copy brings all rows again
    mirror = catalog.load_table("src.keep")
    older = mirror.metadata.snapshots[0].snapshot_id
    body = {"requirements": [], "updates": [{"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": older}]}
    request = urllib.request.Request(f"http://{tarn.addresses()['catalog']}/v1/namespaces/src/tables/keep", json.dumps(body).encode(), {"Content-Type": "application/json"})
    assert urllib.request.urlopen(request, timeout=10).status == 200
    database.sql("UPDATE keep SET n = -3 WHERE id = 3")
    assert "src.keep" in wait_stopped(tarn, "keep")
    ask_recopy(tarn, "keep")
    tarn.wait_running("keep")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["users", "keep"])
    # and an empty changelog, which has no version of ours yet
    fill(database, "fresh")
    tarn.stop()
    tarn.start().wait_running("users", "keep", "fresh")
    catalog = load_catalog("t", type="rest", uri=f"http://{tarn.addresses()['catalog']}")
    catalog.load_table("src.fresh__changes").append(pyarrow.Table.from_pylist([row], schema=schema))
    database.sql("UPDATE fresh SET n = -3 WHERE id = 3")
    assert "src.fresh__changes" in wait_stopped(tarn, "fresh")


def test_recopy_of_what_cannot_be_copied_is_answered_once(tarn, database):
    """The request ends with its reason; nothing is tried over and over, and asked again after the mend it is done."""
    fill(database)
    database.sql("CREATE TABLE keep (id int PRIMARY KEY)")
    tarn.start().wait_running("users", "keep")
    database.sql("ALTER TABLE users RENAME TO people")
    tarn.stop()
    tarn.start().wait_running("people", "keep")
    wait_stopped(tarn, "users")
    assert tarn.command("table", "recopy", "src.users", "--yes").returncode == 0
    text = wait_for(lambda: "dropped or renamed" in (tarn.table("users") or {}).get("reason", "") and "copy of" in tarn.table("users")["reason"] and tarn.table("users")["reason"], 20, what="the copy's answer")
    assert "did you mean" not in text and "tables: of source src" in text
    assert not list((tarn.state / "recopy").iterdir())
    database.sql("CREATE TABLE users (id int PRIMARY KEY, name text)")
    database.sql("INSERT INTO users VALUES (7, 'new')")
    assert tarn.command("table", "recopy", "src.users", "--yes").returncode == 0
    tarn.wait_running("users")
    assert [r["id"] for r in tarn.rows("users")] == [7]
