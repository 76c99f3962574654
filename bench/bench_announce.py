#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How many announces an index takes for each second of its CPU: heartbeats and one-offer updates over connections that stay open,
beside opentracker over HTTP, which closes each connection, from the same load generator (bench/announce.c); what an announced pair
of node and content takes; and ten thousand open sessions. opentracker runs where it is installed. In turn, medians."""
import os
import subprocess
import time

import million
from million import load_of_machine, rss_bytes, stats
from rival import Bench, cpu_seconds, free_port, has, in_turn, program, verdict, wait_port

ROUNDS = int(os.environ.get("P2P_BENCH_ROUNDS", 3))
SECONDS = int(os.environ.get("P2P_BENCH_SECONDS", 4))
SESSIONS = int(os.environ.get("P2P_BENCH_SESSIONS", 10000))
LOAD = os.path.join(os.environ.get("P2P_BENCH", "build/native/bench"), "announce")
firsts, longest = iter(range(1, 250)), {}


def load(mode, port, count, seconds, first):
    return subprocess.Popen(["taskset", "-c", "1", LOAD, mode, f"127.0.0.1:{port}", str(count), str(seconds), str(first)],
                            stdout=subprocess.PIPE, text=True)


def rate(mode, port, pid):
    """Answers for each CPU second of the server; each run is that of other nodes."""
    def run():
        process = load(mode, port, 32, SECONDS, next(firsts))
        assert process.stdout.readline() == "ready\n"
        before = cpu_seconds(pid)
        answers, _, failed = process.stdout.readline().split()
        spent = cpu_seconds(pid) - before
        process.wait()
        assert failed == "0", f"{mode}: {failed} failed"
        longest[mode] = max(longest.get(mode, 0), int(answers))
        return int(answers) / spent
    return run


def pairs(server, port, empty):
    """100,000 pairs of node and content, each with a name."""
    million.OFFERS, million.NODES = 100000, 1000
    world = million.Million()
    world.join(port)
    offers = stats(port)["offers"]
    print(f"p2p index: {(rss_bytes(server.pid) - empty) / offers:.0f} bytes for each of {offers} announced pairs, its name and "
          "search included")
    return world


def tracker(bench, contenders):
    """Debian's serves only what a list names, which it reads as another user."""
    port = free_port()
    with open(bench.path("tracker", "list"), "w") as out:
        out.writelines((b"torrent-number-%05d" % i).hex().upper() + "\n" for i in range(100))
    os.chmod(bench.dir, 0o755)
    process = bench.start(["taskset", "-c", "0", program("opentracker"), "-i", "127.0.0.1", "-p", str(port), "-d", bench.path("tracker", ""), "-w", "list"],
                          bench.path("tracker.log"))
    wait_port(port)
    empty = rss_bytes(process.pid)
    answer = subprocess.run(["curl", "-s", f"http://127.0.0.1:{port}/announce?info_hash=torrent-number-00001&peer_id=-P20001-peer-"
                             "0000001&port=9&left=0&compact=1"], capture_output=True, check=True).stdout
    assert b"peers" in answer, answer
    contenders["opentracker, announce"] = rate("tracker", port, process.pid)
    return process, empty


def sessions(bench):
    """Each sends a heartbeat every third of the lease of 30 s."""
    server, port, log = bench.role("index", "-m", "256M", name="sessions", cpus="0")
    empty = rss_bytes(server.pid)
    process = load("session", port, SESSIONS, 30, 1)
    assert process.stdout.readline() == "ready\n"
    time.sleep(2)
    figures, resident, before = stats(port), rss_bytes(server.pid), cpu_seconds(server.pid)
    time.sleep(20)
    spent, after = cpu_seconds(server.pid) - before, stats(port)
    process.terminate()
    process.wait()
    print(f"{figures['nodes']} nodes on {figures['connections']['open']} connections: {(resident - empty) / SESSIONS:.0f} bytes a "
          f"session (one offer each included), {resident / 1048576:.1f} MiB in all")
    print(f"their heartbeats: {(after['alives'] - figures['alives']) / 20:.0f} a second, {spent / 20 * 100:.1f} % of a core, lost "
          f"{after['lost']} {'ok' if figures['nodes'] >= SESSIONS and after['lost'] == 0 else 'MISSED'}")


with Bench("announce") as bench:
    print(load_of_machine())
    server, port, _ = bench.role("index", "-m", "128M", "--index.lease", "1h", name="index", cpus="0")
    empty, world = rss_bytes(server.pid), None
    contenders = {"p2p index, alive": rate("alive", port, server.pid), "p2p index, update": rate("update", port, server.pid)}
    other = tracker(bench, contenders) if has("opentracker") else None
    figures = in_turn(ROUNDS, contenders)
    for name, value in figures.items():
        print(f"{name:24} {value:9.0f} answers for each CPU second")
    if other:
        for name in list(figures)[:2]:
            verdict(f"{name} / opentracker", figures[name] / figures["opentracker, announce"], 2)
        known = min(100000, longest["tracker"])
        print(f"opentracker: {(rss_bytes(other[0].pid) - other[1]) / known:.0f} bytes for each of {known} announced pairs, no names")
    server, port, _ = bench.role("index", "-m", "128M", "--index.lease", "1h", name="pairs")
    world = pairs(server, port, rss_bytes(server.pid))
    sessions(bench)
    print(load_of_machine())
