# tests/e2e/test_cli.py — the first hour: what init, config check, run, sql, generate and verify say when something is not as they need it, and how they end.
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import psycopg
import pytest

from support import tarn_binary, wait_for

SECRET = "Tr0ub4dor-secret"


def tarn(folder, *args, env=None, timeout=60, stdin=None):
    return subprocess.run([tarn_binary(), *args], cwd=folder, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=timeout, input=stdin)


def one_line(out, status, *words):
    """Ends with `status` and one line on standard error that has all words and no password."""
    assert out.returncode == status, (out.returncode, out.stdout, out.stderr)
    assert out.stderr.startswith("tarn: ") and len(out.stderr.splitlines()) == 1, out.stderr
    for word in words:
        assert word in out.stderr, (word, out.stderr)
    assert SECRET not in out.stdout + out.stderr


def test_no_command(tmp_path):
    out = tarn(tmp_path)
    assert out.returncode == 2 and out.stdout == "" and "usage: tarn" in out.stderr and "tarn help" in out.stderr.splitlines()[-1]


# --- config check ---

BAD = [
    ("serve:\n  http: 127.0.0.1:99999\n", 2, "serve.http", "99999"),
    ("serve:\n  http: 127.0.0.1\n", 2, "serve.http", "127.0.0.1:8080"),
    ("serve:\n  catalog: 999.1.1.1:80\n", 2, "serve.catalog", "IPv4"),
    ("serve:\n  catalog: '[::zz]:80'\n", 2, "serve.catalog", "IPv6"),
    ("serve:\n  catalog: '*:80'\n", 2, "serve.catalog", "*:80"),
    (f"sources:\n  bank:\n    postgres: 'mysql://u:{SECRET}@h/db'\n", 3, "sources.bank.postgres", "postgresql://USER@HOST:PORT/DATABASE"),
    (f"sources:\n  bank:\n    tables: [public.*]\n    postgres: 'postgresql://u:%zz{SECRET}@h/db'\n", 4, "sources.bank.postgres", "percent-encoded"),
    (f"sources:\n  bank:\n    postgres: 'postgresql://u:a@{SECRET}@h/db'\n", 3, "sources.bank.postgres", "%40"),
    (f"sources:\n  bank:\n    postgres: 'postgresql://u:{SECRET}@h/db?sslmod=require'\n", 3, "sources.bank.postgres"),
    (f"sources:\n  bank:\n    postgres: 'postgresql://u:{SECRET}@h:abc/db'\n", 3, "sources.bank.postgres", "port", "65535"),
    (f"sources:\n  bank:\n    postgres: 'host=h,i port=1,65536 password={SECRET}'\n", 3, "sources.bank.postgres", "port", "65535"),
    (f"sources:\n  bank:\n    postgres: 'host=h password={SECRET} dbname'\n", 3, "sources.bank.postgres"),
]


@pytest.mark.parametrize("text,line,words", [(t, line, words) for t, line, *words in BAD])
def test_config_check_refuses(tmp_path, text, line, words):
    (tmp_path / "tarn.yaml").write_text(text)
    one_line(tarn(tmp_path, "config", "check"), 2, f"tarn.yaml:{line}: ", *words)
    one_line(tarn(tmp_path, "run"), 2, f"tarn.yaml:{line}: ", *words)  # the same, before anything is made
    assert [p.name for p in tmp_path.iterdir()] == ["tarn.yaml"]


def test_config_check_of_the_command_line(tmp_path):
    one_line(tarn(tmp_path, "--set", "sources.bank.postgres=mysql://h", "config", "check"), 2, "--set sources.bank.postgres", "postgresql://")
    good = "sources: {a: {postgres: 'postgresql://u@h1:1,h2:2/db?sslmode=require&target_session_attrs=primary'}, b: {postgres: 'host=/run/pg dbname=x'}}\nserve: {http: 'localhost:0', catalog: '[::1]:8181'}\n"
    (tmp_path / "tarn.yaml").write_text(good)
    out = tarn(tmp_path, "config", "check")
    assert out.returncode == 0 and "no mistakes" in out.stdout, out.stderr


