# SPDX-License-Identifier: MIT
"""What an operator sees of an index: p2p status, /v1/stats and /v1/nodes, figure by figure."""

import json
import re
import threading

import pytest

from feed import Cable, Feed
from fleet import free_port, wait_until
from holder import Handler, Server
from mirror import FakeMirror
from rawhttp import Link
from wire import JSON, Member, content, del_line, offer, put_line

HEX32 = re.compile("[0-9a-f]{32}")


@pytest.fixture(scope="module")
def index(module_fleet):
    return module_fleet.index()


def shown(fleet, index):
    """p2p status in a pipe: the labels, and the lines of nodes."""
    rows = fleet.ok("status", index=index).rows()
    assert all(len(row) == 2 for row in rows), rows
    labels = {row[0]: row[1] for row in rows if row[0] != "node"}
    return labels, [row[1] for row in rows if row[0] == "node"]


def counted(index, *keys):
    stats = index.stats()
    return [stats[key] for key in keys]


def leave_behind_a_heartbeat(member):
    """The held answer comes because another request does."""
    member.seq += 1
    line = json.dumps({"epoch": member.epoch, "seq": member.seq}).encode()
    member.link.send_request("POST", "/v1/leave", member.headers(JSON), line)
    assert [member.link.reply().status, member.link.reply().status] == [200, 200]


def test_a_node_with_all_that_is_known_of_it(fleet, index):
    with Member(index, "shed", port=free_port()) as member:
        member.joined(offer("a.bin"), offer("b.bin"))
        member.send_alive(uploads=2, rate=3 << 20, slots=6)
        line = wait_until(lambda: (n := index.node("shed")) and n["uploads"] and n, what="its load")
        assert line["node"] == member.id and line["role"] == "peer" and line["state"] == "active"
        assert (line["epoch"], line["seq"], line["offers"]) == (1, 1, 2)
        assert line["addresses"] == [f"127.0.0.1:{member.port}"]
        assert line["home"] == index.stats()["id"] and HEX32.fullmatch(line["home"])
        assert (line["uploads"], line["rate"], line["slots"]) == (2, 3 << 20, 6)
        assert 0 <= line["age_ms"] < 10_000 and line["incomplete"] is False
        wait_until(lambda: index.node("shed")["age_ms"] > line["age_ms"], what="its silence")
        text = next(text for text in shown(fleet, index)[1] if text.startswith("shed "))
        name, short, role, at, state, *_ = text.split()
        assert (name, short, role, state) == ("shed", member.id[:8], "peer", "active")
        assert at == f"127.0.0.1:{member.port}"
        assert text.endswith(", epoch 1.1, 2 offers, 2 uploads, 6 free, 3.0 MiB/s"), text
        (document,) = fleet.json("status", index=index)
        (same,) = [one for one in document["members"] if one["node"] == member.id]
        assert {**same, "age_ms": 0, "reachable": 0} == {**line, "age_ms": 0, "reachable": 0}
        assert document["id"] == line["home"]
        leave_behind_a_heartbeat(member)
    assert [n["state"] for n in index.nodes() if n["name"] == "shed"] == ["left"]
    assert not [text for text in shown(fleet, index)[1] if text.startswith("shed ")]


def test_a_peer_tells_its_load(fleet):
    """While it uploads, not only in answers that tests make up; and sources name it behind a free one."""
    index = fleet.index("--index.lease", "3s")
    how = ("--transfer.upload_limit", "512K/s", "--transfer.uploads", 2)
    peer = fleet.peer(index, {"big.bin": bytes(4 << 20)}, *how)
    index.wait_file("big.bin")

    def is_free():
        node = index.node("kitchen")
        return node and node["slots"] == 2

    wait_until(is_free, what="it says so")
    with Link(peer.address) as link:
        link.send_request("GET", "/download/big.bin?own=1")
        assert link.head().status == 200
        busy = wait_until(lambda: (n := index.node("kitchen")) and n["rate"] and n, what="a rate")
        assert (busy["uploads"], busy["slots"]) == (1, 1) and busy["rate"] < 4 << 20
    wait_until(is_free, what="it is free again")


def test_load_orders_the_sources(index):
    """The one with free slots first, among those the faster; and it changes with the next heartbeat."""
    with Member(index, "one") as one, Member(index, "two") as two:
        for member in (one, two):
            member.joined(offer("wanted.bin"))

        def first():
            lines, _ = index.stream(f"/v1/sources/{content('wanted.bin')}")
            return lines[0]["name"] if len(lines) == 2 else None

        for best, other in ((one, two), (two, one)):
            other.send_alive(uploads=8, slots=0)
            best.send_alive(uploads=1, slots=7)
            wait_until(lambda b=best: index.node(b.name)["slots"] == 7, what="heard")
            wait_until(lambda o=other: index.node(o.name)["slots"] == 0, what="heard")
            assert {first() for _ in range(20)} == {best.name}, "free slots come before all else"


