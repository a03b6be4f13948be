"""How long a backup holds up the store, and how long it and its way back take.

    .venv/bin/python benchmarks/backup.py [--patients 200] [--waiting 20000] [--journal 160000]

A store of many patients, each with a state of 40 KiB, full journals, and as many messages waiting as a backup reads at
most. Another connection asks the store without a pause: its longest wait is the time for which all others waited.
"""

import argparse
import os
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from redis import Redis

from worker.standalone.embedded_redis import EmbeddedRedis
from worker.store.backup_file import read_header, read_keys, write_backup
from worker.store.keys import Keys
from worker.store.snapshot import restore_snapshot, take_snapshot

KEYS = Keys("full", 16)
STATE, MESSAGE, BATCH = 40 * 1024, 250, 400


def fill(redis: Redis, patients: int, waiting: int, journal: int) -> None:
    """Fill a store with bytes of the usual sizes."""
    pipe = redis.pipeline(transaction=False)
    for number in range(patients):
        shard = KEYS.of(str(number))
        pipe.hset(shard.key("states"), str(number), os.urandom(STATE))
    pipe.execute()
    for name, count, size in (("inbox", waiting, MESSAGE), ("journal", journal, BATCH)):
        for number in range(count):
            pipe.xadd(KEYS.shard(number % 16).key(name), {"m": os.urandom(size)})
            if not number % 1000:
                pipe.execute()
        pipe.execute()


def longest_wait(url: str, over: threading.Event, found: list[float]) -> None:
    """Ask until it is over; add the longest time of an answer in seconds."""
    longest = 0.0
    with Redis.from_url(url) as redis:
        while not over.is_set():
            asked = time.perf_counter()
            redis.ping()
            longest = max(longest, time.perf_counter() - asked)
    found.append(longest)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument("--waiting", type=int, default=20_000)
    parser.add_argument("--journal", type=int, default=160_000)
    given = parser.parse_args()
    with EmbeddedRedis() as server, EmbeddedRedis() as other, TemporaryDirectory() as folder:
        redis, elsewhere = Redis.from_url(server.url), Redis.from_url(other.url)
        fill(redis, given.patients, given.waiting, given.journal)
        over, waits = threading.Event(), list[float]()
        asking = threading.Thread(target=longest_wait, args=(server.url, over, waits))
        asking.start()
        path = Path(folder) / "backup"
        began = time.perf_counter()
        size = write_backup(path, take_snapshot(redis, KEYS), KEYS.namespace, KEYS.shards)
        copied = time.perf_counter() - began
        over.set()
        asking.join()
        began = time.perf_counter()
        read_header(path)
        restore_snapshot(elsewhere, KEYS, read_keys(path), ("mark", b""))
        back = time.perf_counter() - began
        sys.stdout.write(f"store {redis.info('memory')['used_memory'] / 1e6:.0f} MB, file {size / 1e6:.0f} MB\n")
        sys.stdout.write(f"held up for {waits[0]:.2f} s; backup {copied:.1f} s; restore {back:.1f} s\n")


if __name__ == "__main__":
    main()
