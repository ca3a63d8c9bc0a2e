# tests/e2e/conftest.py — a real PostgreSQL and a real tarn process for each test that asks; independent readers judge the lake.
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from support import Postgres, Tarn, tarn_binary


def pytest_report_header():
    return f"tarn: {tarn_binary()}"


@pytest.fixture(scope="session")
def pg_server():
    """One cluster for the whole run; tests use databases of their own."""
    server = Postgres()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def database(pg_server, request):
    name = "t_" + "".join(c if c.isalnum() else "_" for c in request.node.name.lower())[:40]
    db = pg_server.create_database(name)
    yield db
    pg_server.drop_database(name)


@pytest.fixture
def own_pg():
    """A cluster of the test's own: for tests that crash or reconfigure it."""
    server = Postgres()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def folder():
    path = pathlib.Path(tempfile.mkdtemp(prefix="tarn-e2e-"))
    yield path
    if os.environ.get("KEEP"):
        print("kept:", path)
    else:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def tarn(folder, database):
    """Not started yet: tests write tables first, then call .start()."""
    process = Tarn(tarn_binary(), folder, {"src": database.uri})
    yield process
    process.kill()
    if os.environ.get("SHOW_LOG"):
        print(process.log_text())


@pytest.fixture
def new_tarn(folder):
    made = []

    def make(sources, **options):
        process = Tarn(tarn_binary(), folder, sources, **options)
        made.append(process)
        return process

    yield make
    for process in made:
        process.kill()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    process = getattr(item, "funcargs", {}).get("tarn")
    if report.failed and process is not None:
        report.sections.append(("tarn log", process.log_text()[-6000:]))


def run(args, **kw):
    return subprocess.run(args, capture_output=True, text=True, **kw)
