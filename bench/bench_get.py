#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""One source, one file of 2 GiB over loopback, memory to memory: p2p get, which verifies every byte, beside curl from nginx,
which verifies nothing, and aria2 from nginx with its SHA-256 check. In turn, medians. And the CPU time of both sides."""
import hashlib
import os

from rival import P2P, Bench, cpu_seconds, has, in_turn, need, timed, verdict, wait_hashed

SIZE = int(os.environ.get("P2P_BENCH_SIZE", 2 << 30))
ROUNDS = int(os.environ.get("P2P_BENCH_ROUNDS", 5))

need("nginx", "curl")
with Bench("get") as bench:
    os.makedirs(bench.path("out"), exist_ok=True)
    file = bench.big_file(bench.path("share", "image"), SIZE)
    bench.warm(SIZE)
    with open(file, "rb") as data:
        sha = hashlib.file_digest(data, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else None
    _, index, _ = bench.role("index", name="index")
    peer, at, _ = bench.role("peer", bench.path("share"), "-i", f"127.0.0.1:{index}", name="peer", ready=r"joined")
    wait_hashed(at, 1)
    url = f"http://127.0.0.1:{bench.nginx(bench.path('share'))}/image"
    out = bench.path("out", "image")
    nginx = bench.worker_of_nginx()
    cpu = {}

    def fetch(name, argv):
        def run():
            if os.path.exists(out):
                os.unlink(out)
            sender = peer.pid if argv[0] == P2P else nginx
            before = cpu_seconds(sender)
            wall, received = timed(argv, cwd=bench.path("out"))
            cpu[name] = received, cpu_seconds(sender) - before
            assert os.path.getsize(out) == SIZE
            return SIZE / wall / 1e6
        return run

    contenders = {"p2p get, verified": fetch("p2p get, verified", [P2P, "get", "image", "-i", f"127.0.0.1:{index}"]),
                  "curl from nginx, unverified": fetch("curl from nginx, unverified", ["curl", "-s", "-o", out, url])}
    if sha and has("aria2c", "aria2"):
        contenders["aria2c --checksum from nginx"] = fetch(
            "aria2c --checksum from nginx",
            ["aria2c", "-q", "--file-allocation=none", f"--checksum=sha-256={sha}", "-d", bench.path("out"), "-o", "image", url])
    figures = in_turn(ROUNDS, contenders)
    for name, rate in figures.items():
        receiver, sender = (seconds * (1 << 30) / SIZE for seconds in cpu[name])
        print(f"{name:32} {rate:7.0f} MB/s, {receiver:.2f} CPU s per GiB in the receiver, {sender:.2f} in the sender")
    verdict("p2p / curl", figures["p2p get, verified"] / figures["curl from nginx, unverified"], 1.2)
    if "aria2c --checksum from nginx" in figures:
        verdict("p2p / aria2c", figures["p2p get, verified"] / figures["aria2c --checksum from nginx"], 3)
