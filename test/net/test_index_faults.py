# SPDX-License-Identifier: MIT
"""Faults of the machine under an index: killed at any moment, a disk that fails, a clock that is
wrong. What peers have is what it answers, again and again, as seen from outside."""

import os
import pwd
import random
import re
import threading
import time

import pytest

from chains import sha256
from feed import Feed, offered
from fleet import put, wait_until
from test_faults import Disk, needs_mount
from wire import Member, offer, put_line
from wrapped import Page

YEARS = 365 * 86400
TO_1970 = -int(time.time()) + 100
KEPT = ("--index.snapshot", "100ms")
CANNOT = "cannot be kept on disk"
UNWRITABLE = "the state folder cannot be written"

# --- killed at any moment ---


class Changer:
    """Files of a folder that come, change, move and go, until it is told to stop. What changes all
    the time is hashed ever more rarely: so the folder should be another one soon."""

    def __init__(self, peer, seed, folder="d"):
        self.peer, self.chance, self.folder = peer, random.Random(seed), peer.share / folder
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def path(self):
        return self.folder / f"d{self.chance.randrange(4)}" / f"f{self.chance.randrange(12)}.bin"

    def _step(self):
        path, dice = self.path(), self.chance.random()
        if dice < 0.55:
            put(path, self.chance.randbytes(self.chance.randrange(1, 3000)), 0)
        elif dice < 0.75:
            path.unlink(missing_ok=True)
        elif path.exists():
            other = self.path()
            other.parent.mkdir(parents=True, exist_ok=True)
            os.rename(path, other)

    def _run(self):
        while not self.stopped.wait(self.chance.uniform(0, 0.02)):
            self._step()

    def stop(self):
        self.stopped.set()
        self.thread.join()


def what_peers_have(peers):
    return {
        (peer.name, path.relative_to(peer.share).as_posix()): sha256(path.read_bytes())
        for peer in peers
        for path in peer.share.rglob("*.bin")
    }


def what_is_answered(index):
    lines = index.files("*")
    found = {(line["name"], line["path"]): line["sha256"] for line in lines}
    assert len(found) == len(lines), "each file once"
    return found


def check_figures(index, peers, truth):
    """The other doors say the same as the search."""
    nodes = index.nodes()
    assert sorted(n["name"] for n in nodes if n["state"] != "left") == sorted(p.name for p in peers)
    for peer in peers:
        assert index.offers(peer.name) == sum(name == peer.name for name, _ in truth)
    stats = index.stats()
    assert (stats["nodes"], stats["offers"]) == (len(peers), len(truth))
    assert stats["contents"] == len(set(truth.values()))
    for sha in list(truth.values())[:5]:
        holders = {name for (name, _), value in truth.items() if value == sha}
        assert {line["name"] for line in index.stream(f"/v1/sources/{sha}")[0]} == holders
    lines, _ = index.stream("/v1/snapshot")
    told = {(line["node"], line["path"]): line["sha256"] for line in lines if line["op"] == "put"}
    names = {n["node"]: n["name"] for n in nodes}
    assert {(names[node], path): sha for (node, path), sha in told.items()} == truth
    assert not index.out.matching("set aside"), "a snapshot is there whole or not at all"


def killed_again_and_again(fleet, rounds):
    seed = int(os.environ.get("KILLS_SEED", random.randrange(1 << 30)))
    print("KILLS_SEED", seed)
    chance = random.Random(seed)
    index = fleet.index(*KEPT)
    peers = [fleet.peer(index, name=f"peer{i}") for i in range(3)]
    for number in range(rounds):
        folder = f"d{number % 8}"
        changers = [Changer(peer, chance.getrandbits(64), folder) for peer in peers]
        try:
            for _ in range(1 if chance.random() < 0.8 else 2):  # the second while it is starting
                changers[0].stopped.wait(chance.choice((0.002, 0.05, 0.3)) * chance.random())
                index.kill()
                changers[0].stopped.wait(0.05 * chance.random())
                index.restart()
            changers[0].stopped.wait(0.1 * chance.random())
        finally:
            for changer in changers:
                changer.stop()
        truth = what_peers_have(peers)
        what = f"round {number}: the index answers what the peers have"
        wait_until(lambda t=truth: what_is_answered(index) == t, 15, what)
        wait_until(lambda: all(index.node(peer.name) for peer in peers), 15, "all have spoken")
        check_figures(index, peers, truth)


