# SPDX-License-Identifier: MIT
"""The six rules by which mirrors agree, one by one. Each index here follows a mirror that does just
what the test says, or real ones. What holds of all of them together is test_mirrors.py's and
test/unit/test_mirrors.c's, where nodes and networks do as they like."""

import time

import pytest

from feed import Feed, offered
from fleet import free_port, patience, wait_until
from mirror import FakeMirror
from test_mirrors import Ring, answer_id, living, moved, offers_of
from wire import Member, del_line, offer, put_line


@pytest.fixture
def mirror(fleet):
    return fleet.own(FakeMirror())


def follower(fleet, mirror, *args):
    index = fleet.index("--index.mirrors", mirror.address, *args)
    wait_until(lambda: index.stats()["mirrors"][0]["state"] == "in step")
    return index


def paths(index, node):
    return sorted(f["path"] for f in index.files("*") if f["node"] == node)


def state_of(index, node):
    return next((n["epoch"], n["seq"]) for n in index.nodes() if n["node"] == node)


# Rule 1: (epoch, seq) is raised by each join and update, whichever index gets it; where it is the
# same the offers are, and what is lower is out of date.
def test_one_number_for_all_indexes(fleet):
    ring = Ring(fleet, 2)
    a, b = ring.indexes
    member = Member(a, "m")
    member.joined(offer("one"), offer("two"))
    ring.wait_agreed(offers_of(member, ["one", "two"]))
    ring.part(0)
    for step, index in enumerate((b, b, b)):
        if member.index is not index:
            first, member = member, moved(member, index)
        assert member.update(put_line(f"at-b-{step}")).status == 200
    assert state_of(b, member.id) == (1, 4) and state_of(a, member.id) == (1, 1)
    for epoch, seq in ((1, 1), (1, 0), (0, 9)):
        assert first.update_at(epoch, seq, put_line("late")).status in (200, 400, 409)
    assert "late" not in paths(a, member.id)
    ring.heal()
    ring.wait_agreed(offers_of(member, ["one", "two", *[f"at-b-{i}" for i in range(3)]]))
    assert living(a)[member.id] == living(b)[member.id] == (1, 4, answer_id(b))
    first.close()
    member.close()


# Rule 2: a mirror applies only the next seq; what leaves a gap makes it fetch that node whole.
def test_only_the_next_change_is_applied(fleet, mirror):
    node = mirror.node("n", ["a"])
    other = mirror.node("other", ["o"])
    index = follower(fleet, mirror)
    wait_until(lambda: paths(index, node) == ["a"] and paths(index, other) == ["o"])
    mirror.asked.clear()

    mirror.node("n", ["a", "b"], node=node, seq=2)
    mirror.tell_put(node, 1, 2, "b")
    wait_until(lambda: paths(index, node) == ["a", "b"])
    assert mirror.fetched() == [] and state_of(index, node) == (1, 2), "the next one"

    mirror.node("n", ["a", "b", "c", "d"], node=node, seq=4)
    mirror.tell_put(node, 1, 4, "d")
    wait_until(lambda: paths(index, node) == ["a", "b", "c", "d"], what="c was in the gap")
    assert mirror.fetched() == [node] and state_of(index, node) == (1, 4)

    mirror.tell_put(node, 1, 3, "stale")
    mirror.tell_put(node, 1, 4, "stale")
    mirror.node("other", ["o", "p"], node=other, seq=2)
    mirror.tell_put(other, 1, 2, "p")
    wait_until(lambda: paths(index, other) == ["o", "p"], what="all lines before this one were read")
    assert paths(index, node) == ["a", "b", "c", "d"] and mirror.fetched() == [node]

    mirror.node("n", ["e"], node=node, epoch=2, seq=5)
    mirror.tell_put(node, 2, 5, "e")
    wait_until(lambda: paths(index, node) == ["e"], what="another epoch is a gap too")
    assert mirror.fetched() == [node, node] and state_of(index, node) == (2, 5)

    mirror.node("n", ["e", "f", "g"], node=node, epoch=3, seq=1)
    mirror.tell("put", node, 3, 1, was_epoch=2, was_seq=6, **offer("g"))
    wait_until(lambda: paths(index, node) == ["e", "f", "g"], what="a join on what was not here")
    assert mirror.fetched() == [node] * 3


