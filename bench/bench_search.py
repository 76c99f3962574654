#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Searches over a million names: an exact look-up (by SHA-256, by path), substrings that are rare, common, of two letters, in no
name, over a keep-alive connection; then p2p search as a command beside plocate, with a database of the same names, and grep -c -F
over the plain list, process starts included. In turn, medians."""
import os
import re
import statistics
import subprocess
import time
from urllib.parse import quote

import million
from million import Link, Million, load_of_machine
from rival import P2P, Bench, cpu_seconds, has, in_turn, program

ROUNDS = int(os.environ.get("P2P_BENCH_ROUNDS", 21))
TEXTS = {"rare": ["libcrypto", "zzzz", "sshd_config"], "common": ["readme", "copyright", ".so", "usr/share"],
         "two letters": ["qz", "xj", "zw", "e7"], "none": ["nothing-like-it", "qqjxq", "~~~~"]}
MORE = {"filters": ["node:node77", "node:node77 lib", "kind:copy", "size>999990", "ext:iso"], "globs": ["*.ini", "*rea?me*"]}


def asked(link, target):
    begun = time.monotonic()
    status, body = link.get(target)
    took = (time.monotonic() - begun) * 1000
    assert status == 200, body
    return took, body.count(b"\n") - 1


def over_http(port, limit):
    """Median and worst of each kind; what the server's own clock has no part in. Only substrings have a bound."""
    link, good = Link(port), True
    for kind, texts in (TEXTS | MORE).items():
        took, found = [], []
        for text in texts:
            target = f"/v1/search?q={quote(text)}&limit={limit}"
            one = [asked(link, target) for _ in range(ROUNDS)]
            took += [t for t, _ in one]
            found.append(f"{text} {one[0][1]}: {statistics.median(t for t, _ in one):.2f}")
        median, worst = statistics.median(took), max(took)
        good = good and (kind in MORE or (median <= 2 and worst <= 10))
        print(f"{kind:12} at most {limit}: median {median:.2f} ms, worst {worst:.2f} ms ({'; '.join(found)})")
    print(f"substrings: every median at most 2 ms, worst at most 10 ms: {'ok' if good else 'MISSED'}")
    link.close()


def exact(port, world):
    link = Link(port)
    for what, target in (("path", lambda i: f"/v1/search?q={quote(world.paths[i])}&limit=1"),
                         ("SHA-256", lambda i: f"/v1/sources/{million.content(i)}")):
        took = sorted(asked(link, target(i * 7919 % million.OFFERS))[0] for i in range(5000))
        print(f"exact look-ups by {what}, one after the other: median {took[2500]:.3f} ms, p99 {took[4950]:.3f} ms (at most 5 ms) "
              f"{'ok' if took[4950] <= 5 else 'MISSED'}, worst {took[-1]:.2f} ms")
    link.close()


def wrk(bench, server, port):
    """Random contents, 32 connections: the tail that a client sees, and what a look-up costs."""
    script = bench.path("random.lua")
    with open(script, "w") as out:
        names = ",".join(f'"{million.content(i * 7919 % million.OFFERS)}"' for i in range(20000))
        out.write(f"local sha = {{{names}}}\nlocal at = 0\nrequest = function() at = at % #sha + 1\n"
                  'return wrk.format("GET", "/v1/sources/" .. sha[at]) end\n')
    before = cpu_seconds(server.pid)
    text = subprocess.run(["taskset", "-c", "1", "wrk", "-t1", "-c32", "-d5s", "--latency", "-s", script,
                           f"http://127.0.0.1:{port}"], capture_output=True, text=True, check=True).stdout
    count = int(re.search(r"(\d+) requests in", text).group(1))
    p99 = re.search(r"99%\s+([0-9.]+)(us|ms|s)", text)
    p99_ms = float(p99.group(1)) * {"us": 0.001, "ms": 1, "s": 1000}[p99.group(2)]
    print(f"exact look-ups of {min(20000, million.OFFERS)} contents at random, 32 connections: "
          f"{count / (cpu_seconds(server.pid) - before):.0f} for each CPU second, p99 {p99_ms:.2f} ms (at most 5 ms) "
          f"{'ok' if p99_ms <= 5 and 'Non-2xx' not in text else 'MISSED'}")


def command(argv, codes=(0,)):
    def run():
        begun = time.monotonic()
        done = subprocess.run(argv, capture_output=True, check=False)  # to /dev/null grep would stop at the first
        assert done.returncode in codes, (argv, done)
        return (time.monotonic() - begun) * 1000
    return run


def beside(bench, port, world):
    names = bench.path("names.txt")
    with open(names, "w") as out:
        out.writelines("/" + path + "\n" for path in world.paths)
    contenders = {"p2p search": lambda text: [P2P, "search", text, "-i", f"127.0.0.1:{port}"],
                  "grep -c -F": lambda text: ["grep", "-c", "-F", "--", text, names]}
    if has("plocate-build", "plocate") and has("plocate"):
        base = bench.path("plocate.db")
        subprocess.run([program("plocate-build"), "-p", names, base], check=True, stdout=subprocess.DEVNULL)
        print(f"plocate's database: {os.path.getsize(base) / 1048576:.1f} MiB, the list {os.path.getsize(names) / 1048576:.1f} MiB")
        contenders["plocate, first 1000"] = lambda text: ["plocate", "-d", base, "-l", "1000", "--", text]
        contenders["plocate -i, first 1000"] = lambda text: ["plocate", "-d", base, "-i", "-l", "1000", "--", text]
        contenders["plocate -c"] = lambda text: ["plocate", "-d", base, "-c", "--", text]
        contenders["plocate -i -c"] = lambda text: ["plocate", "-d", base, "-i", "-c", "--", text]
    for kind, texts in TEXTS.items():
        text = texts[0]
        figures = in_turn(ROUNDS, {name: command(argv(text), (0, 1, 4)) for name, argv in contenders.items()})
        print(f"{kind:12} {text:16} " + ", ".join(f"{name} {ms:.1f} ms" for name, ms in figures.items()))


with Bench("search") as bench:
    world = Million()
    print(load_of_machine())
    server, port, _ = million.index(bench, cpus="0")
    world.join(port)
    exact(port, world)
    if has("wrk"):
        wrk(bench, server, port)
    over_http(port, 100)
    over_http(port, 1000)
    beside(bench, port, world)
    print(load_of_machine())
