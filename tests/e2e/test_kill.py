# tests/e2e/test_kill.py — death at any place loses nothing and doubles nothing.
import os
import random
import subprocess
import threading
import time

import pytest

from support import tarn_binary, wait_for

TABLE = "CREATE TABLE acc (id bigint PRIMARY KEY, owner text, balance bigint, note text)"
ROUNDS = int(os.environ.get("KILL_ROUNDS", "100"))


class Writer:
    """Random inserts, updates, deletes, key changes in transactions, as fast as one connection goes; deterministic by seed."""

    def __init__(self, database, seed, pause=0.002):
        self.database, self.random, self.pause = database, random.Random(seed), pause
        self.stop_it = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.error = None

    def run(self):
        try:
            with self.database.connect() as con:
                r = self.random
                while not self.stop_it.is_set():
                    with con.transaction():
                        for _ in range(r.randint(1, 5)):
                            k = r.randint(1, 3000)
                            what = r.random()
                            if what < 0.5:
                                con.execute("INSERT INTO acc VALUES (%s, %s, %s, %s) ON CONFLICT (id) DO UPDATE SET balance = acc.balance + 1", (k, f"o{k}", r.randint(0, 1000), "n" * r.randint(0, 40)))
                            elif what < 0.8:
                                con.execute("UPDATE acc SET balance = balance + 1 WHERE id = %s", (k,))
                            elif what < 0.95:
                                con.execute("DELETE FROM acc WHERE id = %s", (k,))
                            else:
                                con.execute("UPDATE acc SET id = id + 10000 WHERE id = %s AND NOT EXISTS (SELECT FROM acc a WHERE a.id = acc.id + 10000)", (k,))
                    time.sleep(self.pause)
        except Exception as e:  # noqa: BLE001 - shown by the test
            self.error = e

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop_it.set()
        self.thread.join()
        assert self.error is None, self.error


def fill(database, rows=2000):
    database.sql(TABLE)
    database.sql("INSERT INTO acc SELECT g, 'o' || g, g, '' FROM generate_series(1, %s::int) g", rows)


def test_random_kills_under_load(tarn, database):
    """Kills at random moments, the initial copy included; every tenth time the lake is compared with the source."""
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    print("seed", seed)
    r = random.Random(seed)
    fill(database)
    for start in range(0, ROUNDS, 10):
        with Writer(database, seed + start):
            for _ in range(min(10, ROUNDS - start)):
                tarn.start(wait=False)
                time.sleep(r.uniform(0.02, 0.9))
                tarn.kill()
        tarn.start().wait_running("acc")
        tarn.wait_caught_up(database)
        tarn.check_equal(database, ["acc"])
        tarn.kill()


def failpoints():
    text = subprocess.run([tarn_binary(), "version", "--failpoints"], capture_output=True, text=True).stdout
    return [line.strip() for line in text.splitlines() if "." in line and " " not in line.strip()]


POINTS = failpoints()


@pytest.mark.skipif(not POINTS, reason="this tarn was built without failpoints (-Dfailpoints=true)")
@pytest.mark.parametrize("hit", [1, 3])
@pytest.mark.parametrize("point", POINTS or ["none"])
def test_kill_at_failpoint(tarn, database, point, hit):
    """Armed from the first start on; whether the point is reached in the copy, in a publish or never, the restart is whole."""
    fill(database, 300)
    with Writer(database, 7):
        tarn.start(wait=False, env={"TARN_FAILPOINTS": f"{point}=kill@{hit}"})
        try:
            tarn.process.wait(1.5)
        except subprocess.TimeoutExpired:
            tarn.kill()
        # once more in the recovery: dying twice is no worse
        tarn.start(wait=False, env={"TARN_FAILPOINTS": f"{point}=kill@{hit}"})
        try:
            tarn.process.wait(1.0)
        except subprocess.TimeoutExpired:
            tarn.kill()
        tarn.start().wait_running("acc")
        wait_for(lambda: tarn.table("acc")["inserts"] + tarn.table("acc")["updates"] > 0, what="changes are applied")
    tarn.wait_caught_up(database)
    tarn.check_equal(database, ["acc"])
