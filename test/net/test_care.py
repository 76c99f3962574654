# SPDX-License-Identifier: MIT
"""Care for flash and memory: nothing is allocated after the start, and a node that has nothing to
do writes nothing and uses no CPU; and a wall clock that is unset or jumps changes nothing."""

import contextlib
import os
import re
import threading
import time
from pathlib import Path

import pytest

from chains import sha256
from fleet import put, wait_until
from rawhttp import Closed, Link
from test_watch import wait_truth
from wire import Member, offer, put_line
from wrapped import Page

MIB = 1 << 20
YEARS = 365 * 86400
TO_1970 = -int(time.time()) + 100


def in_parallel(*actions):
    faults = []

    def run(action):
        try:
            action()
        except BaseException as fault:  # shown by the test, whatever it is
            faults.append(fault)

    threads = [threading.Thread(target=run, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults, faults


# --- memory ---


def test_the_counter_counts(fleet):
    """A name to look up makes libc allocate: else the tests below would prove nothing."""
    page = Page(fleet)
    fleet.run("list", index="localhost:9", **page.how)
    assert page.allocations() > 0 and "getaddrinfo" in page.callers()


def ask_all(address, count):
    """Everything that can be asked, again and again, over one connection. A snapshot whose reader is so slow that the
    feed has gone past it ends early, with the connection."""
    with contextlib.ExitStack() as stack:
        link = stack.enter_context(Link(address))
        for i in range(count):
            for path in (
                "/v1/stats", "/v1/list?limit=100", "/v1/search?q=a", "/v1/search?q=*b*&limit=3",
                "/v1/nodes", "/v1/snapshot", "/", "/nothing", f"/v1/sources/{'0' * 64}",
                "/download/big.bin", "/metalink/big.bin", f"/v1/content/{i:064}",
            ):
                try:
                    assert link.request("GET", path).status < 505
                except Closed as closed:
                    assert path == "/v1/snapshot", (path, closed)
                    link = stack.enter_context(Link(address))


def join_and_change(index, number):
    with Member(index, f"load{number}", port=2000 + number) as member:
        member.joined(*[offer(f"l{number}/{i}") for i in range(2000)])
        for i in range(50):
            assert member.update(*[put_line(f"l{number}/new{i}-{k}") for k in range(20)]).status == 200


def change_files(peer):
    for i in range(200):
        put(peer.share / f"changes/d{i % 10}/f{i}.txt", os.urandom(100), 0)
    for i in range(0, 200, 2):
        (peer.share / f"changes/d{i % 10}/f{i}.txt").unlink()


def test_nothing_is_allocated_after_the_start(fleet):
    """Of an index, a peer and a both, under all that they can be asked at the same time."""
    pages = {name: Page(fleet, name) for name in ("desk", "kitchen", "attic")}
    index = fleet.index("--index.snapshot", "1s", name="desk", **pages["desk"].how)
    data = os.urandom(8 * MIB)
    peer = fleet.peer(index, {"big.bin": data}, name="kitchen", **pages["kitchen"].how)
    both = fleet.both({"big.bin": data}, "--index.mirrors", index.address, name="attic", **pages["attic"].how)
    index.wait_file("big.bin", sha256(data), node="kitchen")
    both.wait_file("big.bin", sha256(data), node="attic")
    before = {name: page.allocations() for name, page in pages.items()}
    gets = [fleet.folder(f"got{i}") for i in range(4)]
    in_parallel(
        *[lambda a=node.address: ask_all(a, 40) for node in (index, peer, both)],
        *[lambda i=i: join_and_change(index, i) for i in range(3)],
        lambda: change_files(peer),
        *[lambda to=to: fleet.ok("get", "big.bin", index=index, cwd=to) for to in gets],
    )
    index.wait_file("changes/d9/f199.txt")
    for to in gets:
        assert (to / "big.bin").read_bytes() == data
    peer.send(1)  # SIGHUP: the settings are read again
    assert fleet.run("get", "changes/", "-s", both.state, index=both).code in (0, 4)
    for name, page in pages.items():
        assert page.allocations() == before[name], f"{name}: {page.callers()}"


# --- flash and CPU ---


def figures(node):
    io = Path(f"/proc/{node.pid}/io").read_text(encoding="ascii")
    stat = Path(f"/proc/{node.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return {
        "write_bytes": int(re.search(r"^write_bytes: (\d+)", io, re.M).group(1)),
        "wchar": int(re.search(r"^wchar: (\d+)", io, re.M).group(1)),
        "state": node.stats()["state_bytes_written"],
        "ticks": int(stat[11]) + int(stat[12]),
    }


def idle_for(fleet, seconds, speed=1):
    """An index and a peer that know each other, left alone: heartbeats go on, and that is all. speed: time goes so
    many times as fast for them."""
    pages = [Page(fleet, f"page{i}", speed=speed) for i in range(2)] if speed > 1 else None
    how = [page.how for page in pages] if pages else [{}, {}]
    index = fleet.index("--index.snapshot", "1s", **how[0])
    peer = fleet.peer(index, {f"f{i}.txt": b"%d" % i for i in range(30)}, **how[1])
    nodes = (index, peer)
    wait_until(lambda: not peer.stats()["busy"] and not peer.stats()["telling"], what="all is told")
    wait_until(lambda: (index.state / "snapshot").exists(), what="the snapshot is written")
    settled = [None]

    def quiet():
        now = [figures(node)["state"] for node in nodes]
        before, settled[0] = settled[0], now
        return before == now

    wait_until(quiet, what="nothing is written any more")
    files = [sorted((p, p.stat().st_mtime_ns) for p in n.state.rglob("*")) for n in nodes]
    alives = index.stats()["alives"]
    begun, before = time.monotonic(), [figures(node) for node in nodes]
    logged = [len(node.out.items) for node in nodes]
    wait_until(lambda: time.monotonic() - begun > seconds / speed, seconds + 5, "idle time")
    heard = alives + seconds // 10
    wait_until(lambda: index.stats()["alives"] >= heard, 10, "heartbeats came meanwhile")
    after = [figures(node) for node in nodes]
    looks = int((time.monotonic() - begun) * speed) // 10 + 1
    for old, new, node, lines in zip(before, after, nodes, logged):
        assert new["write_bytes"] == old["write_bytes"] and new["state"] == old["state"]
        told = node.out.items[lines:]
        # every 10 s a worker looks whether the share's folder is still there: a byte to it, and one back
        assert new["wchar"] - old["wchar"] <= 2 * looks, f"written: {old} {new}"
        assert not told, told
        assert new["ticks"] - old["ticks"] <= 3, "CPU ticks of 10 ms"
    assert files == [sorted((p, p.stat().st_mtime_ns) for p in n.state.rglob("*")) for n in nodes]


@pytest.mark.once
def test_idle_writes_nothing_and_uses_no_cpu(fleet):
    """A minute, in which time goes as fast as the heartbeats of a lease of 30 s allow in a test."""
    idle_for(fleet, 60, speed=12)


@pytest.mark.long
def test_idle_for_a_minute(fleet):
    idle_for(fleet, 60)


def test_status_tells_what_was_written(fleet):
    index = fleet.index()
    peer = fleet.peer(index, {"a.txt": b"alpha"})
    index.wait_file("a.txt")
    for node in (index, peer):
        rows = dict(fleet.ok("status", "-s", node.state).rows())
        assert {"state written", "written a day"} <= set(rows), rows
        stats = node.stats()
        assert stats["state_bytes_per_day"] >= stats["state_bytes_written"]


def connections_to(node):
    """Those that were made to it of late; who closed one first keeps it in mind for a minute."""
    port = f":{node.port:04X}"
    rows = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return {tuple(sorted(row.split()[1:3])) for row in rows if port in row and not row.split()[2].endswith(":0000")}


def test_small_files_share_a_sync(fleet):
    """Who hashes hundreds of files and who fetches them wears no flash with a sync for each; and they come one after
    the other over few connections."""
    pages = {name: Page(fleet, f"page-{name}") for name in ("kitchen", "here")}
    index, here = fleet.index(), fleet.folder("here")
    files = {f"f/{i:03}.bin": os.urandom(3000) for i in range(400)}
    peer = fleet.peer(index, files, **pages["kitchen"].how)
    wait_truth(index, peer.share)
    assert pages["kitchen"].syncs() < 10, "its token, its epoch; the hash cache never"
    before = connections_to(peer)
    fleet.ok("get", "f/", index=index, cwd=here, **pages["here"].how)
    assert 1 <= pages["here"].syncs() <= 4
    assert 1 <= len(connections_to(peer) - before) <= 40
    assert all((here / name).read_bytes() == data for name, data in files.items())


# --- the wall clock ---


@pytest.mark.once
@pytest.mark.parametrize("ahead_s", [TO_1970, 10 * YEARS], ids=["1970", "ahead"])
def test_a_wrong_clock_changes_nothing(fleet, ahead_s):
    pages = [Page(fleet, f"page{i}", ahead_s) for i in range(2)]
    index = fleet.index("--index.lease", "3s", **pages[0].how)
    peer = fleet.peer(index, {"a.txt": b"alpha"}, **pages[1].how)
    wait_truth(index, peer.share)
    (peer.share / "a.txt").write_bytes(b"gamma")
    put(peer.share / "b.txt", b"beta", 0)
    wait_truth(index, peer.share)
    here = fleet.folder("here")
    fleet.ok("get", "a.txt", index=index, cwd=here, **Page(fleet, "here-page", ahead_s).how)
    assert (here / "a.txt").read_bytes() == b"gamma"
    peer.restart()
    wait_truth(index, peer.share)
    begun = time.monotonic()
    wait_until(lambda: time.monotonic() - begun > 3.5, what="longer than the lease")
    assert index.node("kitchen")
    if ahead_s < 0:
        assert not [line for line in peer.out.items if line.startswith("1970")], "time since start"


def test_a_clock_that_jumps_changes_nothing(fleet):
    pages = [Page(fleet, f"page{i}") for i in range(2)]
    index = fleet.index("--index.lease", "6s", **pages[0].how)
    peer = fleet.peer(index, {"a.txt": b"alpha"}, **pages[1].how)
    wait_truth(index, peer.share)
    first = index.node("kitchen")
    for i, ahead_s in enumerate((TO_1970, 5 * YEARS, -YEARS, 0, TO_1970, 0)):
        for page in pages:
            page.move_clock(ahead_s)
        put(peer.share / "a.txt", b"step %d" % i, 100)
        put(peer.share / f"new{i}.txt", b"new", 0)
        wait_truth(index, peer.share)
    now = index.node("kitchen")
    assert (now["node"], now["epoch"]) == (first["node"], first["epoch"]), "it never left"
    assert not index.out.matching(r"\b(lost|left)\b") and not peer.out.matching(r"\berror\b")
