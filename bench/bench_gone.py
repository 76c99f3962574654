#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How long a lost node's file is still found after its node was killed (its machine lives and says that nobody listens), and how
much longer than a lease when it only falls silent, as one whose power was cut does: it is stopped, so that its connections stay."""
import json
import os
import signal
import time

import million
from million import Link
from rival import Bench, most

ROUNDS = int(os.environ.get("P2P_BENCH_ROUNDS", 30))
SILENT_ROUNDS = int(os.environ.get("P2P_BENCH_SILENT_ROUNDS", 5))
LEASE_S = 3


def ask(link, target):
    status, body = link.get(target)
    assert status == 200, body
    return [json.loads(line) for line in body.splitlines()]


def until(what):
    begun = time.monotonic()
    while not what():
        if time.monotonic() - begun > 60:
            raise SystemExit("it did not happen within a minute")
        time.sleep(0.001)


def last_word(link, name):
    """When the index heard it last, by our clock."""
    ages = [line["age_ms"] for line in ask(link, "/v1/nodes") if line.get("name") == name]
    return time.monotonic() - ages[0] / 1000


def lose(bench, port, number, how):
    """Starts a peer, loses it that way once it is found. Seconds until no search finds it, counted from the signal and from the
    last word that the index had of it."""
    link, name = Link(port), f"n{number}"
    with open(bench.path(name, f"{name}.bin"), "w") as out:
        out.write(name)
    peer, _, _ = bench.role("peer", bench.path(name, ""), "-i", f"127.0.0.1:{port}", "--node.name", name, name=f"peer-{name}",
                            ready="joined")
    def found():
        return len(ask(link, f"/v1/search?q={name}.bin")) > 1
    until(found)
    begun = time.monotonic()
    peer.send_signal(how)
    heard = last_word(link, name) if how == signal.SIGSTOP else begun
    until(lambda: not found())
    end = time.monotonic()
    peer.kill()
    peer.wait()
    bench.running.remove(peer)
    link.close()
    return end - begun, end - heard


def told(what, seconds, wanted_s):
    seconds.sort()
    print(f"{what}: median {seconds[len(seconds) // 2] * 1000:.0f} ms, longest {seconds[-1] * 1000:.0f} ms of {len(seconds)}")
    most(f"{what}, longest, in ms", seconds[-1] * 1000, wanted_s * 1000)


with Bench("gone") as bench:
    print(million.load_of_machine())
    _, index, _ = bench.role("index", "--index.lease", f"{LEASE_S}s", name="index")
    told("killed", [lose(bench, index, i, signal.SIGKILL)[0] for i in range(ROUNDS)], 1)
    silent = [lose(bench, index, ROUNDS + i, signal.SIGSTOP)[1] - LEASE_S for i in range(SILENT_ROUNDS)]
    told("silent, beyond the lease", silent, 1)
