# SPDX-License-Identifier: MIT
"""How nodes come and go: leave, a cut connection, a process that stands still, an index that dies
and is started again."""

import re
import signal
import socket
import time

import pytest

from chains import sha256
from feed import offered
from fleet import SLOW, free_port, wait_until
from holder import FakeIndex, Holder
from wire import Member, offer


@pytest.mark.parametrize("number,codes", [(signal.SIGTERM, (0,)), (signal.SIGINT, (0, 130))])
def test_a_peer_leaves_when_it_is_ended(fleet, number, codes):
    index = fleet.index()
    peer = fleet.peer(index, {"a.txt": b"alpha"})
    index.wait_file("a.txt")
    peer.wait_log(r"info +peer: joined")
    peer.send(number)
    assert peer.ended() in codes
    assert (
        index.file("a.txt") is None and index.node("kitchen") is None
    ), "it said so before it went"
    index.wait_log(r"info +index: .*kitchen.*left", 2)


def test_a_killed_peer_is_gone_at_once(fleet):
    """Its connection drops, nobody listens at its address: no lease is waited for."""
    index = fleet.index()
    peer = fleet.peer(index, {"a.txt": b"alpha"})
    fleet.peer(index, {"a.txt": b"alpha"}, name="cellar")
    index.wait_file("a.txt", node="kitchen")
    index.wait_file("a.txt", node="cellar")
    peer.kill()
    index.wait_gone("a.txt", node="kitchen", deadline=15)
    assert index.node("kitchen") is None
    (source,), _ = index.stream(f"/v1/sources/{sha256(b'alpha')}")
    assert source["name"] == "cellar"
    index.wait_log(r"index: .*kitchen.*(lost|gone)", 2)


def test_killed_peers_are_gone_within_a_second(fleet):
    """From the kill to the first search that does not find them; a machine that is busy may miss it
    now and then."""
    index = fleet.index()
    names = [f"kitchen{i}" for i in range(5)]
    peers = [fleet.peer(index, {f"{name}.txt": b"alpha"}, name=name) for name in names]
    for peer in peers:
        index.wait_file(f"{peer.name}.txt", sha256(b"alpha"))
    took = []
    for peer in peers:
        began = time.monotonic()
        peer.kill()
        wait_until(lambda p=peer: not index.files(f"{p.name}.txt"), what=f"{peer.name} is gone")
        took.append(time.monotonic() - began)
    assert sorted(took)[2] < SLOW, took
    assert index.stats()["lost"] == 5 and index.files("*") == []


def test_a_stopped_peer_is_gone_after_its_lease_and_comes_back(fleet):
    """A stopped process keeps its connections, as one does whose machine has lost its power: only an
    application's message is a sign of life. It comes back with one join."""
    index = fleet.index("--index.lease", "3s")
    files = {"a.txt": b"alpha", **{f"f{i}": b"%d" % i for i in range(50)}}
    peer = fleet.peer(index, files)
    before = {index.wait_node("kitchen")["node"]: {path: sha256(data) for path, data in files.items()}}
    wait_until(lambda: offered(index) == before, what="all of it")
    joins = index.stats()["joins"]
    peer.send(signal.SIGSTOP)
    last_word = time.monotonic() - index.node("kitchen")["age_ms"] / 1000
    index.wait_gone("a.txt", deadline=8)
    took = time.monotonic() - last_word
    assert 2.8 < took < 3 + SLOW, f"gone {took:.1f} s after its last word: the lease is 3 s"
    assert offered(index) == {} and index.node("kitchen") is None
    peer.send(signal.SIGCONT)
    wait_until(lambda: offered(index) == before, what="all of it is back")
    assert index.stats()["joins"] == joins + 1


def test_a_member_that_falls_silent_is_gone_after_its_lease(fleet):
    index = fleet.index("--index.lease", "3s")
    with socket.create_server(("127.0.0.1", 0)) as mute, Member(
        index, port=mute.getsockname()[1]
    ) as member:
        began = time.monotonic()
        member.joined(offer("silent.bin"))
        index.wait_gone("silent.bin", deadline=8)
        assert time.monotonic() - began > 2.8


