#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A million offers from a thousand nodes in one index, over the wire: memory, the rate of joins beside a plain parse of the same
lines by yyjson and beside the least that an index could do (yyjson/floor.c), a restart that reads them back while it answers, and
what requests wait for while a snapshot is written. Rates are for each CPU second, so that a busy machine disturbs them little."""
import os
import re
import subprocess
import sys
import threading
import time

import million
from million import Link, Million, load_of_machine, rss_bytes, stats
from rival import Bench, cpu_seconds, touch, verdict, wait_line

ROUNDS = 3
WARM = 256  # bytes an offer, more than what is resident at the end
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def limit(what, value, wanted, unit):
    print(f"{what}: {value:.1f} {unit} (at most {wanted} {unit}) {'ok' if value <= wanted else 'MISSED'}")


def build(bench, name):
    """Compiles a program of bench/yyjson with yyjson; its path."""
    source = os.path.join(os.environ.get("P2P_BUILD", os.path.join(ROOT, "build")), "deps", "src", "yyjson", "src")
    program = bench.path(name)
    subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-I", source, "-o", program, os.path.join(ROOT, "bench", "yyjson", f"{name}.c"),
                    os.path.join(source, "yyjson.c")], check=True)
    return program


def plain_parse(bench, files):
    """Lines for each CPU second: with yyjson's own allocation, and with a pool."""
    lines, plain, pooled = subprocess.run([build(bench, "parse"), *files], capture_output=True, text=True,
                                          check=True).stdout.split()
    return int(lines) / float(plain), int(lines) / float(pooled)


def join_rate(world, pid, port):
    """Offers for each CPU second of a process that all nodes join, in memory that is warm."""
    touch(million.OFFERS * WARM)
    before = cpu_seconds(pid)
    world.join(port)
    return million.OFFERS / (cpu_seconds(pid) - before)


def first_joins(bench, world):
    """The best of some rounds, as of all that it is held against; the last index stays."""
    rates = []
    for name in [f"index-{number}" for number in range(1, ROUNDS)] + ["index"]:
        world.hang_up()
        bench.stop()
        server, port, log = million.index(bench, "--index.snapshot", "1d", name=name)
        empty = rss_bytes(server.pid)
        rates.append(join_rate(world, server.pid, port))
    return server, port, log, max(rates), (rss_bytes(server.pid) - empty) // million.OFFERS


def floor_rates(bench, world, offer_bytes):
    """{what it does: its rate} of a program that does no more than it must."""
    program, best = build(bench, "floor"), {}
    links, world.links = world.links, []
    for steps, what in ((1, "receive"), (2, "receive, parse"), (3, "receive, parse, keep")):
        for _ in range(ROUNDS):
            with subprocess.Popen([program, str(steps), str(million.OFFERS), str(offer_bytes)], stdout=subprocess.PIPE,
                                  text=True) as floor:
                try:
                    best[what] = max(best.get(what, 0), join_rate(world, floor.pid, int(floor.stdout.readline())))
                finally:
                    floor.kill()
            world.hang_up()
    world.links = links
    return best


class Asker(threading.Thread):
    """One look-up after the other; how long each took."""

    def __init__(self, port, target, pause=0):
        super().__init__()
        self.port, self.target, self.pause, self.took, self.running = port, target, pause, [], True

    def run(self):
        link = Link(self.port)
        link.room = bytearray(1 << 20)
        while self.running:
            begun = time.monotonic()
            status, _ = link.get(self.target)
            self.took.append((time.monotonic() - begun) * 1000)
            if status != 200:
                sys.exit(f"status {status} for {self.target}")
            time.sleep(self.pause)
        link.close()

    def end(self):
        self.running = False
        self.join()
        return sorted(self.took)


def memory(server, port):
    figures, resident = stats(port), rss_bytes(server.pid)
    tables = figures["tables"]
    print(f"offers {figures['offers']}, nodes {figures['nodes']}, distinct names {tables['names']['used']} in "
          f"{figures['folders']} folders, distinct contents {figures['contents']}, texts of names "
          f"{figures['names_bytes'] / figures['offers']:.1f} bytes an offer")
    limit("resident", resident / 1048576, 224, "MiB")
    print(f"names and search index: {figures['names_memory'] / figures['offers']:.1f} bytes an offer")
    beside = (resident - figures["names_memory"]) / figures["offers"]
    limit("an offer beside its name and search index", beside, 128, "bytes")


