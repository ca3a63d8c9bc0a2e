# tests/e2e/test_status.py — tarn status: live facts of a running tarn, stored ones without, and waiting until the lake has everything.
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time

from support import lsn, wait_for


def fill(database, name="acc", n=100):
    database.sql(f"CREATE TABLE {name} (id int PRIMARY KEY, note text)")
    database.sql(f"INSERT INTO {name} SELECT g, 'n' FROM generate_series(1, {n}) g")


def status(tarn, *args, ok=0):
    out = tarn.command("status", *args)
    assert out.returncode == ok, f"{args}: status {out.returncode}\n{out.stdout}{out.stderr}"
    return out


def test_once_shows_ladder_tables_and_why_one_is_stopped(tarn, database):
    fill(database)
    database.sql("CREATE TABLE keyless (a int)")
    tarn.start().wait_running("acc")
    database.sql("UPDATE acc SET note = 'x' WHERE id <= 9")
    tarn.wait_caught_up(database)
    text = status(tarn).stdout
    assert re.search(r"^Source src: streaming, postgres@127\.0\.0\.1:\d+/", text, re.M)
    for step in ("server", "received", "journaled", "applied", "published", "confirmed"):
        assert re.search(rf"^  {step} +[0-9A-F]+/[0-9A-F]+ ", text, re.M), step
    assert re.search(r"^  src\.acc +running +100 +0 +[0-9A-F]+/[0-9A-F]+ +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text, re.M)
    assert "\x1b" not in text
    assert "src.keyless is STOPPED" in text and "has no primary key" in text and "tarn table recopy src.keyless" in text
    shown = json.loads(status(tarn, "--json").stdout)
    table = next(t for t in shown["sources"][0]["tables"] if t["table"] == "src.acc")
    assert table["updates"] == 9 and shown["sources"][0]["changes"] == 9
    assert status(tarn, "--watch").stdout.startswith("tarn runs; ")  # not a terminal: once


def test_rates_come_from_two_samples(tarn, database):
    fill(database)
    tarn.start().wait_running("acc")
    with database.connect() as con:
        watch = subprocess.Popen([tarn.binary, "-c", str(tarn.config), "status"], stdout=subprocess.PIPE, text=True)
        begin = time.monotonic()
        n = 0
        while watch.poll() is None:
            con.execute("UPDATE acc SET note = %s WHERE id = 7", (str(n),))
            n += 1
        rate = n / (time.monotonic() - begin)
    shown = int(re.search(r"^  src\.acc +running +100 +([\d,]+) ", watch.stdout.read(), re.M).group(1).replace(",", ""))
    assert rate * 0.3 < shown < rate * 3, f"{shown} shown, {rate} made"


def test_copy_progress(tarn, database):
    fill(database, "big", 3000)
    database.sql("ANALYZE big")
    tarn.start(env={"TARN_FAILPOINTS": "copier.batch=delay:15000@1"})
    wait_for(lambda: (tarn.table("big") or {}).get("state") == "copying" and tarn.table("big")["copied_rows"] > 0, what="the copy begins")
    text = status(tarn).stdout
    row = re.search(r"^  src\.big +copying .*$", text, re.M).group(0)
    assert "of about 3,000 rows" in row or "the 3,000 rows expected" in row, text
    assert status(tarn, "--wait", "1", ok=15).stderr.startswith("tarn: not caught up within 1 s: table src.big is copying")


def test_without_a_running_tarn(tarn, database):
    fill(database)
    out = status(tarn, ok=4)
    assert out.stdout == "" and "no tarn runs" in out.stderr and "tarn run" in out.stderr
    tarn.start().wait_running("acc")
    database.sql("UPDATE acc SET note = 'x' WHERE id <= 9")
    tarn.wait_caught_up(database)
    tarn.stop()
    position = tarn.iceberg("acc").properties["tarn.lsn"]
    out = status(tarn, ok=4)
    assert re.search(rf"^  src\.acc +100 +{position} ", out.stdout, re.M), out.stdout
    shown = json.loads(status(tarn, "--json", ok=4).stdout)
    assert shown["running"] is False
    assert {t["table"]: t["rows"] for t in shown["tables"]} == {"src.acc": 100, "src.acc__changes": 9}
    assert lsn(shown["pipelines"][0]["lsn"]) >= lsn(position)
    # killed: run.json is still there
    tarn.start().wait_running("acc")
    tarn.kill()
    assert (tarn.state / "run.json").exists()
    assert "no tarn runs" in status(tarn, ok=4).stderr


def test_wait_means_what_it_says(tarn, database):
    fill(database)
    tarn.start(wait=False)
    assert "caught up" in status(tarn, "--wait", "30").stdout
    tarn.check_equal(database, ["acc"])
    for n in range(3):
        database.sql("INSERT INTO acc SELECT g, 'more' FROM generate_series(%s, %s) g" % (1000 * (n + 1), 1000 * (n + 1) + 500))
        assert status(tarn, "--wait", "30", "--json").stdout.startswith("{")
        tarn.check_equal(database, ["acc"])
    # log that no table of ours is in
    database.sql("CREATE SCHEMA far; CREATE TABLE far.away (t text)")
    database.sql("INSERT INTO far.away SELECT repeat('x', 1000) FROM generate_series(1, 1000)")
    status(tarn, "--wait", "40")
    tarn.stop()
    out = status(tarn, "--wait", "1", ok=15)
    assert "no tarn runs" in out.stderr


def test_words_and_options(tarn, database):
    assert "takes no words" in status(tarn, "acc", ok=2).stderr
    assert "--wait takes a whole number" in status(tarn, "--wait", "soon", ok=2).stderr
    assert "neither" in status(tarn, "--watch", "--json", ok=2).stderr


def test_watch_on_a_terminal(tarn, database):
    fill(database)
    tarn.start().wait_running("acc")
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(tarn.binary, [tarn.binary, "-c", str(tarn.config), "status", "-w"])
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 60, 0, 0))
    seen = b""

    def frames():
        nonlocal seen
        seen += os.read(fd, 65536)
        return seen.count(b"Ctrl-C ends") >= 3

    wait_for(frames, 15, what="three frames")
    os.kill(pid, signal.SIGINT)
    while True:
        try:
            if not os.read(fd, 65536):
                break
        except OSError:
            break
    _, end = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(end) == 0
    frame = seen.decode().split("\x1b[H")[-2]
    lines = [re.sub(r"\x1b\[[KJ]", "", line).rstrip("\r") for line in frame.split("\n")]
    assert len(lines) <= 19 and all(len(line) <= 60 for line in lines), lines
    assert any(line.startswith("Source src: streaming") for line in lines)