# --- run without pipelines ---


def started(folder, *args):
    """Runs until the catalog is served, ends it, and gives what it logged."""
    p = subprocess.Popen([tarn_binary(), *args, "--set", "serve.http=127.0.0.1:0", "--set", "serve.catalog=127.0.0.1:0", "run"], cwd=folder, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: (folder / "tarn-data" / "run.json").exists() or p.poll() is not None, 20, what="tarn runs")
        p.send_signal(signal.SIGINT)
        log = p.communicate(timeout=20)[1]
    finally:
        p.kill()
    assert p.returncode == 0, log
    return log


def test_run_with_nothing_to_capture(tmp_path):
    log = started(tmp_path)
    assert "no pipelines: only the catalog is served" in log and "there is no tarn.yaml in this folder" in log and "tarn init" in log
    (tmp_path / "tarn.yaml").write_text("")
    log = started(tmp_path)
    assert "no pipelines: only the catalog is served" in log and "tarn.yaml names no source" in log
    one_line(tarn(tmp_path, "-c", "absent.yaml", "run"), 2, "absent.yaml", "tarn init")


# --- init ---


def test_init_with_failing_checks(tmp_path, database):
    """The file is written for tarn doctor, and a script sees that something is left to do."""
    database.sql("CREATE TABLE users (id int PRIMARY KEY)")
    with psycopg.connect(database.uri, autocommit=True) as con:
        con.execute("DO $$ BEGIN CREATE ROLE newcomer LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    uri = database.uri.replace("postgres@", "newcomer@")
    out = tarn(tmp_path, "init", "--postgres", uri)
    assert out.returncode == 6 and "FAIL" in out.stdout and "wrote tarn.yaml" in out.stdout, out.stdout + out.stderr
    assert re.search(r"tarn.yaml is written, but \d checks failed; .*tarn doctor", out.stderr)
    again = tarn(tmp_path, "doctor")
    assert again.returncode == 6
    for text in (out.stdout, again.stdout):  # what is to be typed into psql can be pasted as it stands
        statements = re.findall(r"-> ((?:CREATE|GRANT|ALTER) .*)", text)
        assert len(statements) >= 3 and all(s.endswith(";") for s in statements), text
    for s in re.findall(r"-> ((?:CREATE|GRANT|ALTER) .*)", again.stdout):
        database.sql(s)
    out = tarn(tmp_path, "doctor", database.name)
    assert out.returncode == 0, out.stdout + out.stderr
    out = tarn(tmp_path, "init", "--force", "--postgres", uri)
    assert out.returncode == 0 and "next: tarn run" in out.stdout, out.stdout + out.stderr


# --- generate ---


def generate(folder, uri, *args, **kw):
    return tarn(folder, "generate", "bank", "--postgres", uri, *args, **kw)


def counts(database):
    return database.sql("SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM accounts), (SELECT count(*) FROM transfers)")[0]


@pytest.mark.parametrize("workload", ["bank", "shop"])
def test_generate_goes_on_where_it_was(tmp_path, database, workload):
    for n in range(3):
        out = tarn(tmp_path, "generate", workload, "--postgres", database.uri, "--rows", "400", "--changes", "500")
        assert out.returncode == 0, out.stderr
        assert ("changes go on from there" in out.stdout) == (n > 0)


def test_generate_twice_at_a_time(tmp_path, database):
    first = subprocess.Popen([tarn_binary(), "generate", "bank", "--postgres", database.uri, "--rows", "400", "--seconds", "60", "--rate", "50"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: first.poll() is not None or database.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")[0][0], what="the first one works")
        one_line(generate(tmp_path, database.uri, "--changes", "10"), 13, "another tarn generate", "schema public", "--schema")
        out = generate(tmp_path, database.uri, "--schema", "mine", "--rows", "100", "--changes", "10")
        assert out.returncode == 0, out.stderr
    finally:
        first.send_signal(signal.SIGINT)
        assert first.wait(20) == 0, first.stderr.read()
    assert generate(tmp_path, database.uri, "--changes", "10").returncode == 0


def test_generate_after_a_load_that_was_stopped(tmp_path, database):
    """What a killed load left is nothing: the next one starts afresh."""
    assert generate(tmp_path, database.uri, "--rows", "10").returncode == 0
    database.sql("TRUNCATE users, accounts, transfers")
    with database.connect() as con:  # holds the load up between two tables
        con.execute("BEGIN; LOCK TABLE accounts IN SHARE MODE")
        p = subprocess.Popen([tarn_binary(), "generate", "bank", "--postgres", database.uri, "--rows", "400"], cwd=tmp_path, stdout=subprocess.DEVNULL)
        wait_for(lambda: database.sql("SELECT count(*) FROM pg_locks WHERE NOT granted")[0][0], what="the load waits")
        p.kill()
        p.wait()
        con.execute("ROLLBACK")
    wait_for(lambda: not database.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")[0][0], what="its session is gone")
    out = generate(tmp_path, database.uri, "--rows", "400", "--changes", "100")
    assert out.returncode == 0, out.stderr


def test_generate_beside_tables_of_others(tmp_path, database):
    database.sql("CREATE TABLE users (id int PRIMARY KEY, mine text)")
    one_line(generate(tmp_path, database.uri), 16, "users", "--schema")
    database.sql("INSERT INTO users VALUES (1, 'a')")
    one_line(generate(tmp_path, database.uri), 3, "users, accounts and transfers", "--schema")
    assert database.sql("SELECT * FROM users") == [(1, "a")]


# --- a source that cannot be reached ---


def run_log(folder, sources, *words):
    """What tarn run logs about a source until it has said all words."""
    (folder / "tarn.yaml").write_text(f"sources: {sources}\nserve: {{http: 'off', catalog: '127.0.0.1:0'}}\nlog: {{path: ./log}}\n")
    (folder / "log").unlink(missing_ok=True)
    p = subprocess.Popen([tarn_binary(), "run"], cwd=folder, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: (folder / "log").exists() and all(w in (folder / "log").read_text() for w in words), 20, what=f"{words}\n" + (folder / "log").read_text() if (folder / "log").exists() else "")
    finally:
        p.send_signal(signal.SIGINT)
        assert p.wait(20) == 0
    return (folder / "log").read_text()


def test_two_hosts_that_are_down(tmp_path):
    """libpq's lines, one a host, become one sentence, and Tarn says that it goes on trying."""
    log = run_log(tmp_path, "{a: {postgres: 'postgresql://u@127.0.0.1:1,127.0.0.1:2/db'}}", "cannot connect", "trying again in 1 s")
    line = next(text for text in log.splitlines() if "cannot connect" in text)
    assert 'refused, connection to server at "127.0.0.1", port 2 failed: Connection refused; check' in line and "Is the server" not in line, line


def test_doctor_with_more_tables_than_a_line_holds(tmp_path, database):
    """Half a statement is not shown: it would run, and publish half of the tables."""
    database.sql("; ".join(f"CREATE TABLE {'long_' * 9}{n:03} (id int PRIMARY KEY)" for n in range(40)))
    database.sql("DO $$ BEGIN CREATE ROLE newcomer LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    out = tarn(tmp_path, "init", "--postgres", database.uri.replace("postgres@", "newcomer@"))
    assert out.returncode == 6
    [statement] = re.findall(r"-> (CREATE PUBLICATION .*)", out.stdout)
    assert statement.startswith(f'CREATE PUBLICATION "tarn_{database.name}" FOR TABLE ...; -- each of the tables above'), statement


def test_a_source_that_is_not_there(tmp_path):
    (tmp_path / "tarn.yaml").write_text("sources: {bank: {postgres: 'host=h'}, shop: {postgres: 'host=h'}}\n")
    for args in (("doctor", "shopp"), ("journal", "ls", "shopp")):
        one_line(tarn(tmp_path, *args), 3, "no source 'shopp', did you mean 'shop'?")
    one_line(tarn(tmp_path, "doctor", "elsewhere"), 3, "no source 'elsewhere'; 'tarn config show' lists them")