@pytest.mark.parametrize("world", range(3))
def test_killed_at_any_moment(fleet, world):
    killed_again_and_again(fleet, 6)


@pytest.mark.long
def test_killed_at_any_moment_for_long(fleet):
    killed_again_and_again(fleet, 300)


# --- disks ---


def changes_go_on(index, member, count=20):
    """All that an index does, it does without its disk."""
    for i in range(count):
        assert member.update(put_line(f"more/f{i}")).status == 200
    assert index.offers(member.name) == len(index.files("*"))


def test_what_a_disk_refuses_is_said_once_a_minute(fleet):
    """It is tried again ten times a second here; the clock that intervals are measured with is moved."""
    page = Page(fleet)
    index = fleet.index(*KEPT, "--index.lease", "1h", **page.how)
    (index.state / "snapshot.new").mkdir()
    told = 0
    with Member(index, "m") as member:
        member.joined(offer("a"))
        for ahead_s, more in ((0, 1), (20, 0), (40, 0), (62, 1), (80, 0), (100, 0), (124, 1)):
            page.suspended_for(ahead_s)
            member.joined(offer("a"), offer(f"at-{ahead_s}"))
            told += more
            wait_until(lambda: len(index.out.matching(CANNOT)) >= told, what=f"line {told}")
            changes_go_on(index, member)
            assert len(index.out.matching(CANNOT)) == told, f"after {ahead_s} s"
        silent = [int(n) for n in re.findall(r"that were left out: (\d+)", "\n".join(index.out.matching("left out")))]
        assert len(silent) == 2 and min(silent) > 0, "it was tried meanwhile"
        assert "error" in index.stats()["snapshot"]
        (index.state / "snapshot.new").rmdir()
        member.joined(offer("b"))
        wait_until(lambda: index.stats()["snapshot"].get("behind") == 0, what="it is kept again")
        assert "error" not in index.stats()["snapshot"]


@needs_mount
def test_an_index_on_a_read_only_disk(fleet):
    """Said at the start; nodes join, change and leave as ever."""
    disk = Disk(fleet, "state", "size=1m")
    index = fleet.index(*KEPT, state=disk.path)
    index.stop()
    disk.again("ro")
    index.start()
    peer = fleet.peer(index, {"a.txt": b"alpha"})
    index.wait_file("a.txt", sha256(b"alpha"))
    with Member(index, "m") as member:
        member.joined(offer("b"))
        assert member.update(put_line("c")).status == 200
        assert {f["path"] for f in index.files()} == {"a.txt", "b", "c"}
        assert member.leave().status == 200
    put(peer.share / "d.txt", b"delta", 0)
    index.wait_file("d.txt", sha256(b"delta"))
    assert index.stats()["snapshot"] == {"kept": False, "error": UNWRITABLE}
    assert f"snapshot fault\t{UNWRITABLE}\n" in fleet.ok("status", index=index).out
    peer.stop()
    index.stop()
    assert len(index.out.matching(r"\bwarn\b.*(state|disk)")) == 1, index.report()