def metric(tarn, name):
    return float(re.search(rf'^{name}{{source="src"}} ([0-9.e+-]+)$', tarn.get("/metrics"), re.M).group(1))


def test_lag_is_the_age_of_the_oldest_commit(tarn, database):
    """While nothing is published the lag is that of the first commit that waits, however many newer ones come; then it is 0."""
    fill(database)
    tarn.start(sets=["lake.publish_interval=8s"]).wait_running("acc")
    database.sql("UPDATE acc SET note = 'first' WHERE id = 1")
    tarn.wait_caught_up(database)
    assert tarn.source()["lag_us"] == 0 and metric(tarn, "tarn_source_lag_seconds") == 0
    begin = time.monotonic()
    n = 0
    while time.monotonic() - begin < 4:
        database.sql("UPDATE acc SET note = %s WHERE id = 2", str(n))
        n += 1
        time.sleep(0.1)
    passed = time.monotonic() - begin
    shown = tarn.source()["lag_us"] / 1e6
    assert passed - 0.5 < shown < passed + 1, f"{shown} s shown, {passed} s since the first commit that is not published"
    assert metric(tarn, "tarn_source_lag_seconds") >= shown
    tarn.wait_caught_up(database)
    assert tarn.source()["lag_us"] == 0
    # a stop and a start do not hide what waits
    database.sql("UPDATE acc SET note = 'x' WHERE id = 3")
    wait_for(lambda: tarn.source()["lag_us"] > 0, what="it is received")
    tarn.kill()
    time.sleep(1)
    tarn.start(sets=["lake.publish_interval=8s"], env={"TARN_FAILPOINTS": "apply.publish.flushed=delay:2000"}).wait_running("acc")
    wait_for(lambda: tarn.source()["lag_us"] > 1000000, what="the backlog is seen")
    assert metric(tarn, "tarn_source_lag_seconds") >= 1


def test_lag_of_other_peoples_changes(tarn, database):
    """Changes of a stopped table are nobody's lag, however steadily they come."""
    fill(database)
    database.sql("CREATE TABLE other (id int PRIMARY KEY, n timestamp)")
    tarn.start().wait_running("acc", "other")
    database.sql("INSERT INTO other VALUES (1, 'infinity')")
    wait_for(lambda: tarn.table("other")["state"] == "stopped", what="other stops")
    begin = time.monotonic()
    worst = 0
    with database.connect() as con:
        while time.monotonic() - begin < 4:
            con.execute("UPDATE other SET n = now() WHERE id = 1")
            worst = max(worst, tarn.source()["lag_us"])
    assert worst < 1500000, worst
    # far behind: log that was never received counts as soon as the server was looked at
    os.kill(tarn.process.pid, signal.SIGSTOP)
    database.sql("INSERT INTO acc SELECT g, repeat('x', 1000) FROM generate_series(1000, 9000) g")
    os.kill(tarn.process.pid, signal.SIGCONT)
    wait_for(lambda: tarn.source()["lag_bytes"] > 1000000, 10, every=0.01, what="the bytes behind are seen")
    tarn.wait_caught_up(database)
