# SPDX-License-Identifier: MIT
"""Indexes that follow each other: what one knows all know, breaks of the network heal, nothing dead
comes back, and nodes go on with the next index when theirs is gone."""

import os
import random
import signal
import subprocess
import threading
import time

import pytest

from chains import sha256
from feed import Cable, Feed, offered
from fleet import SLOW, free_port, patience, program, put, wait_until
from island import Island, sh
from mirror import FakeMirror
from wire import Member, content, del_line, offer, put_line

HEALED_S = 5  # after a break mirrors agree within


class Ring:
    """Mirrors with a cable for each direction of each pair."""

    def __init__(self, fleet, count, *args, plain=False):
        self.fleet, self.args = fleet, args
        ports = [free_port() for _ in range(count)]
        self.cables, self.indexes, self.lists = {}, [], []
        for i in range(count):
            others = []
            for j in range(count):
                if i == j:
                    continue
                if plain:
                    others.append(f"127.0.0.1:{ports[j]}")
                    continue
                self.cables[i, j] = fleet.own(Cable(f"127.0.0.1:{ports[j]}"))
                others.append(self.cables[i, j].address)
            self.lists.append(",".join(others))
        for i in range(count):
            self.indexes.append(
                fleet.index(
                    "--index.mirrors",
                    self.lists[i],
                    *args,
                    name=f"index{i}",
                    listen=f"127.0.0.1:{ports[i]}",
                )
            )
        self.wait_in_step()

    def wait_in_step(self, deadline=10):
        for index in self.indexes:
            wait_until(
                lambda: all(m["state"] == "in step" for m in index.stats()["mirrors"]),
                deadline,
                f"{index.name} is in step",
            )

    def part(self, *group):
        """Indexes of the group see each other only, and so do the rest."""
        for (i, j), cable in self.cables.items():
            if (i in group) != (j in group):
                cable.cut()

    def heal(self):
        for cable in self.cables.values():
            cable.heal()

    def wait_agreed(self, wanted=None, deadline=HEALED_S):
        def agreed():
            seen = [offered(index) for index in self.indexes]
            states = [living(index) for index in self.indexes]
            target = seen[0] if wanted is None else wanted
            told[:] = [
                f"{index.name} {node[:8]}: {states[i].get(node)}"
                f" {sorted(target.get(node, {}).items() ^ seen[i].get(node, {}).items())}"
                for i, index in enumerate(self.indexes)
                for node in {**target, **seen[i]}
                if target.get(node, {}) != seen[i].get(node, {})
            ]
            return all(one == target for one in seen) and all(one == states[0] for one in states)

        told = []
        try:
            wait_until(agreed, deadline, "all mirrors know the same")
        except AssertionError:
            print("\n".join(told))
            raise


def living(index):
    return {
        node["node"]: (node["epoch"], node["seq"], node["home"])
        for node in index.nodes()
        if node["state"] != "left"
    }


def offers_of(member, paths):
    return {member.id: {path: offer(path)["sha256"] for path in paths}}


def moved(member, index):
    """The same node on a connection to another index."""
    other = Member(index, member.name, member.port, member.token)
    other.epoch, other.seq = member.epoch, member.seq
    return other


# Rules 1 and 6 (test_rules.py has their words).
def test_what_one_learns_all_know(fleet):
    ring = Ring(fleet, 3, plain=True)
    a, b, c = ring.indexes
    with Member(a, "one") as one, Member(b, "two") as two:
        answer = one.joined(*[offer(f"a{i}") for i in range(30)])
        assert set(answer["indexes"]) == {x.address for x in ring.indexes}
        two.joined(offer("b0"), offer("b1", sha256=None))
        ring.wait_agreed()
        assert len(offered(c)) == 2 and len(offered(c)[one.id]) == 30
        assert one.update(put_line("new"), del_line("a0")).status == 200
        wait_until(lambda: c.file("new") and b.file("new") and not c.file("a0"), 2)
        (record,) = [n for n in c.nodes() if n["node"] == one.id]
        assert record["home"] == answer_id(a) and record["state"] == "active"
        assert (record["epoch"], record["seq"]) == (1, 2)
        assert one.leave().status == 200
        wait_until(lambda: one.id not in offered(b) and one.id not in offered(c), 2)
        assert all(
            [n["state"] for n in x.nodes() if n["node"] == one.id] == ["left"] for x in ring.indexes
        )
        assert sum(x.stats()["joins"] for x in ring.indexes) == 2