def test_totals_and_how_full_the_tables_are(fleet):
    index = fleet.index("-m", "16M")
    room = index.wait_log(r"room for (\d+) offers, (\d+) nodes")
    with Member(index, "a") as a, Member(index, "b") as b:
        a.joined(*[offer(f"f{i}") for i in range(30)])
        b.joined(*[offer(f"f{i}") for i in range(20)])
        stats = index.stats()
        assert (stats["nodes"], stats["offers"], stats["contents"]) == (2, 50, 30)
        tables = stats["tables"]
        assert tables["offers"]["size"] == int(room.group(1))
        assert tables["nodes"] == {"used": 2, "peak": 2, "size": int(room.group(2))}
        assert (tables["offers"]["used"], tables["contents"]["used"]) == (50, 30)
        assert a.update(*[del_line(f"f{i}") for i in range(30)]).status == 200
        assert b.leave().status == 200
        wait_until(lambda: index.stats()["tables"]["offers"]["used"] == 0, what="all gone")
        stats = index.stats()
        assert (stats["nodes"], stats["offers"], stats["contents"]) == (1, 0, 0)
        assert stats["tables"]["offers"]["peak"] >= 50 and stats["tables"]["contents"]["peak"] == 30
        labels, _ = shown(fleet, index)
        peak = stats["tables"]["offers"]["peak"]
        assert labels["table offers"] == f"0 of {room.group(1)}, at most {peak}"
        assert labels["table nodes"] == f"2 of {room.group(2)}, at most 2", "with one that has left"
        assert (labels["nodes"], labels["offers"]) == ("1", "0")


def test_events_are_counted(fleet):
    index = fleet.index()
    keys = ("joins", "updates", "alives", "leaves", "lost", "lookups", "refused")
    assert counted(index, *keys) == [0] * 7
    with Member(index, "m") as member:
        member.joined(offer("a"))
        assert member.update(put_line("b")).status == 200
        member.send_alive()
        wait_until(lambda: index.stats()["alives"] == 1, what="a heartbeat")
        index.stream(f"/v1/sources/{content('a')}")
        assert index.get("/v1/sources/x").status == 400
        leave_behind_a_heartbeat(member)
    member = Member(index, "dies", port=free_port())
    member.joined(offer("c"))
    member.close()
    wait_until(lambda: index.stats()["lost"] == 1, what="one is lost")
    assert counted(index, *keys) == [2, 1, 1, 1, 1, 1, 1]


def test_the_feeds_number_and_its_readers(fleet):
    index = fleet.index()
    with Member(index, "m") as member:
        member.joined(offer("a"))
        before = index.stats()["feed"]
        assert member.update(put_line("x"), put_line("y")).status == 200
        after = index.stats()["feed"]
        assert after["n"] == before["n"] + 2 and after["id"] == before["id"]
        assert index.get("/v1/changes", method="HEAD").header("p2p-feed") == f"{after['id']}.{after['n']}"
        with Feed(index):
            wait_until(lambda: index.stats()["feed"]["readers"] == 1)
            labels, _ = shown(fleet, index)
            assert (labels["feed number"], labels["feed readers"]) == (str(after["n"]), "1")


def test_searches_and_how_long_they_take(fleet):
    index = fleet.index()
    assert index.stats()["search"] == {"count": 0, "p50_us": 0, "p99_us": 0}
    with Member(index, "m") as member:
        member.joined(*[offer(f"some/long/folder/name-{i}") for i in range(5000)])
        for _ in range(20):
            index.stream("/v1/search?q=name-4&limit=5")
        stats = index.stats()
        assert stats["searches"] == stats["search"]["count"] == 20
        assert 0 < stats["search"]["p50_us"] <= stats["search"]["p99_us"] < 10_000_000
        labels, _ = shown(fleet, index)
        assert labels["searches"] == "20" and int(labels["search p99 us"]) > 0


def test_the_snapshots_age_and_what_was_written(fleet):
    index = fleet.index("--index.snapshot", "100ms")
    with Member(index, "m") as member:
        before = index.stats()
        assert before["snapshot"] == {"kept": True}
        member.joined(*[offer(f"f{i}") for i in range(100)])
        wait_until(lambda: index.stats()["snapshot"].get("behind") == 0, what="it is written")

        def size():
            return (index.state / "snapshot").stat().st_size

        wait_until(lambda: index.stats()["snapshot"]["bytes"] == size(), what="its size")
        stats = index.stats()
        assert 0 <= stats["snapshot"]["age_ms"] < 10_000 and stats["snapshot"]["took_ms"] >= 0
        assert stats["state_bytes_written"] - before["state_bytes_written"] >= size()
        labels, _ = shown(fleet, index)
        assert {"snapshot age", "snapshot", "state written", "written a day"} <= set(labels)