def joins(bench, world, files):
    server, port, log, rate, offer_bytes = first_joins(bench, world)
    print(re.search(r"room for .*", open(log).read()).group(0))
    print(f"first join of all: {rate:.0f} offers for each CPU second, {offer_bytes} bytes of each resident")
    world.bodies = [body.replace(b'"seq":1', b'"seq":2', 1) for body in world.bodies]
    again = join_rate(world, server.pid, port)
    print(f"the same joins again: {again:.0f} offers for each CPU second")
    plain, pooled = plain_parse(bench, files)
    print(f"yyjson, plain parse: {plain:.0f} lines for each CPU second, {pooled:.0f} with a pool")
    floors = floor_rates(bench, world, offer_bytes)
    for what, floor in floors.items():
        print(f"floor, {what}: {floor:.0f} offers for each CPU second")
    verdict("joins / plain parse", rate / plain, 0.5)
    floor = floors["receive, parse, keep"]
    print(f"floor / plain parse: {floor / plain:.2f} x (it parses by yyjson and keeps offers, and checks nothing)")
    print(f"joins / floor: {rate / floor:.2f} x")
    return server, port


def snapshot_while_asked(world, port):
    """Makes one change, which is due to be written after a second; asks all the while."""
    lookup = f"/v1/sources/{million.content(million.OFFERS // 2)}"
    calm = Asker(port, lookup)
    calm.start()
    time.sleep(1)
    calm = calm.end()
    asker = Asker(port, lookup)
    asker.start()
    before = stats(port)["snapshot"].get("bytes", 0)
    change = b'{"epoch":1,"seq":3}\n{"op":"del","path":"' + world.paths[0].encode() + b'"}\n'
    node = Link(port)
    status, answer = node.post("/v1/update", world.token(0), change)
    assert status == 200, answer
    while "took_ms" not in stats(port)["snapshot"] or stats(port)["snapshot"]["bytes"] == before:
        time.sleep(0.01)
    waits = asker.end()
    written = stats(port)["snapshot"]
    print(f"snapshot: {written['bytes'] / 1048576:.1f} MiB in {written['took_ms']} ms; look-ups meanwhile: median "
          f"{waits[len(waits) // 2]:.2f} ms, p99 {waits[len(waits) * 99 // 100]:.2f} ms (without: {calm[len(calm) // 2]:.2f}, "
          f"{calm[len(calm) * 99 // 100]:.2f}, worst {calm[-1]:.2f})")
    limit("longest wait of a look-up while a snapshot is written", waits[-1], 20, "ms")


def restart(bench, server):
    begun = time.monotonic()
    server.terminate()
    server.wait()
    print(f"clean end: {time.monotonic() - begun:.2f} s")
    begun = time.monotonic()
    server, port, log = million.index(bench, "--index.snapshot", "1s")
    asker = Asker(port, "/v1/search?q=readme&limit=100", 0.02)
    asker.start()
    read = wait_line(log, r"read (\d+) nodes with (\d+) offers from disk in (\d+) ms")
    took = time.monotonic() - begun
    waits = asker.end()
    assert int(read.group(2)) >= million.OFFERS - 1, read.group(0)
    print(f"{read.group(0)}; {cpu_seconds(server.pid):.2f} CPU s; {len(waits)} searches answered meanwhile, median "
          f"{waits[len(waits) // 2]:.2f} ms, worst {waits[-1]:.2f} ms")
    limit("restart until complete", took, 3, "s")
    return server, port


with Bench("million") as bench:
    world = Million()
    files = world.files(bench)
    print(load_of_machine())
    server, port = joins(bench, world, files)
    memory(server, port)
    server, port = restart(bench, server)
    snapshot_while_asked(world, port)
    print(load_of_machine())