@needs_mount
def test_what_is_read_only_is_said_once_a_minute(fleet):
    """From the start on, as long as there is something that is not kept."""
    page = Page(fleet)
    disk = Disk(fleet, "state", "size=1m,ro")
    index = fleet.index(*KEPT, "--index.lease", "1h", state=disk.path, **page.how)
    with Member(index, "m") as member:
        member.joined(offer("a"))
        for ahead_s, told in ((0, 0), (40, 0), (62, 1), (100, 1), (124, 2)):
            page.suspended_for(ahead_s)
            member.joined(offer("a"), offer(f"at-{ahead_s}"))
            wait_until(lambda: len(index.out.matching(CANNOT)) >= told, what=f"line {told}")
            changes_go_on(index, member)
            assert len(index.out.matching(CANNOT)) == told, f"after {ahead_s} s"
    assert all(UNWRITABLE in line for line in index.out.matching(CANNOT))
    assert len(index.out.matching(r"warn +node: .*state folder")) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's process needs root")
def test_a_state_folder_that_loses_its_rights(fleet):
    """While the index runs, what lies there is read-only from one moment to the next."""
    user = pwd.getpwnam("nobody").pw_uid
    state = fleet.folder("state")
    os.chown(state, user, -1)
    index = fleet.index(*KEPT, state=state, user=user)
    with Member(index, "m") as member:
        member.joined(offer("a"))
        wait_until(lambda: index.stats()["snapshot"].get("behind") == 0, what="it is kept")
        os.chmod(state, 0o500)
        changes_go_on(index, member)
        index.wait_log(f"warn +index: the directory {CANNOT}")
        assert "error" in index.stats()["snapshot"]
        os.chmod(state, 0o700)
        changes_go_on(index, member)
        wait_until(lambda: index.stats()["snapshot"].get("behind") == 0, what="it is kept again")
    assert len(index.out.matching(CANNOT)) == 1
    index.kill()
    index.restart()
    index.wait_log("read 1 nodes with 21 offers from disk")
    assert len(index.files("more/")) == 20


# --- the wall clock ---


@pytest.mark.once
def test_a_clock_that_jumps_is_nothing_to_indexes(fleet):
    """Leases, feed, snapshots, mirrors and open connections go on as if nothing had happened."""
    pages = [Page(fleet, f"page{i}") for i in range(2)]
    how = (*KEPT, "--index.lease", "6s")
    first = fleet.index(*how, name="first", **pages[0].how)
    second = fleet.index(*how, "--index.mirrors", first.address, name="second", **pages[1].how)
    peer = fleet.peer(first, {"a.bin": b"alpha"})
    second.wait_file("a.bin", sha256(b"alpha"))
    node = first.node("kitchen")["node"]
    with Feed(second) as feed, Member(first, "m") as member:
        member.joined(offer("x.bin"))
        for i, ahead_s in enumerate((TO_1970, 5 * YEARS, -YEARS, 0, TO_1970)):
            for page in (pages, pages[:1], pages[1:])[i % 3]:
                page.move_clock(ahead_s)
            put(peer.share / f"n{i}.bin", b"new", 0)
            feed.until(lambda line, i=i: line.get("path") == f"n{i}.bin")
            assert member.alive().status == 200, "the session lives, and its answer comes in time"
            wait_until(lambda: offered(first) == offered(second) and len(offered(first)) == 2)
            for index in (first, second):
                wait_until(lambda x=index: x.stats()["snapshot"].get("behind") == 0, what="kept")
                figures = index.stats()
                assert 0 <= figures["snapshot"]["age_ms"] < 60_000
                assert 0 <= figures["uptime_ms"] < 600_000
                assert figures["lost"] == figures["leaves"] == 0
                assert all(0 <= n["age_ms"] < 60_000 for n in index.nodes())
            assert second.stats()["mirrors"][0]["state"] == "in step"
    assert first.node("kitchen")["node"] == node and first.node("kitchen")["epoch"] == 1
    before = offered(first).get(node)
    pages[0].move_clock(10 * YEARS)
    first.kill()
    first.restart()
    first.wait_log("read [12] nodes with .* offers from disk")
    first.wait_node("kitchen", deadline=15)
    assert offered(first).get(node) == before and first.stats()["joins"] == 0
