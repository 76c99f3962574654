#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Two indexes of one directory with a million offers: how long a mirror takes to catch up from nothing, and what a user sees when
one of them is killed while searches go on (p2p search, told of both): how many fail, and how long the slowest takes."""
import random
import subprocess
import threading
import time

import million
from million import Million, load_of_machine, stats
from rival import P2P, Bench, cpu_seconds

SEARCHERS, BEFORE, AFTER = 4, 2, 4


def catch_up(bench, first, port):
    begun, before = time.monotonic(), cpu_seconds(first.pid)
    second, other, _ = million.index(bench, "--index.mirrors", f"127.0.0.1:{port}", name="mirror")
    offers = stats(port)["offers"]
    while stats(other)["offers"] < offers:
        time.sleep(0.05)
    print(f"a mirror has {offers} offers from nothing in {time.monotonic() - begun:.1f} s ({cpu_seconds(second.pid):.2f} CPU s there, "
          f"{cpu_seconds(first.pid) - before:.2f} at the one that tells)")
    return other


class Searcher(threading.Thread):
    """One command after the other; (begun, seconds, status) of each."""

    def __init__(self, indexes):
        super().__init__()
        self.indexes, self.done, self.running = indexes, [], True

    def run(self):
        while self.running:
            indexes = random.sample(self.indexes, 2)
            begun = time.monotonic()
            process = subprocess.run([P2P, "search", "libcrypto", "-i", ",".join(indexes)], capture_output=True, check=False)
            self.done.append((begun, time.monotonic() - begun, process.returncode))
            if process.returncode != 0:
                print(f"status {process.returncode}, {len(process.stdout)} bytes: {process.stderr.decode().strip()}")


def under_load(first, indexes):
    searchers = [Searcher(indexes) for _ in range(SEARCHERS)]
    for searcher in searchers:
        searcher.start()
    time.sleep(BEFORE)
    killed = time.monotonic()
    first.kill()
    time.sleep(AFTER)
    for searcher in searchers:
        searcher.running = False
        searcher.join()
    done = [each for searcher in searchers for each in searcher.done]
    failed = sum(status != 0 for _, _, status in done)
    calm = sorted(took for begun, took, _ in done if begun + took < killed)
    after = sorted(took for begun, took, _ in done if begun + took >= killed)
    for what, took in (("before", calm), ("from then on", after)):
        print(f"{what}: {len(took)} searches, median {took[len(took) // 2] * 1000:.1f} ms, worst {took[-1] * 1000:.1f} ms")
    print(f"failed when one of two indexes was killed: {failed} (at most 0) {'ok' if failed == 0 else 'MISSED'}")


with Bench("failover") as bench:
    world = Million()
    print(load_of_machine())
    first, port, _ = million.index(bench, name="first")
    world.join(port)
    other = catch_up(bench, first, port)
    under_load(first, [f"127.0.0.1:{port}", f"127.0.0.1:{other}"])
    print(load_of_machine())