# Rule 3: when they meet, and after 410, mirrors compare what they know of nodes, and only nodes of
# which the other knows more are fetched.
@pytest.mark.parametrize("gone", [0, 1, 3])
def test_who_comes_back_compares_nodes(fleet, mirror, gone):
    nodes = [mirror.node(f"n{i}", [f"f{i}"]) for i in range(6)]
    index = follower(fleet, mirror)
    wait_until(lambda: len(index.files("*")) == 6)
    assert sorted(mirror.fetched()) == sorted(nodes) and mirror.compared() == 1
    mirror.asked.clear()
    mirror.gone, mirror.n = gone, 1_000_000
    mirror.node("n3", ["f3", "new"], node=nodes[3], seq=7)
    del mirror.nodes[nodes[5]], mirror.offers[nodes[5]]
    mirror.hang_up()
    wait_until(lambda: paths(index, nodes[3]) == ["f3", "new"])
    wait_until(lambda: index.stats()["mirrors"][0]["state"] == "in step")
    wait_until(lambda: sum("/v1/changes?" in path for path in mirror.asked) > gone, what="its feed")
    assert set(mirror.fetched()) == {nodes[3]}, "the others are the same there"
    assert paths(index, nodes[5]) == ["f5"], "that a mirror does not know a node says nothing"
    assert paths(index, nodes[0]) == ["f0"]


# Rule 4: address and liveness belong to the latest join, and only its home judges the lease. What
# others tell makes a node look older, never younger.
@pytest.mark.once
def test_address_and_liveness_are_those_of_the_latest_join(fleet):
    ring = Ring(fleet, 2, "--index.lease", "4s")
    a, b = ring.indexes
    ports = [free_port(), free_port()]
    first = Member(a, "m", port=ports[0])
    first.joined(offer("x"))
    b.wait_file("x")
    second = Member(b, "m", port=ports[1], token=first.token)
    second.epoch = 2
    first.close()
    wait_until(lambda: not a.files("*"), what="gone from a")
    second.joined(offer("x"), offer("y"))
    with second:
        for index in (a, b):
            index.wait_file("y")
            (node,) = [n for n in index.nodes() if n["node"] == second.id]
            assert node["addresses"] == [f"127.0.0.1:{ports[1]}"] and node["home"] == answer_id(b)
        end = time.monotonic() + 4.5
        while time.monotonic() < end:
            assert second.alive().status == 200
            assert a.file("y"), "the lease that a had of it is nothing any more"


@pytest.mark.once
def test_hearsay_makes_nobody_younger(fleet):
    """One does not hear the home any more, then it is gone for good. The others compare what they
    know again and again: a lease after its last word to any of them the node is given up for good."""
    ring = Ring(fleet, 3, "--index.lease", "3s")
    home, near, far = ring.indexes
    with Member(home, "m", port=free_port()) as member:
        member.joined(offer("x"))
        ring.wait_agreed()
        ring.cables[2, 0].cut()
        end = time.monotonic() + patience(15)
        while far.stats()["lost"] == 0:
            assert member.alive().status == 200 and time.monotonic() < end
        assert near.file("x"), "the near one hears it"
        home.kill()
        assert near.file("x"), "its lease has begun less than a second ago"

        def compared():
            for pair in ((1, 2), (2, 1)):
                ring.cables[pair].heal()  # a new connection, on which all is compared
            for index in (near, far):
                wait_until(lambda x=index: "in step" in [m["state"] for m in x.stats()["mirrors"]])
            return near.files("*") + far.files("*")

        wait_until(lambda: not compared(), what="both give it up")
        assert [compared() for _ in range(5)] == [[]] * 5, "and do not take it from each other"


@pytest.mark.once
def test_a_mirror_keeps_nobody_alive(fleet, mirror):
    """It says again and again that a node of a home that nobody hears spoke just now. A lease after
    the first time the node is given up, and comes back neither then nor when its tombstone would
    end; a later word of the node counts."""
    lease_s = 1.5
    node = mirror.node("n", ["a"], home="ab" * 16)
    index = follower(fleet, mirror, "--index.lease", "1500ms")
    wait_until(lambda: paths(index, node) == ["a"])

    def told_again():
        before = mirror.compared()
        mirror.hang_up()
        wait_until(lambda: mirror.compared() > before, what="it is told of the node again")
        wait_until(lambda: index.stats()["mirrors"][0]["state"] == "in step")
        return paths(index, node)

    wait_until(lambda: told_again() == [], what="hearsay makes it no younger")
    gone = time.monotonic()
    while time.monotonic() - gone < 4 * lease_s:
        assert told_again() == []
    assert mirror.fetched() == [node] and index.stats()["lost"] == 1
    mirror.node("n", ["a", "b"], node=node, seq=2, home="ab" * 16)
    mirror.hang_up()
    wait_until(lambda: paths(index, node) == ["a", "b"], what="a later state is news")


