# tests/e2e/test_connection.py — TLS modes and forms of connection string against a server that takes only TLS with a password.
import os
import shutil
import subprocess

import pytest

from support import Postgres, wait_for

SECRET = "s3cret of tls"


def certificate(folder):
    """Self-signed for localhost: it is its own root."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(folder / "key"), "-out", str(folder / "crt")],
        check=True,
        capture_output=True,
    )
    return folder / "crt", folder / "key"


@pytest.fixture
def tls_server(folder):
    server = Postgres()
    server.start()
    server.stop()
    crt, key = certificate(folder)
    for path in (crt, key):
        shutil.copy(path, server.data / path.name)
        os.chmod(server.data / path.name, 0o600)
        if os.getuid() == 0:
            shutil.chown(server.data / path.name, "postgres", "postgres")
    with open(server.data / "postgresql.conf", "a") as conf:
        conf.write("ssl = on\nssl_cert_file = 'crt'\nssl_key_file = 'key'\n")
    server.start()
    database = server.create_database("bank")
    database.sql("CREATE TABLE users (id int PRIMARY KEY, name text)")
    database.sql("INSERT INTO users VALUES (1, 'a')")
    database.sql(f"CREATE ROLE app SUPERUSER REPLICATION LOGIN PASSWORD '{SECRET}'")
    (server.data / "pg_hba.conf").write_text("local all postgres trust\nhostssl all app 127.0.0.1/32 scram-sha-256\nhostssl replication app 127.0.0.1/32 scram-sha-256\n")
    server.run("pg_ctl", "-D", str(server.data), "reload")
    yield server, database
    server.remove()


def forms(server, folder, crt):
    """Name -> (the configuration's connection string, environment)."""
    (folder / "services").write_text(f"[lake]\nhost=localhost\nport={server.port}\ndbname=bank\nuser=app\nsslmode=verify-full\nsslrootcert={crt}\n")
    passwords = folder / "passwords"
    passwords.write_text(f"localhost:{server.port}:bank:app:{SECRET}\nlocalhost:{server.port}:replication:app:{SECRET}\n")
    passwords.chmod(0o600)
    at, root = f"app@localhost:{server.port}/bank", f"sslrootcert={crt}"
    return {
        "require": (f"postgresql://{at}?sslmode=require", {"PGPASSWORD": SECRET}),
        "verify-ca": (f"postgresql://{at}?sslmode=verify-ca&{root}", {"PGPASSWORD": SECRET}),
        "verify-full, .pgpass": (f"postgresql://{at}?sslmode=verify-full&{root}", {"PGPASSFILE": str(passwords)}),
        "key=value": (f"host=localhost port={server.port} dbname=bank user=app sslmode=verify-full {root}", {"PGPASSWORD": SECRET}),
        "service": ("service=lake", {"PGSERVICEFILE": str(folder / "services"), "PGPASSWORD": SECRET}),
        "environment": ("dbname=bank", {"PGHOST": "localhost", "PGPORT": str(server.port), "PGUSER": "app", "PGPASSWORD": SECRET, "PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(crt)}),
        "two hosts": (f"postgresql://app@localhost:1,localhost:{server.port}/bank?sslmode=require", {"PGPASSWORD": SECRET}),
    }


def encrypted(server):
    """user -> is every connection of it encrypted, by the server's own word."""
    out = server.run("psql", "-h", str(server.home), "-p", str(server.port), "-U", "postgres", "-d", "bank", "-XAt", "-c", "SELECT bool_and(s.ssl), count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.usename = 'app'").stdout
    return out.strip().split("|")


def test_tls_and_forms_of_connection_string(new_tarn, tls_server, folder):
    server, _ = tls_server
    for name, (conninfo, env) in forms(server, folder, folder / "crt").items():
        tarn = new_tarn({"src": conninfo})
        tarn.start(env=env)
        try:
            wait_for(lambda t=tarn: (t.table("users") or {}).get("state") == "running", 30, what=name)
            assert [r["name"] for r in tarn.rows("users")] == ["a"], name
            yes, count = encrypted(server)
            assert yes == "t" and int(count) >= 1, (name, yes, count)
            assert SECRET not in tarn.log_text(), name
        finally:
            tarn.stop()
        shutil.rmtree(tarn.state)
        shutil.rmtree(tarn.warehouse)
        server.run("psql", "-h", str(server.home), "-p", str(server.port), "-U", "postgres", "-d", "bank", "-XAtc", "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots", check=False)


def test_tls_refused(new_tarn, tls_server, folder):
    """A certificate of another root, a name that is not in it, and no TLS at all: each a sentence with a next step."""
    server, _ = tls_server
    other = folder / "other"
    other.mkdir()
    strange, _ = certificate(other)
    env = {"PGPASSWORD": SECRET}
    for conninfo, words in (
        (f"postgresql://app@localhost:{server.port}/bank?sslmode=verify-full&sslrootcert={strange}", ["certificate"]),
        (f"postgresql://app@127.0.0.1:{server.port}/bank?sslmode=verify-full&sslrootcert={folder / 'crt'}", ["certificate"]),
        (f"postgresql://app@localhost:{server.port}/bank?sslmode=disable", ["sslmode", "pg_hba.conf"]),
    ):
        out = new_tarn({"src": conninfo}).command("doctor", env=env)
        text = out.stdout + out.stderr
        assert out.returncode != 0, text
        for word in words:
            assert word in text, (word, text)
        assert SECRET not in text