def home_of(index, name):
    node = index.node(name)
    return node and node["home"]


def test_who_has_not_spoken_of_its_load_is_not_full(fleet):
    """Not where it joined, nor at another index, which hears of loads once a minute."""
    ring = Ring(fleet, 2, plain=True)
    with Member(ring.indexes[0], "quiet") as quiet:
        quiet.joined(offer("a"))
        for index in ring.indexes:
            wait_until(lambda at=index: at.offers("quiet") == 1, what="it is known")
            assert index.node("quiet")["slots"] == 1


def answer_id(index):
    return index.get("/v1/stats").header("p2p-node")


# Rule 3.
def test_a_mirror_that_comes_late_catches_up(fleet):
    first = fleet.index()
    members = [Member(first, f"m{i}") for i in range(12)]
    for i, member in enumerate(members):
        member.joined(*[offer(f"m{i}/f{k}") for k in range(100 * i)])
    before = offered(first)
    second = fleet.index("--index.mirrors", first.address, name="second")
    second.wait_log("in step with mirror .* 12 nodes fetched")
    assert offered(second) == before
    assert living(second) == living(first)
    for member in members:
        member.close()


def test_how_many_one_address_may_have_is_for_the_home_to_say(fleet):
    """All are let in where they join, from loopback; a mirror that counts less must know them all."""
    first = fleet.index()
    members = [Member(first, f"m{i}") for i in range(12)]
    for member in members:
        member.joined(offer(f"{member.name}/f"))
    how = ("--index.mirrors", first.address, "--node.per_address", 5)
    second = fleet.index(*how, name="second")
    second.wait_log("in step with mirror .* 12 nodes fetched")
    assert offered(second) == offered(first)
    for member in members:
        member.close()


def test_an_index_may_name_itself(fleet):
    port = free_port()
    index = fleet.index("--index.mirrors", f"127.0.0.1:{port}", listen=f"127.0.0.1:{port}")
    wait_until(lambda: [m["state"] for m in index.stats()["mirrors"]] == ["self"])
    with Member(index) as member:
        assert member.joined(offer("a"))["indexes"] == [index.address]


def test_what_is_no_index_is_said_and_not_followed(fleet):
    peer = fleet.peer("127.0.0.1:1", {"a": b"a"})
    index = fleet.index("--index.mirrors", peer.address)
    index.wait_log(f"warn +index: mirror {peer.address} is no index")
    assert index.get("/v1/stats").status == 200


# Rule 1.
def test_a_peer_goes_on_with_the_next_index(fleet):
    """It was told of one only; it learns the other from the join, and takes nothing up again."""
    ring = Ring(fleet, 2, plain=True)
    first, second = ring.indexes
    peer = fleet.peer(first, {"a.txt": b"alpha", "b.txt": b"beta"})
    second.wait_file("b.txt", sha256(b"beta"))

    def indexes():
        rows = fleet.ok("status", "-s", peer.state).rows()
        return [row[1] for row in rows if row[0] == "indexes"]

    assert indexes() == [f"{first.address}, {second.address}"]
    first.kill()
    put(peer.share / "c.txt", b"gamma")
    second.wait_file("c.txt", sha256(b"gamma"))
    assert len(second.files("*.txt")) == 3
    assert second.stats()["joins"] == 0, "an update was enough"
    there = [f"{second.address}, {first.address}"]
    wait_until(lambda: indexes() == there, what="the one where it is now is told first")
    wait_until(lambda: home_of(second, "kitchen") == answer_id(second))
    first.restart()
    wait_until(lambda: offered(first) == offered(second), HEALED_S)
    wait_until(lambda: home_of(first, "kitchen") == answer_id(second), HEALED_S)


def test_no_search_fails_while_one_index_lives(fleet):
    ring = Ring(fleet, 2, plain=True)
    first, second = ring.indexes
    fleet.peer(f"{first.address},{second.address}", {"a.txt": b"alpha"})
    for index in ring.indexes:
        index.wait_file("a.txt", sha256(b"alpha"))
    both = f"{first.address},{second.address}"
    for victim, other in ((first, second), (second, first)):
        victim.kill()
        for _ in range(3):
            assert "a.txt" in fleet.ok("search", "a.txt", index=both).out
            assert "a.txt" in fleet.ok("list", index=both).out
        victim.restart()
        wait_until(lambda: victim.file("a.txt") and other.file("a.txt"))
        ring.wait_in_step()