# Rule 5: a leave is a record with its number, kept for two leases, so that nothing dead returns.
@pytest.mark.once
def test_a_leave_stays_for_two_leases(fleet, mirror):
    node = mirror.node("n", ["a"], seq=3)
    index = follower(fleet, mirror, "--index.lease", "3s")
    wait_until(lambda: paths(index, node) == ["a"])
    about = {k: v for k, v in mirror.nodes[node].items() if k not in ("node", "epoch", "seq")}
    began = time.monotonic()
    mirror.tell("leave", node, 1, 4, **{**about, "state": "left"})
    wait_until(lambda: paths(index, node) == [])
    mirror.tell_put(node, 1, 3, "late")
    mirror.tell_put(node, 1, 4, "late")
    for _ in range(3):
        before = mirror.compared()
        mirror.hang_up()
        wait_until(lambda n=before: mirror.compared() > n, what="it hears of the living node again")
        wait_until(lambda: index.stats()["mirrors"][0]["state"] == "in step")
        assert paths(index, node) == [], "an older state of it is no news"
        assert state_of(index, node) == (1, 4)
    del mirror.nodes[node]
    wait_until(lambda: node not in [n["node"] for n in index.nodes()], what="the record ends")
    assert time.monotonic() - began > 5.8
    mirror.node("n", ["back"], node=node, seq=5)
    mirror.hang_up()
    wait_until(lambda: paths(index, node) == ["back"], what="a later word of it counts")


# Rule 6: what was applied is passed on, and only that: in a triangle each change is in each feed
# once. Feed names are new at each start.
def test_each_change_goes_round_once(fleet):
    ring = Ring(fleet, 3, plain=True)
    a, b, c = ring.indexes
    with Member(a, "m") as m, Member(b, "n") as n, Feed(a) as at_a, Feed(b) as at_b, Feed(c) as at_c:
        m.joined(offer("m0"))
        n.joined(offer("n0"))
        for i in range(1, 20):
            assert m.update(put_line(f"m{i}")).status == 200
            assert n.update(put_line(f"n{i}"), del_line(f"n{i - 1}")).status == 200
        ring.wait_agreed({**offers_of(m, [f"m{i}" for i in range(20)]), **offers_of(n, ["n19"])})
        for index, feed in zip(ring.indexes, (at_a, at_b, at_c)):
            lines = feed.lines(index.stats()["feed"]["n"])
            puts = [(x["node"], x["path"]) for x in lines if x["op"] == "put"]
            assert len(puts) == len(set(puts)) == 40
            assert sum(x["op"] == "del" for x in lines) == 19
            assert [x["n"] for x in lines] == list(range(lines[0]["n"], lines[0]["n"] + len(lines)))
        ends = [index.stats()["feed"]["n"] for index in ring.indexes]
        assert max(ends) - min(ends) <= 4, "joins may be told once more when the address is checked"
    names = {index.stats()["feed"]["id"] for index in ring.indexes}
    c.restart()
    assert len(names | {c.stats()["feed"]["id"]}) == 4


def test_what_was_not_applied_is_not_passed_on(fleet, mirror):
    node = mirror.node("n", ["a"], seq=5)
    index = follower(fleet, mirror)
    wait_until(lambda: paths(index, node) == ["a"])
    with Feed(index) as feed:
        mirror.tell_put(node, 1, 4, "old")
        mirror.tell_put(node, 1, 5, "same")
        mirror.node("n", ["a", "new"], node=node, seq=6)
        mirror.tell_put(node, 1, 6, "new")
        line = feed.line()
        assert (line["path"], line["seq"]) == ("new", 6), "the first that came"
        assert line["feed"] != mirror.feed
    assert offered(index)[node].keys() == {"a", "new"}
