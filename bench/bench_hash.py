#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Scanning and hashing a share of 4 GiB in 40 files, on one core, so with one worker: p2p beside openssl dgst over the same
files. In turn, medians."""
import os
import subprocess
import time

from rival import Bench, in_turn, verdict, wait_hashed

FILES = 40
SIZE = int(os.environ.get("P2P_BENCH_SIZE", 4 << 30)) // FILES
ROUNDS = int(os.environ.get("P2P_BENCH_ROUNDS", 3))
CORE = "0"

with Bench("hash") as bench:
    first = bench.big_file(bench.path("share", "0"), SIZE)
    names = [first]
    for i in range(1, FILES):
        names.append(bench.path("share", str(i)))
        with open(first, "rb") as source, open(names[-1], "wb") as copy:
            copy.write(i.to_bytes(8, "big"))
            source.seek(8)
            copy.write(source.read())
    turn = [0]

    def p2p():
        turn[0] += 1
        begun = time.monotonic()
        process, at, _ = bench.role("peer", bench.path("share"), "-i", "127.0.0.1:9", name=f"peer{turn[0]}", cpus=CORE,
                                     ready=None)
        wait_hashed(at, FILES)
        wall = time.monotonic() - begun
        process.terminate()
        process.wait()
        return FILES * SIZE / wall / 1e6

    def openssl():
        begun = time.monotonic()
        subprocess.run(["taskset", "-c", CORE, "openssl", "dgst", "-sha256", *names], stdout=subprocess.DEVNULL, check=True)
        return FILES * SIZE / (time.monotonic() - begun) / 1e6

    figures = in_turn(ROUNDS, {"p2p peer, scan and hash": p2p, "openssl dgst -sha256": openssl})
    for name, rate in figures.items():
        print(f"{name:32} {rate:7.0f} MB/s on one core")
    verdict("p2p / openssl", figures["p2p peer, scan and hash"] / figures["openssl dgst -sha256"], 1.5)