def test_a_dropped_connection_of_a_living_node_is_forgiven(fleet):
    """A short break of the network: the node answers when it is asked back, so its offers stay."""
    index = fleet.index("--index.lease", "9s")
    holder = fleet.own(Holder(index, b"blip", "blip", "blip.bin"))
    before = len(holder.requests)
    holder.member.link.socket.shutdown(socket.SHUT_RDWR)
    holder.member.close()
    wait_until(lambda: "GET /v1/stats" in holder.requests[before:], what="the index asks back")
    with Member(index, token=holder.member.token, port=holder.member.port) as again:
        again.seq = 1
        assert again.alive().status == 200, "no new join is needed"
        assert index.file("blip.bin")["node"] == again.id


def test_the_index_is_killed_and_started_again(fleet):
    index = fleet.index("--index.lease", "3s")
    for name in ("kitchen", "cellar"):
        fleet.peer(index, {f"{name}.txt": name.encode()}, name=name)
        index.wait_file(f"{name}.txt")
    index.kill()
    index.restart()
    for name in ("kitchen", "cellar"):
        index.wait_file(f"{name}.txt", sha256(name.encode()), deadline=15)
    (fleet.root / "share-cellar/new.txt").write_bytes(b"new")
    index.wait_file("new.txt", sha256(b"new"))


def test_a_change_while_the_index_was_away(fleet):
    index = fleet.index()
    peer = fleet.peer(index, {"a.txt": b"alpha", "b.txt": b"beta"})
    index.wait_file("b.txt")
    index.stop()
    (peer.share / "a.txt").write_bytes(b"changed")
    (peer.share / "b.txt").unlink()
    index.restart()
    index.wait_file("a.txt", sha256(b"changed"), deadline=15)
    index.wait_gone("b.txt")


def test_a_peer_waits_for_its_index(fleet):
    """It says so once, shares meanwhile, and joins when the index is there."""
    port = free_port()
    peer = fleet.peer(f"127.0.0.1:{port}", {"a.txt": b"alpha"})
    peer.wait_log(rf"(warn|info) .*127\.0\.0\.1:{port}")
    wait_until(
        lambda: peer.get("/download/a.txt?own=1").status == 200, what="shared without an index"
    )
    fake = fleet.own(FakeIndex(port, lambda path, first: (503, {"error": "busy", "hint": ""})))
    fake.wait_post("/v1/join")
    fake.close()
    index = fleet.index(listen=f"127.0.0.1:{port}")
    index.wait_file("a.txt", sha256(b"alpha"), deadline=20)
    said = peer.out.matching(rf"warn .*127\.0\.0\.1:{port}")
    assert len(said) <= 2, f"once for each reason: {said}"


def test_a_peer_keeps_its_id_and_raises_its_epoch(fleet):
    index = fleet.index()
    peer = fleet.peer(index, {"a.txt": b"alpha"})
    first = index.wait_node("kitchen")
    peer.restart()
    second = wait_until(
        lambda: (n := index.node("kitchen")) and n["epoch"] > first["epoch"] and n,
        what="a later epoch",
    )
    assert second["node"] == first["node"] == peer.get("/v1/stats").header("p2p-node")
    assert second["epoch"] == first["epoch"] + 1
    peer.kill()
    peer.restart()
    third = wait_until(
        lambda: (n := index.node("kitchen")) and n["epoch"] > second["epoch"] and n,
        what="a later epoch",
    )
    assert third["node"] == first["node"]
    assert len([n for n in index.nodes() if n["name"] == "kitchen"]) == 1


def test_both_is_one_node(fleet):
    both = fleet.both({"a.txt": b"alpha"})
    peer = fleet.peer(both, {"b.txt": b"beta"})
    both.wait_file("a.txt", sha256(b"alpha"))
    both.wait_file("b.txt", sha256(b"beta"))
    ids = {n["node"] for n in both.nodes()}
    assert len(ids) == 2
    attic = both.node("attic")
    assert (
        attic["role"] == "both"
        and attic["node"] == both.get("/v1/stats").header("p2p-node") == attic["home"]
    )
    assert attic["addresses"] == [both.address]
    assert [f["path"] for f in both.files()].count("a.txt") == 1
    assert fleet.run("get", "a.txt", "-o", fleet.root / "got.txt", index=both).code == 0
    assert (fleet.root / "got.txt").read_bytes() == b"alpha"
    peer.stop()
    assert {f["path"] for f in both.files()} == {"a.txt"}


