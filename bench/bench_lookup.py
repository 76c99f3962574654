#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Exact look-ups over keep-alive HTTP: p2p's index (GET /v1/sources/SHA256) beside nginx with a small static file, each server
on one core, wrk with 32 connections on the other. wrk may be the slower of the two, so what counts is requests for each second of
CPU that the server took. In turn, medians."""
import hashlib
import os
import re
import subprocess

from rival import Bench, cpu_seconds, in_turn, need, verdict, wait_hashed

ROUNDS = int(os.environ.get("P2P_BENCH_ROUNDS", 3))
SECONDS = int(os.environ.get("P2P_BENCH_SECONDS", 5))


def wrk(url, pid):
    def run():
        before = cpu_seconds(pid)
        text = subprocess.run(["taskset", "-c", "1", "wrk", "-t1", "-c32", f"-d{SECONDS}s", "--latency", url],
                              capture_output=True, text=True, check=True).stdout
        assert "Non-2xx" not in text, text
        p99 = re.search(r"99%\s+(\S+)", text).group(1)
        latencies.setdefault(url, []).append(p99)
        seen.setdefault(url, []).append(re.search(r"Requests/sec:\s+(\S+)", text).group(1))
        return int(re.search(r"(\d+) requests in", text).group(1)) / (cpu_seconds(pid) - before)
    return run


latencies, seen = {}, {}
need("wrk", "nginx", "curl")
with Bench("lookup") as bench:
    for i in range(1000):
        with open(bench.path("share", f"folder{i % 10}", f"file{i}.txt"), "w") as out:
            out.write(f"file {i}\n")
    sha = hashlib.sha256(b"file 7\n").hexdigest()
    server, index, _ = bench.role("index", name="index", cpus="0")
    _, at, _ = bench.role("peer", bench.path("share"), "-i", f"127.0.0.1:{index}", name="peer", ready=r"joined")
    wait_hashed(at, 1000)
    lookup = f"http://127.0.0.1:{index}/v1/sources/{sha}"
    while subprocess.run(["curl", "-s", lookup], capture_output=True, text=True).stdout.count("\n") < 2:
        pass
    file = f"http://127.0.0.1:{bench.nginx(bench.path('share'), cpus='0')}/folder7/file7.txt"
    figures = in_turn(ROUNDS, {"p2p index, exact look-up": wrk(lookup, server.pid),
                          "nginx, small file": wrk(file, bench.worker_of_nginx())})
    for (name, rate), url in zip(figures.items(), (lookup, file)):
        print(f"{name:32} {rate:9.0f} requests per CPU second ({', '.join(seen[url])} a second), p99 {', '.join(latencies[url])}")
    verdict("p2p / nginx", figures["p2p index, exact look-up"] / figures["nginx, small file"], 1.2)
