# SPDX-License-Identifier: MIT
"""upload_limit and download_limit are exact over ten seconds. Counted is what the downloader
writes, from one byte count to another: the burst at the beginning lies before the first. And how
many stand in line for an upload slot."""

import os
import re
import select
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from chains import sha256
from fleet import wait_until
from rawhttp import Link, patience

RATE = 2 << 20
LIMIT = "2M/s"
SECONDS = 10
MOST = 30  # seconds' worth: more than is waited for
ONE_WORKER = 4  # threads of a peer with one worker of each kind


def written(process):
    with open(f"/proc/{process.pid}/io", encoding="ascii") as counters:
        return time.monotonic(), int(re.search(r"wchar: (\d+)", counters.read()).group(1))


def check_rate(what, process):
    """Over any ten seconds it is never above the limit. A process that gets no processor for a while
    stays below it: so one of them has to reach it, and mostly does the first."""
    wait_until(lambda: written(process)[1] >= RATE, what="the burst is over")
    seen = []

    def reaches():
        now = written(process)
        seen.append(now)
        past = [one for one in seen if now[0] - one[0] >= SECONDS]
        if not past:
            return False
        rate = (now[1] - past[-1][1]) / (now[0] - past[-1][0]) / RATE
        assert rate <= 1.05, (what, rate)
        return rate >= 0.95

    wait_until(reaches, 3 * SECONDS, f"{what}: ten seconds at the limit")


@pytest.mark.once
def test_limits_are_exact(fleet):
    data = os.urandom(RATE) * MOST
    index = fleet.index()
    slow = ("--transfer.upload_limit", LIMIT)
    fleet.peer(index, {"up.bin": data}, *slow, name="slow")
    fleet.peer(index, {"down.bin": data[::-1]}, name="fast")
    index.wait_file("up.bin", node="slow", deadline=30)
    index.wait_file("down.bin", node="fast", deadline=30)
    gets = {
        "upload": fleet.spawn("get", "up.bin", index=index),
        "download": fleet.spawn("get", "down.bin", "--transfer.download_limit", LIMIT, index=index),
    }
    with ThreadPoolExecutor(len(gets)) as pool:
        list(pool.map(check_rate, gets, gets.values()))
    for process in gets.values():
        process.terminate()
        process.communicate(timeout=30)
        assert process.returncode == 143


def refused_at_once(node, sha, headers, count):
    """So many ask for a piece at a node that has no slot: how many are told so long before those
    that stand in line, which are told after half a second."""
    links = [Link(node.address, 30) for _ in range(count)]
    try:
        for link in links:
            link.send_request("GET", f"/v1/content/{sha}", headers)
        came, waiting = [], {link.socket: link for link in links}
        while waiting:
            ready, _, _ = select.select(list(waiting), [], [], patience(30))
            assert ready, "nobody is told anything"
            came += [time.monotonic()] * len(ready)
            for socket in ready:
                reply = waiting.pop(socket).reply()
                assert reply.status == 503 and b"all upload slots are taken" in reply.body
        return sum(moment < came[-1] - 0.25 for moment in came)
    finally:
        for link in links:
            link.close()


@pytest.fixture
def full_node(fleet):
    """Has one slot, which somebody keeps; with the hash of what it has. Where the C library tells
    what a process may use it has one worker."""
    data = bytes(64 << 20)
    index = fleet.index()
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        node = fleet.peer(index, {"big.bin": data}, "--transfer.uploads", "1")
    finally:
        os.sched_setaffinity(0, allowed)
    index.wait_file("big.bin", sha256(data), deadline=30)
    with Link(node.address, 60) as stuck:
        stuck.send_request("GET", f"/v1/content/{sha256(data)}")
        assert stuck.socket.recv(1)
        yield node, sha256(data)


def wait_refused(node, sha, headers, count, refused):
    headers = {"Range": "bytes=0-65535", **headers}
    wait_until(
        lambda: refused_at_once(node, sha, headers, count) == refused,
        60,
        f"{refused} of {count} are refused at once",
    )


@pytest.mark.parametrize("count,refused", [(15, 0), (16, 0), (17, 1)])
def test_so_many_nodes_stand_in_line(full_node, count, refused):
    """Of those that name the chain, since they can go elsewhere meanwhile."""
    node, sha = full_node
    chain = node.get(f"/v1/content/{sha}", method="HEAD").header("p2p-chain")
    wait_refused(node, sha, {"P2P-Chain": chain}, count, refused)


@pytest.mark.parametrize("count,refused", [(31, 0), (32, 0), (33, 1)])
def test_so_many_programs_stand_in_line(full_node, count, refused):
    """At each worker."""
    node, sha = full_node
    with open(f"/proc/{node.process.pid}/status", encoding="ascii") as status:
        threads = int(re.search(r"Threads:\s+(\d+)", status.read()).group(1))
    if threads > ONE_WORKER:
        pytest.skip("this C library counts processors that a process may not use")
    wait_refused(node, sha, {}, count, refused)