def test_join_says_what_a_peer_is(fleet):
    """The wire as the peer speaks it."""
    index = fleet.own(FakeIndex())
    peer = fleet.peer(index.address, {"a.txt": b"alpha", "run.sh": b"#!/bin/sh\n"})
    (peer.share / "run.sh").chmod(0o755)
    join = index.wait_post("/v1/join")
    first, *offers = join["lines"]
    assert set(first) == {"v", "epoch", "seq", "port", "name", "role", "addresses"}
    assert (first["v"], first["port"], first["name"], first["role"]) == (
        1,
        peer.port,
        "kitchen",
        "peer",
    )
    assert first["epoch"] >= 1 and first["seq"] >= 1 and first["addresses"] == []
    assert re.fullmatch(r"Bearer [0-9a-f]{64}", join["headers"]["Authorization"])
    assert join["headers"]["Content-Type"] == "application/x-ndjson"
    for line in offers:
        assert (
            set(line) == {"path", "size", "mtime", "mode", "sha256", "kind"}
            and line["kind"] == "owned"
        )
    assert {line["path"] for line in offers} <= {"a.txt", "run.sh"}
    alive = index.wait_post("/v1/alive")
    assert set(alive["lines"][0]) == {"epoch", "seq", "uploads", "rate", "slots"}
    assert alive["headers"]["Content-Type"] == "application/json"
    (peer.share / "a.txt").unlink()
    update = index.wait_post("/v1/update", lambda p: {"op": "del", "path": "a.txt"} in p["lines"])
    assert set(update["lines"][0]) == {"epoch", "seq"} and update["lines"][0]["seq"] > first["seq"]
    peer.stop()
    leave = index.wait_post("/v1/leave")
    assert leave["lines"][0]["seq"] > update["lines"][0]["seq"]
    seqs = [
        p["lines"][0]["seq"]
        for p in index.posts
        if p["path"] in ("/v1/join", "/v1/update", "/v1/leave")
    ]
    assert seqs == list(
        range(seqs[0], seqs[0] + len(seqs))
    ), "each join and update raises seq by one"


def test_a_peer_told_of_a_gap_joins_again(fleet):
    told = []

    def answer(path, first):
        if path != "/v1/update" or told:
            return None
        told.append(first["seq"])
        return 409, {"error": "gap", "hint": "", "epoch": first["epoch"], "seq": first["seq"] - 2}

    index = fleet.own(FakeIndex(answer=answer))
    peer = fleet.peer(index.address, {"a.txt": b"alpha"})
    index.wait_post("/v1/alive")
    (peer.share / "b.txt").write_bytes(b"beta")
    gap = index.wait_post("/v1/update")
    index.wait_post(
        "/v1/join",
        lambda post: post["lines"][0]["seq"] > gap["lines"][0]["seq"]
        and sorted(line["path"] for line in post["lines"][1:]) == ["a.txt", "b.txt"],
    )


def test_a_peer_told_of_a_later_epoch_goes_beyond_it(fleet):
    def answer(path, first):
        if path == "/v1/join" and first["epoch"] < 50:
            return 409, {"error": "older than what is known", "hint": "", "epoch": 50, "seq": 7}
        return None

    index = fleet.own(FakeIndex(answer=answer))
    peer = fleet.peer(index.address, {"a.txt": b"alpha"})
    join = index.wait_post("/v1/join", lambda p: p["lines"][0]["epoch"] > 50)
    assert join["lines"][0]["epoch"] == 51
    peer.restart()
    index.wait_post("/v1/join", lambda p: p["lines"][0]["epoch"] == 52)


def test_a_peer_whose_id_is_in_use_makes_a_new_one(fleet):
    tokens = []

    def answer(path, first):
        return (
            (409, {"error": "id in use", "hint": ""})
            if path == "/v1/join" and len(index.posts) == 0
            else None
        )

    index = fleet.own(FakeIndex(answer=answer))
    fleet.peer(index.address, {"a.txt": b"alpha"})
    index.wait_post("/v1/alive")
    tokens = [p["headers"]["Authorization"] for p in index.posts if p["path"] == "/v1/join"]
    assert len(set(tokens)) == 2, "the first token is another node's"
