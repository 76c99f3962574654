#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How long after a file was copied into a share `p2p search` finds it on another node: with the system telling of changes, with
scanning while things change, and with scanning after a quiet time."""
import os
import random
import subprocess
import time

from rival import P2P, Bench, most

ROUNDS = int(os.environ.get("P2P_BENCH_ROUNDS", 100))
IDLE_ROUNDS = int(os.environ.get("P2P_BENCH_IDLE_ROUNDS", 6))
SCAN_IDLE_S = 3


def copied_until_found(bench, share, name, index):
    """Seconds. The search is a command of its own each time, as a person or a script would run it."""
    source = bench.path("source", name)
    with open(source, "wb") as out:
        out.write(os.urandom(10000))
    command = [P2P, "search", name, "-i", f"127.0.0.1:{index}", "-s", bench.path("state-other")]
    begun = time.monotonic()
    subprocess.run(["cp", source, share], check=True)
    while subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
        if time.monotonic() - begun > 60:
            raise SystemExit(f"{name} was not found within a minute")
    return time.monotonic() - begun


def told(what, seconds, wanted_s):
    seconds.sort()
    middle, late = seconds[len(seconds) // 2], seconds[min(len(seconds) - 1, len(seconds) * 95 // 100)]
    print(f"{what}: median {middle * 1000:.0f} ms, 95 % within {late * 1000:.0f} ms, longest {seconds[-1] * 1000:.0f} ms "
          f"of {len(seconds)}")
    most(f"{what}, 95 %, in ms", late * 1000, wanted_s * 1000)


with Bench("visible") as bench:
    _, index, _ = bench.role("index", name="index")
    to = ["-i", f"127.0.0.1:{index}"]
    shares = {name: bench.path(f"share-{name}", "") for name in ("told", "scanned")}
    bench.role("peer", shares["told"], *to, name="told", ready="joined")
    bench.role("peer", shares["scanned"], *to, "--share.watch", "scan", "--share.scan_idle", f"{SCAN_IDLE_S}s", name="scanned",
               ready="joined")
    bench.role("peer", bench.path("share-other", ""), *to, name="other", ready="joined")
    for i in range(500):
        for share in shares.values():
            with open(os.path.join(share, f"old{i}.txt"), "w") as out:
                out.write(f"{i}")
    for share in shares:
        copied_until_found(bench, shares[share], f"first-{share}.bin", index)
    told("inotify", [copied_until_found(bench, shares["told"], f"a{i}.bin", index) for i in range(ROUNDS)], 0.25)
    told("scanning, changing", [copied_until_found(bench, shares["scanned"], f"b{i}.bin", index) for i in range(ROUNDS // 4)], 1)
    quiet = []
    for i in range(IDLE_ROUNDS):
        time.sleep(3 * SCAN_IDLE_S + SCAN_IDLE_S * random.random())
        quiet.append(copied_until_found(bench, shares["scanned"], f"c{i}.bin", index))
    told(f"scanning, quiet, scan_idle = {SCAN_IDLE_S}s", quiet, SCAN_IDLE_S + 0.5)