def test_no_search_fails_while_indexes_are_killed_and_started(fleet):
    """Not in any moment: one that is just back does not say that there is nothing."""
    ring = Ring(fleet, 2, plain=True)
    chance = random.Random()
    fleet.peer(ring.indexes[0], {f"d/{i}.txt": b"%d" % i for i in range(300)})
    for index in ring.indexes:
        index.wait_file("d/299.txt", sha256(b"299"))
    done, ended, faults = [0, 0], threading.Event(), []

    def search(i):
        asked = ",".join(index.address for index in (ring.indexes[i], ring.indexes[1 - i]))
        while not ended.is_set():
            result = fleet.run("search", "d/299.txt", index=asked)
            if result.code != 0 or result.out.count("\n") != 1:
                faults.append(result)
            done[i] += 1

    threads = [threading.Thread(target=search, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(8):
            victim = ring.indexes[turn % 2]
            victim.kill()
            before = done[turn % 2]
            if chance.random() < 0.5:
                wait_until(lambda n=before, i=turn % 2: done[i] > n + 2, what="the other was asked")
            victim.restart()
            ring.wait_in_step()
            wait_until(lambda n=done[turn % 2], i=turn % 2: done[i] > n, what="it was asked")
            victim.wait_file("d/299.txt", sha256(b"299"))
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert not faults, faults[:3]


def test_who_has_just_begun_asks_its_mirrors_first(fleet):
    """Until then it says so and nothing else, so that the next index is asked; it does not wait for
    one that only keeps silent."""
    mirror = fleet.own(FakeMirror())
    mirror.node("n", ["d/a.txt"])
    name = content("d/a.txt")
    doors = ["/v1/search?q=a", f"/v1/search?sha256={name}", "/v1/list", f"/v1/sources/{name}"]
    doors += ["/download/d/a.txt", "/metalink/d/a.txt"]
    for talks in (True, False):
        mirror.talks.clear()
        index = fleet.index("--index.mirrors", mirror.address, name=f"index-{talks}")
        for door in doors:
            reply = index.get(door)
            if reply.status == 503 and "mirrors" in reply.json()["error"]:
                assert reply.header("retry-after") == "1", door
            else:
                assert index.out.matching("is away"), f"{door}: {reply}"
        assert index.get("/v1/stats").status == index.get("/v1/nodes").status == 200
        if talks:
            mirror.talks.set()
            wait_until(lambda x=index: x.stats()["mirrors"][0]["state"] == "in step")
            found = [index.get(door) for door in doors]
            assert [reply.status for reply in found[:4]] == [200] * 4
            assert all(b"d/a.txt" in reply.body for reply in found[:3])
        else:
            index.wait_log("mirror .* is away: no answer in time")
            assert index.files() == []
            mirror.talks.set()


def test_an_index_that_stands_still_is_passed_over(fleet, here):
    """Every command asks the next one when the first says nothing for 300 ms."""
    ring = Ring(fleet, 2, plain=True)
    first, second = ring.indexes
    fleet.peer(second, {"a.txt": b"alpha"})
    for index in ring.indexes:
        index.wait_file("a.txt", sha256(b"alpha"))
    both = f"{first.address},{second.address}"
    first.send(signal.SIGSTOP)
    try:
        for command, shows in (
            (["list"], "a.txt"),
            (["search", "a.txt"], "a.txt"),
            (["who", "a.txt"], "kitchen"),
            (["status"], second.stats()["id"]),
            (["get", "a.txt", "-o", here / "got"], sha256(b"alpha")),
        ):
            began = time.monotonic()
            assert shows in fleet.ok(*command, index=both).out
            took = time.monotonic() - began
            assert 0.29 < took < 5 * SLOW, f"{command[0]}: {took:.2f} s"
        assert (here / "got").read_bytes() == b"alpha"
        wait_until(lambda: second.stats()["mirrors"][0]["state"] != "in step", 10)
    finally:
        first.send(signal.SIGCONT)
    ring.wait_in_step()


# Rule 4.
def test_only_the_home_loses_a_node(fleet):
    """The mirror has no word of the node for more than a lease; its home has."""
    ring = Ring(fleet, 2, "--index.lease", "3s")
    a, b = ring.indexes
    with Member(a, "alive") as alive, Member(a, "silent", port=free_port()) as silent:
        alive.joined(offer("x"))
        silent.joined(offer("y"))
        b.wait_file("y")
        end = time.monotonic() + 3.5
        while time.monotonic() < end or a.file("y") or b.file("y"):
            assert alive.alive().status == 200
            assert b.file("x"), "its home hears it"
        assert a.stats()["lost"] == b.stats()["lost"] == 1


# Rule 4.
def test_a_mirror_whose_home_is_silent_judges_itself_and_takes_it_back(fleet):
    ring = Ring(fleet, 2, "--index.lease", "3s")
    a, b = ring.indexes
    with Member(a, "m") as member:
        member.joined(offer("x"), offer("y"))
        b.wait_file("x")
        for cable in ring.cables.values():
            cable.silence()
        began = time.monotonic()
        with Feed(b) as feed:

            def beat_until(condition, deadline):
                end = time.monotonic() + patience(deadline)
                while not condition():
                    assert time.monotonic() < end
                    assert member.alive().status == 200

            beat_until(lambda: b.file("x") is None, 10)
            assert time.monotonic() - began > 1.5, "for a lease it is believed in"
            assert feed.until(lambda line: line["op"] == "lost")[-1]["node"] == member.id
            assert a.file("x")
            ring.heal()
            beat_until(lambda: b.file("x") and b.file("y"), HEALED_S)
            lines = feed.until(lambda line: line["op"] in ("back", "join"))
            assert lines[-1]["op"] == "back" and lines[-1]["node"] == member.id
            assert [line["op"] for line in lines[:-1]] == ["put", "put"]
        assert living(a) == living(b)


# Rule 5.
def test_nothing_dead_comes_back(fleet):
    """It left at one while the other could not hear it."""
    ring = Ring(fleet, 3)
    a, b, c = ring.indexes
    with Member(a, "dead") as dead, Member(b, "living") as alive:
        dead.joined(offer("d"))
        alive.joined(offer("l"))
        ring.wait_agreed()
        ring.part(0)
        assert dead.leave().status == 200
        assert b.file("d") and c.file("d"), "they cannot know"
        ring.heal()
        ring.wait_agreed(offers_of(alive, ["l"]))
        b.restart()
        ring.wait_in_step()
        ring.wait_agreed(None)
        assert all(x.file("d") is None for x in ring.indexes)


# Rules 1 and 4.
def test_a_node_that_moved_while_its_home_was_cut_off(fleet):
    ring = Ring(fleet, 2)
    a, b = ring.indexes
    member = Member(a, "m")
    member.joined(offer("x"), offer("y"))
    ring.wait_agreed()
    ring.part(0)
    first, member = member, moved(member, b)
    assert member.update(put_line("z"), del_line("x")).status == 200
    first.close()
    assert {f["path"] for f in b.files()} == {"y", "z"}
    assert {f["path"] for f in a.files()} <= {"x", "y"}
    ring.heal()
    ring.wait_agreed(offers_of(member, ["y", "z"]))
    assert living(a)[member.id] == (1, 2, answer_id(b))
    with member, moved(member, a) as old:
        assert old.alive().status == 409, "its home is the other one now"
        assert old.update(put_line("w")).status == 200, "with the next number it may come back"
        ring.wait_agreed(offers_of(old, ["y", "z", "w"]))


# Rule 2: a join is a change too, as far as its differences go.
def test_a_restarted_node_is_followed_by_its_differences(fleet):
    ring = Ring(fleet, 2, plain=True)
    a, b = ring.indexes
    with Member(a, "m") as member:
        member.joined(*[offer(f"f{i}") for i in range(500)])
        ring.wait_agreed()
        served = a.stats()["connections"]["bytes_out"]
        state = (2, 1, answer_id(a))
        member.epoch, member.seq = 2, 0
        member.joined(*[offer(f"f{i}") for i in range(1, 501)])
        wait_until(lambda: living(b).get(member.id) == state)
        assert a.stats()["connections"]["bytes_out"] - served < 30000, "not all 500 went over again"
        ring.wait_agreed(offers_of(member, [f"f{i}" for i in range(1, 501)]))


# Rule 1 has this exception: a state that found no room is known by another word.
def test_what_found_no_room_is_incomplete_everywhere(fleet):
    port = free_port()
    small = fleet.index("-m", "4M", name="small", listen=f"127.0.0.1:{port}")
    big = fleet.index("--index.mirrors", small.address, name="big")
    room = int(small.out.wait(r"room for (\d+) offers", 5).group(1))
    with Member(small, "m") as member:
        answer = member.joined(*[offer(f"f{i}", sha256=None) for i in range(room + 500)])
        assert answer["incomplete"] and answer["refused"] > 0
        wait_until(lambda: big.offers("m") == answer["accepted"])
        assert big.node("m")["incomplete"] is True
        assert member.update(put_line("g", sha256=None), del_line("f0")).status == 200
        wait_until(lambda: living(big) == living(small))
        assert big.node("m")["incomplete"] is True


def test_a_broken_line_is_not_followed(fleet):
    """Somebody who is no good mirror: it is left, said once, and tried again."""
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Bad(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, body=b""):
            self.send_response(200)
            self.send_header("P2P-Node", "ab" * 16)
            self.send_header("P2P-Feed", "feed.5")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = answer

        def do_GET(self):
            self.answer(b'{"feed":"feed","n":6,"op":"put","path":"../x"}\n' + b'{"node":"x"}\n')

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Bad)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        index = fleet.index("--index.mirrors", f"127.0.0.1:{server.server_port}")
        index.wait_log("warn +index: mirror .* is away")
        with Member(index) as member:
            member.joined(offer("a"))
            assert [f["path"] for f in index.files()] == ["a"]
        assert len(index.out.matching("is away")) == 1
    finally:
        server.shutdown()
        server.server_close()


class Model:
    """Nodes that do what they like at any index, and what they have."""

    def __init__(self, ring, chance, count):
        self.ring, self.chance = ring, chance
        self.members = [None] * count
        self.tokens = [os.urandom(32).hex() for _ in range(count)]
        self.epochs = [0] * count
        self.offers = [{} for _ in range(count)]

    def _changes(self, i):
        lines = []
        for _ in range(self.chance.randrange(4)):
            path = f"n{i}/f{self.chance.randrange(12)}"
            if self.chance.random() < 0.35:
                self.offers[i].pop(path, None)
                lines.append(del_line(path))
            else:
                name = f"{self.chance.getrandbits(256):064x}"
                self.offers[i][path] = name
                lines.append(put_line(path, sha256=name))
        return lines

    def _join(self, i):
        index = self.chance.choice(self.ring.indexes)
        if self.members[i]:
            self.members[i].close()
        self.epochs[i] += 1
        self.members[i] = Member(index, f"n{i}", token=self.tokens[i])
        self.members[i].epoch = self.epochs[i]
        self._changes(i)
        offers = [offer(path, sha256=name) for path, name in self.offers[i].items()]
        assert self.members[i].join(*offers).status == 200

    def _update(self, i):
        before = dict(self.offers[i])
        reply = self.members[i].update(*self._changes(i))
        if reply.status != 200:
            self.offers[i] = before
            self._join(i)

    def act(self):
        i = self.chance.randrange(len(self.members))
        dice = self.chance.random()
        if not self.members[i] or dice < 0.05:
            self._join(i)
        elif dice < 0.1:
            assert self.members[i].leave().status == 200
            self.members[i].close()
            self.members[i] = None
            self.offers[i] = {}
        elif dice < 0.25:
            before = self.members[i]
            others = [index for index in self.ring.indexes if index is not before.index]
            self.members[i] = moved(before, self.chance.choice(others))
            self._update(i)
            before.close()
        else:
            self._update(i)

    def crash(self):
        """An index goes down and comes back with what it has on disk; those who were there come
        back with an update, as nodes do."""
        index = self.chance.choice(self.ring.indexes)
        if self.chance.random() < 0.5:
            wait_until(lambda: index.stats()["snapshot"].get("behind", 0) == 0)
            index.kill()
        index.restart()
        for i, member in enumerate(self.members):
            if member and member.index is index:
                member.close()
                self.members[i] = moved(member, index)
                self._update(i)

    def wanted(self):
        return {
            member.id: self.offers[i]
            for i, member in enumerate(self.members)
            if member and self.offers[i]
        }

    def close(self):
        for member in self.members:
            if member:
                member.close()


def play(fleet, rounds, steps):
    seed = int(os.environ.get("MIRRORS_SEED", random.randrange(1 << 30)))
    print("MIRRORS_SEED", seed)
    chance = random.Random(seed)
    ring = Ring(fleet, 3, "--index.lease", "1h", "--index.snapshot", "200ms")
    model = fleet.own(Model(ring, chance, 8))
    for _ in range(rounds):
        for _ in range(steps):
            dice = chance.random()
            if dice < 0.04:
                chance.choice(list(ring.cables.values())).cut()
            elif dice < 0.08:
                chance.choice(list(ring.cables.values())).heal()
            elif dice < 0.1:
                ring.part(chance.randrange(3))
            elif dice < 0.106:
                model.crash()
            else:
                model.act()
        ring.heal()
        ring.wait_agreed(model.wanted())


# All rules.
def test_three_mirrors_and_a_model(fleet):
    play(fleet, 6, 250)


@pytest.mark.long
def test_three_mirrors_and_a_model_for_long(fleet):
    play(fleet, 40, 400)


class Sides:
    """A mirror and its peers on each side of a cable, and what all shares hold."""

    def __init__(self, fleet):
        self.hosts = ["10.213.7.1", "10.213.7.2"]
        self.fleet, self.island = fleet, fleet.own(Island(self.hosts))
        self.shares, self.ports = {}, 7751
        mirrors = ",".join(f"{host}:7750" for host in self.hosts)
        how = ("--index.mirrors", mirrors, "--index.lease", "3s")
        self.indexes = [
            fleet.index(*how, name=f"index{i}", listen=f"{host}:7750", prefix=self.island.inside(i))
            for i, host in enumerate(self.hosts)
        ]

    def peer(self, i, name):
        self.ports += 1
        files = {f"{name}/{k}": b"%s %d" % (name.encode(), k) for k in range(15)}
        listen = f"{self.hosts[i]}:{self.ports}"
        home = f"{self.hosts[i]}:7750"
        inside = self.island.inside(i)
        peer = self.fleet.peer(home, files, name=name, prefix=inside, listen=listen)
        self.shares[name] = peer.share
        return peer

    def ends(self, peer):
        peer.stop()
        del self.shares[peer.name]

    def change(self, name, number):
        put(self.shares[name] / name / f"new{number}", os.urandom(9), 0)
        put(self.shares[name] / name / "1", os.urandom(9), 0)
        (self.shares[name] / name / "0").unlink(missing_ok=True)

    def truth(self, names=None):
        return {
            (sha256(path.read_bytes()), "1", path.relative_to(share).as_posix())
            for name, share in self.shares.items()
            for path in share.rglob("*")
            if path.is_file() and (names is None or name in names)
        }

    def know(self, i):
        """Asked from inside its own network: content, holders, name."""
        line = [*self.island.inside(i), program(), "list", "-i", f"{self.hosts[i]}:7750"]
        out = sh(*line, env=self.fleet.environment()).stdout
        rows = [row.split("\t") for row in out.splitlines()]
        return {(row[0], row[2], row[3]) for row in rows}


def breaks(fleet, rounds):
    try:
        sides = Sides(fleet)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespaces here: {error}")
    stays = [sides.peer(i, f"stays{i}") for i in (0, 1)]
    assert all(stays)
    going = sides.peer(0, "goes0")
    for number in range(rounds):
        wait_until(lambda: sides.know(0) == sides.know(1) == sides.truth(), 20, "one directory")
        sides.island.plug(1, "down")
        for name in ("stays0", "stays1"):
            sides.change(name, number)
        sides.ends(going)
        going = sides.peer(1 - number % 2, f"goes{number + 1}")
        here = [{"stays0"}, {"stays1"}]
        here[1 - number % 2].add(going.name)
        wait_until(
            lambda: all(sides.know(i) == sides.truth(here[i]) for i in (0, 1)),
            30,
            "each side by itself, and the other's are given up",
        )
        sides.island.plug(1, "up")
        began = time.monotonic()
        wait_until(lambda: sides.know(0) == sides.know(1) == sides.truth(), HEALED_S, "healed")
        print(f"healed after {time.monotonic() - began:.1f} s")


@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
def test_mirrors_in_a_network_that_breaks(fleet):
    """Real packets that get lost: connections stay and say nothing. On each side peers change, leave
    and join; when the cable is in again both know just what there is within seconds."""
    breaks(fleet, 1)


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
def test_mirrors_in_a_network_that_breaks_again_and_again(fleet):
    breaks(fleet, 8)
