#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The start of a peer whose share of 100,000 files has not changed since it was hashed: until the index has them all, what it
keeps in memory, and (where strace is) which files it opens."""
import json
import os
import re
import shutil
import signal
import statistics
import time
import urllib.request

from rival import Bench, most, wait_hashed

FILES = int(os.environ.get("P2P_BENCH_FILES", 100000))
ROUNDS = int(os.environ.get("P2P_BENCH_ROUNDS", 3))


def resident_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        found = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", status.read(), re.M))
    return int(found["VmRSS"]), int(found["VmHWM"])


def make_files(bench):
    """100 to a folder, and old enough for the hash cache to trust them."""
    old = time.time() - 100
    for i in range(FILES):
        path = bench.path("share", f"{i // 10000:02}", f"{i // 100 % 100:02}", f"{i:06}.txt")
        with open(path, "w") as out:
            out.write(f"file {i}\n")
        os.utime(path, (old, old))


def wait_offers(port):
    """Until the index has all: the peer may join before it has looked at the whole share."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/stats") as answer:
            if json.load(answer)["offers"] == FILES:
                return
        time.sleep(0.005)
    raise SystemExit(f"the index had no {FILES} offers within a minute")


def end(process):
    process.terminate()
    process.wait()


def opened(text, share):
    """The files below the share that a log of strace -y shows as opened; not folders."""
    return [line for line in text.splitlines() if share in line and re.search(r"\bopen", line) and "O_DIRECTORY" not in line]


with Bench("start") as bench:
    make_files(bench)
    share = bench.path("share")
    _, index, _ = bench.role("index", name="index")
    peer, at, _ = bench.role("peer", share, "-i", f"127.0.0.1:{index}", name="peer", ready=r"joined")
    wait_hashed(at, FILES)
    end(peer)
    walls, memory = [], (0, 0)
    for _ in range(ROUNDS):
        os.unlink(bench.path("peer.log"))
        begun = time.monotonic()
        peer, _, _ = bench.role("peer", share, "-i", f"127.0.0.1:{index}", name="peer", ready="joined")
        wait_offers(index)
        walls.append(time.monotonic() - begun)
        memory = resident_kib(peer.pid)
        end(peer)
    print(f"{FILES} files: joined after {statistics.median(walls):.2f} s ({', '.join(f'{wall:.2f}' for wall in walls)}); "
          f"{memory[0]} KiB resident, {memory[1]} at most")
    most("seconds until joined", statistics.median(walls), 2)
    most("MiB resident at most", memory[1] / 1024, 16)
    if shutil.which("strace"):
        trace = bench.path("trace")
        os.unlink(bench.path("peer.log"))
        strace = ["strace", "-f", "-y", "-o", trace, "-e", "trace=open,openat,openat2"]
        peer, _, _ = bench.role("peer", share, "-i", f"127.0.0.1:{index}", name="peer", ready="joined", prefix=strace)
        wait_offers(index)
        with open(f"/proc/{peer.pid}/task/{peer.pid}/children") as children:
            os.kill(int(children.read().split()[0]), signal.SIGTERM)
        peer.wait()
        with open(trace) as text:
            lines = text.read()
        assert share in lines, "strace saw its folders"
        most("files opened", len(opened(lines, share)), 0)