def test_a_mirror_that_is_away_is_seen(fleet):
    first = fleet.index(name="first")
    cable = fleet.own(Cable(first.address))
    second = fleet.index("--index.mirrors", cable.address, name="second")
    wait_until(lambda: second.stats()["mirrors"][0]["state"] == "in step")
    (mirror,) = second.stats()["mirrors"]
    assert mirror["at"] == cable.address and mirror["lag"] == 0 and mirror["heard_ms"] < 10_000
    assert shown(fleet, second)[0]["mirror"] == f"{cable.address} in step, 0 behind"
    cable.cut()
    wait_until(lambda: second.stats()["mirrors"][0]["state"] == "away")
    assert shown(fleet, second)[0]["mirror"].startswith(f"{cable.address} away")


def test_how_far_a_mirror_is_behind(fleet):
    """It says that its feed has gone on, and the lines do not come."""
    mirror = fleet.own(FakeMirror())
    index = fleet.index("--index.mirrors", mirror.address)
    wait_until(lambda: index.stats()["mirrors"][0]["state"] == "in step")
    assert index.stats()["mirrors"][0]["lag"] == 0
    mirror.n += 4
    wait_until(lambda: index.stats()["mirrors"][0]["lag"] == 4, what="the lag")
    assert shown(fleet, index)[0]["mirror"] == f"{mirror.address} in step, 4 behind"


def test_refused_updates_are_counted(fleet, index):
    """Replayed, reordered, of another run, with another's token or none: nothing of them is taken."""
    keys = ("updates", "updates_refused", "updates_ignored", "refused")
    with Member(index, "true") as member, Member(index, "forger") as forger:
        member.joined(offer("a"))
        forger.joined(offer("f"))
        assert member.update(put_line("b")).status == 200
        before = counted(index, *keys)

        def counts():
            return [new - old for new, old in zip(counted(index, *keys), before)]

        for _ in range(3):
            assert member.update_at(1, 2, put_line("replayed")).json()["ignored"] is True
        assert counts() == [0, 0, 3, 0], "a replay: the answer may have been lost"
        late = [put_line("late")]
        assert member.update_at(1, 4, *late).status == 409, "reordered: 4 before 3"
        assert member.update_at(2, 3, *late).status == 409, "a run that did not join"
        assert counts() == [0, 2, 3, 2]
        assert member.update_at(1, 3, put_line("c")).status == 200, "the one that was due"
        assert counts() == [1, 2, 3, 2]
        forger.epoch, forger.seq = 1, 3
        assert forger.update(del_line("a")).status == 409, "what the other knows, with the own token"
        unknown = Member(index, "nobody")
        assert unknown.update_at(1, 4, del_line("a")).status == 409, "a token that never joined"
        unknown.close()
        for token in (None, "", "Bearer", "Bearer " + "0" * 63, "Bearer " + "x" * 64, "Basic " + "0" * 64):
            headers = {"Content-Type": "application/x-ndjson"}
            headers.update({} if token is None else {"Authorization": token})
            body = b'{"epoch":1,"seq":4}\n{"op":"del","path":"a"}\n'
            with Link(index.address) as link:
                assert link.request("POST", "/v1/update", headers, body).status == 401, token
        assert member.post("/v1/update", b'{"epoch":1,"seq":4}\n{"op":"put"}\n').status == 400
        assert counts() == [1, 11, 3, 11]
        assert {f["path"] for f in index.files() if f["node"] == member.id} == {"a", "b", "c"}
        assert index.node("true")["seq"] == 3
        labels, _ = shown(fleet, index)
        assert [labels["updates refused"], labels["updates repeated"]] == [
            str(value) for value in counted(index, *keys[1:3])
        ]


def test_an_index_that_goes_while_it_tells_its_nodes(fleet):
    """The document stays one, and the exit status says that it is not whole."""

    class Half(Handler):
        def do_GET(self):
            if self.path == "/v1/stats":
                self.answer(200, b'{"role":"index","nodes":1}\n')
            else:
                self.cut()

    server = Server(("127.0.0.1", 0), Half)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        result = fleet.run("status", "--json", "-i", f"127.0.0.1:{server.server_port}")
        assert result.code == 1 and "does not tell its nodes" in result.err
        assert json.loads(result.out) == {"role": "index", "nodes": 1, "members": []}
    finally:
        server.stop()
