# SPDX-License-Identifier: MIT
"""Machines that were suspended: the clock of deadlines is an hour further at once, and what was under way goes on.
Others have or have not noticed meanwhile. And processes that stand still for longer than the lease."""

import os
import signal
import time

import pytest

from chains import sha256
from fleet import SLOW, left_in, wait_until
from test_faults import SLOWLY, begin_get, ended
from wrapped import Page

MIB = 1 << 20
HOUR = 3600


class Machine:
    """What runs on it has one clock."""

    def __init__(self, fleet, name):
        self.page, self.slept = Page(fleet, f"page-{name}"), 0
        self.how = self.page.how

    def suspend(self):
        """Nobody else noticed."""
        self.slept += HOUR
        self.page.suspended_for(self.slept)


@pytest.fixture
def machines(fleet):
    return {name: Machine(fleet, name) for name in ("desk", "kitchen", "here")}


def network(fleet, machines, *settings, lease="30s"):
    index = fleet.index("--index.lease", lease, name="desk", **machines["desk"].how)
    data = os.urandom(8 * MIB)
    peer = fleet.peer(index, {"big.bin": data, "small.txt": b"small"}, *settings, **machines["kitchen"].how)
    index.wait_file("big.bin", sha256(data))
    index.wait_file("small.txt", sha256(b"small"))
    return index, peer, data


@pytest.mark.once
def test_a_peer_that_was_suspended(fleet, machines):
    """The index took it for lost; it is back as soon as it is awake."""
    index = fleet.index("--index.lease", "3s", name="desk")
    peer = fleet.peer(index, {"a.txt": b"alpha"}, **machines["kitchen"].how)
    index.wait_file("a.txt", sha256(b"alpha"))
    first = index.node("kitchen")
    for _ in range(2):
        peer.send(signal.SIGSTOP)
        wait_until(lambda: index.node("kitchen") is None, 5, "the index takes it for lost")
        assert index.files() == []
        peer.send(signal.SIGCONT)
        machines["kitchen"].suspend()
        index.wait_file("a.txt", sha256(b"alpha"), deadline=3)
    now = index.wait_node("kitchen")
    assert (now["node"], now["epoch"]) == (first["node"], first["epoch"])


def test_a_peer_whose_absence_was_not_noticed(fleet, machines):
    """The index heard nothing of it for less than a lease: it never loses it. What it waited for when it was suspended,
    a minute by a clock that stood still meanwhile, is over as soon as it is awake."""
    index, _, _ = network(fleet, machines, "--share.scan_idle", "1h", lease="3m")
    begun = time.monotonic()
    for _ in range(3):
        alives = index.stats()["alives"]
        machines["kitchen"].suspend()
        wait_until(lambda: index.stats()["alives"] > alives, 3, "it speaks at once")
    assert time.monotonic() - begun < 6 * SLOW, "it waited for its timers"
    assert index.wait_node("kitchen") and not index.out.matching(r"\b(lost|left)\b")


@pytest.mark.once
def test_an_index_that_was_suspended(fleet, machines):
    """It has not heard of anybody for an hour, but it could not: all have a lease to speak up."""
    index, peer, _ = network(fleet, machines)
    for _ in range(3):
        machines["desk"].suspend()
        assert index.offers("kitchen") == 2
        assert index.file("big.bin", "kitchen")
    assert not index.out.matching(r"\b(lost|left)\b")
    alives = index.stats()["alives"]
    wait_until(lambda: index.stats()["alives"] > alives, what="it is heard of again")
    peer.kill()
    wait_until(lambda: index.node("kitchen") is None, 5, "it still notices who goes")
    assert index.files() == []


def test_a_suspended_index_takes_the_dead_for_dead_in_the_end(fleet, machines):
    """A peer that stands still while the index is suspended has one lease, and no more."""
    index = fleet.index("--index.lease", "1500ms", name="desk", **machines["desk"].how)
    peer = fleet.peer(index, {"a.txt": b"alpha"})
    index.wait_file("a.txt", sha256(b"alpha"))
    peer.send(signal.SIGSTOP)
    machines["desk"].suspend()
    wait_until(lambda: index.node("kitchen") is None, 5, "its lease ends")
    peer.send(signal.SIGCONT)
    index.wait_file("a.txt", sha256(b"alpha"), deadline=5)


@pytest.mark.once
@pytest.mark.parametrize("who", ["index", "holder", "get", "all"])
def test_a_get_goes_on(fleet, machines, who):
    index, peer, data = network(fleet, machines, *SLOWLY)
    here = fleet.folder("here")
    process = begin_get(fleet, index, here, "big.bin", **machines["here"].how)
    if who in ("index", "all"):
        machines["desk"].suspend()
    if who in ("holder", "all"):
        machines["kitchen"].suspend()
    if who in ("get", "all"):
        machines["here"].suspend()
    code, out, err = ended(process)
    assert code == 0 and out.startswith(sha256(data)), err
    assert left_in(here) == ["big.bin"] and (here / "big.bin").read_bytes() == data
    assert index.wait_node("kitchen")


@pytest.mark.once
@pytest.mark.parametrize("who", ["index", "holder", "get"])
def test_standing_still_for_longer_than_the_lease(fleet, who):
    """Processes that are stopped in the middle of a get: it ends right when they go on."""
    index = fleet.index("--index.lease", "1500ms")
    data, here = os.urandom(8 * MIB), fleet.folder("here")
    peer = fleet.peer(index, {"big.bin": data}, *SLOWLY)
    fleet.peer(index, {"other.txt": b"other"}, name="attic")
    index.wait_file("big.bin", sha256(data))
    process = begin_get(fleet, index, here, "big.bin")
    target = {"index": index.process, "holder": peer.process, "get": process}[who]
    target.send_signal(signal.SIGSTOP)
    if who == "index":
        begun = time.monotonic()
        wait_until(lambda: time.monotonic() - begun > 4, what="longer than two leases")
    elif who == "holder":
        wait_until(lambda: index.node("kitchen") is None, 5, "its lease ends")
    else:
        wait_until(lambda: len(index.nodes()) == 2, 5, "the guest's lease ends")
    target.send_signal(signal.SIGCONT)
    code, out, err = ended(process)
    assert code == 0 and out.startswith(sha256(data)), err
    assert left_in(here) == ["big.bin"] and (here / "big.bin").read_bytes() == data
    for name, count in (("kitchen", 1), ("attic", 1)):
        wait_until(lambda: index.offers(name) == count, what=f"{name} is a member")
