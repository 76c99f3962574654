#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""5,000 files of 4 KiB by folder over loopback, memory to memory: p2p get, which verifies each by its SHA-256, beside rsync from
a local daemon and aria2c -i from nginx, which do not. In turn, medians."""
import os
import shutil

from rival import P2P, Bench, free_port, has, in_turn, timed, verdict, wait_hashed, wait_port

FILES = int(os.environ.get("P2P_BENCH_FILES", 5000))
SIZE = int(os.environ.get("P2P_BENCH_SIZE", 4096))
ROUNDS = int(os.environ.get("P2P_BENCH_ROUNDS", 5))


def make_files(bench):
    """250 to a folder; the paths of all."""
    paths = [f"small/{i // 250:03}/{i:06}.bin" for i in range(FILES)]
    for path in paths:
        with open(bench.path("share", path), "wb") as out:
            out.write(os.urandom(SIZE))
    return paths


def rsync_daemon(bench):
    conf, port = bench.path("rsync", "conf"), free_port()
    with open(conf, "w") as out:
        out.write(f"use chroot = no\nuid = {os.getuid()}\n[share]\npath = {bench.path('share')}\n")
    bench.start(["rsync", "--daemon", "--no-detach", f"--config={conf}", f"--port={port}", "--address=127.0.0.1"],
                bench.path("rsync", "log"))
    wait_port(port)
    return ["rsync", "-rt", f"rsync://127.0.0.1:{port}/share/small", "."]


def aria2_list(bench, paths):
    port, name = bench.nginx(bench.path("share")), bench.path("aria2", "list")
    with open(name, "w") as out:
        for path in paths:
            out.write(f"http://127.0.0.1:{port}/{path}\n dir={os.path.dirname(path)}\n")
    return ["aria2c", "-q", "-i", name, "-j", "16", "-x", "1", "--file-allocation=none"]


with Bench("small") as bench:
    paths = make_files(bench)
    _, index, _ = bench.role("index", name="index")
    _, at, _ = bench.role("peer", bench.path("share"), "-i", f"127.0.0.1:{index}", name="peer", ready=r"joined")
    wait_hashed(at, FILES)
    commands = {"p2p get, verified": [os.path.abspath(P2P), "get", "small/", "-i", f"127.0.0.1:{index}"]}
    if has("rsync"):
        commands["rsync from its daemon"] = rsync_daemon(bench)
    if has("aria2c", "aria2") and has("nginx"):
        commands["aria2c -i from nginx"] = aria2_list(bench, paths)
    cpu = {}

    def fetch(name, argv):
        def run():
            out = bench.path("out", "")
            shutil.rmtree(out)
            os.makedirs(out)
            wall, cpu[name] = timed(argv, cwd=out)
            there = [os.path.join(d, f) for d, _, files in os.walk(out) for f in files]
            assert len(there) == FILES and all(os.path.getsize(f) == SIZE for f in there), name
            return FILES / wall
        return run

    figures = in_turn(ROUNDS, {name: fetch(name, argv) for name, argv in commands.items()})
    for name, rate in figures.items():
        print(f"{name:24} {rate:7.0f} files/s, {cpu[name]:.2f} CPU s in the receiver")
    verdict("files/s of p2p / 2,000", figures["p2p get, verified"] / 2000, 1)
    for name in figures:
        if name != "p2p get, verified":
            verdict(f"p2p / {name}", figures["p2p get, verified"] / figures[name], 0.7)
