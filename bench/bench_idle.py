#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A peer and an index that have nothing to do, watched for a while: resident memory, CPU, bytes written to the disk, and all
that write() was called with: a byte from thread to thread is among that."""
import os
import time

from rival import Bench, most, wait_hashed

SECONDS = int(os.environ.get("P2P_BENCH_SECONDS", 60))


def figures(process):
    with open(f"/proc/{process.pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    with open(f"/proc/{process.pid}/io") as io:
        counts = dict(line.split(": ") for line in io.read().splitlines())
    with open(f"/proc/{process.pid}/status") as status:
        rss = int([line for line in status if line.startswith("VmRSS")][0].split()[1])
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(counts["write_bytes"]), int(counts["wchar"]), rss


with Bench("idle") as bench:
    for i in range(20):
        with open(bench.path("share", f"file{i}.txt"), "w") as out:
            out.write(f"file {i}\n")
    index, port, _ = bench.role("index", name="index")
    peer, at, _ = bench.role("peer", bench.path("share"), "-i", f"127.0.0.1:{port}", name="peer", ready=r"joined")
    wait_hashed(at, 20)
    time.sleep(3)
    before = {"peer": figures(peer), "index": figures(index)}
    time.sleep(SECONDS)
    for name, process in {"peer": peer, "index": index}.items():
        cpu, written, chars, rss = figures(process)
        print(f"idle {name}: RSS {rss} KiB, {cpu - before[name][0]:.2f} CPU s, {written - before[name][1]} bytes written to the disk"
              f" and {chars - before[name][2]} to anything in {SECONDS} s")
        most("its CPU s", cpu - before[name][0], 0.01)
        most("its bytes on the disk", written - before[name][1], 0)
