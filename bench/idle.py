# bench/idle.py — resident memory at rest and after work, and the time from exec to an answer of /healthz.
import socket
import time

import machine
from bench import COLUMNS, TarnProcess, end_of_wal, fill, spread

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as s:
            s.sendall(REQUEST)
            return s.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def start_ms(tarn):
    started = time.monotonic()
    tarn.start(wait=False)
    while not answers(tarn.port):
        if time.monotonic() - started > 20:
            raise SystemExit("no answer:\n" + tarn.tail())
        time.sleep(0.0005)
    return (time.monotonic() - started) * 1000


def starts(tarn, n=10):
    found = []
    for _ in range(n):
        found.append(start_ms(tarn))
        tarn.wait_streaming()
        tarn.stop()
    return spread(found)


def memory(pid):
    return {"rss_mb": machine.memory_kb(pid) / 1024, "own_mb": machine.anonymous_kb(pid) / 1024}


def one(bench, database, name, capture_only):
    tarn = TarnProcess(bench, name, database, ["t"], capture_only)
    tarn.start()
    tarn.wait_streaming() if capture_only else tarn.wait_running()
    tarn.stop()
    out = {"start_ms": starts(tarn)}
    tarn.start()
    tarn.wait_streaming() if capture_only else tarn.wait_running()
    time.sleep(3)
    cpu = tarn.cpu()
    time.sleep(5)
    out["idle"], out["idle_cpu_percent"] = memory(tarn.process.pid), (tarn.cpu() - cpu) / 5 * 100
    rows = bench.rows(1_000_000, 100_000)
    with database.connect() as con:
        con.execute("TRUNCATE t")
        fill(con, "t", 1, rows, 1000)
    tarn.wait_lsn("journaled" if capture_only else "lake", end_of_wal(database))
    time.sleep(5)
    out["after load"], out["peak_mb"] = memory(tarn.process.pid), machine.memory_kb(tarn.process.pid, "VmHWM") / 1024
    tarn.remove()
    bench.slots(database)
    bench.say(f"{name}: start {out['start_ms']['median']:.1f} ms; idle {out['idle']['rss_mb']:.1f} MB ({out['idle']['own_mb']:.1f} its own), {out['idle_cpu_percent']:.1f} % CPU; "
              f"after {rows} rows {out['after load']['rss_mb']:.1f} MB, peak {out['peak_mb']:.1f} MB")
    return out


def idle(bench):
    results = {}
    for name, capture_only in (("capture_only", True), ("all_roles", False)):
        database = bench.server.create_database("bench_" + name)
        database.sql(f"CREATE TABLE t ({COLUMNS})")
        with database.connect() as con:
            fill(con, "t", 1, 1000, 1000)
        results[name] = one(bench, database, name, capture_only)
        bench.server.drop_database(database.name)
    bench.results["idle"] = results
