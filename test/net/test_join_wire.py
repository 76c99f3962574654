# SPDX-License-Identifier: MIT
"""What the index takes on the wire, spoken by hand: join, update, alive, leave, the rules of
epoch and seq, and who may use an id. docs/protocol.md is the promise."""

import re
import time

import pytest

from holder import Holder, Resident
from rawhttp import Link, ask
from wire import JSON, Member, content, del_line, ndjson, offer, put_line


@pytest.fixture(scope="module")
def index(module_fleet):
    return module_fleet.index(name="wire")


@pytest.fixture
def member(index, request):
    """A node with a name and paths of its own."""
    with Resident(index, name=re.sub(r"\W", "-", request.node.name)[:60]) as node:
        yield node


def paths(index, member):
    return sorted(f["path"] for f in index.files() if f["node"] == member.id)


def test_join_answer_has_the_fields(index, member):
    answer = member.joined(offer("fields/a.bin"), offer("fields/b.bin", sha256=None))
    assert set(answer) >= {"id", "lease_ms", "feed", "indexes", "accepted", "refused", "incomplete"}
    assert answer["id"] == member.id
    assert answer["lease_ms"] == 30000
    assert isinstance(answer["feed"], str) and answer["feed"]
    assert isinstance(answer["indexes"], list)
    assert (answer["accepted"], answer["refused"], answer["incomplete"]) == (2, 0, False)


def test_join_replaces_the_whole_state(index, member):
    member.joined(offer("r/1"), offer("r/2"), offer("r/3"))
    member.joined(offer("r/2"), offer("r/4"))
    assert paths(index, member) == ["r/2", "r/4"]


def test_update_adds_replaces_and_removes(index, member):
    member.joined(offer("u/1"), offer("u/2", sha256=None))
    reply = member.update(
        put_line("u/3"), del_line("u/1"), put_line("u/2", sha256=content("hashed now"))
    )
    assert reply.status == 200, reply
    assert paths(index, member) == ["u/2", "u/3"]
    assert index.file("u/2")["sha256"] == content("hashed now")
    assert index.node(member.name)["seq"] == 2


def test_update_seq_already_applied_is_ignored(index, member):
    member.joined(offer("s/1"))
    assert member.update(put_line("s/2")).status == 200
    assert member.update_at(1, 2, del_line("s/1")).status == 200, "a retry after a lost answer"
    assert member.update_at(1, 1, del_line("s/1")).status == 200
    assert paths(index, member) == ["s/1", "s/2"]


def test_update_gap_is_told_the_last_seq(index, member):
    member.joined(offer("g/1"))
    reply = member.update_at(1, 3, put_line("g/2"))
    assert reply.status == 409
    assert (reply.json()["epoch"], reply.json()["seq"]) == (1, 1)
    assert reply.error()
    assert paths(index, member) == ["g/1"]
    assert (
        member.update_at(1, 2, put_line("g/2")).status == 200
    ), "the connection and the node live on"


def test_update_of_another_epoch_is_a_gap(index, member):
    member.joined(offer("e/1"))
    reply = member.update_at(2, 1, put_line("e/2"))
    assert reply.status == 409 and reply.json()["epoch"] == 1
    assert paths(index, member) == ["e/1"]


@pytest.mark.parametrize("what", ["update", "alive"])
def test_unknown_node_is_told_to_join(member, what):
    reply = member.update(put_line("x")) if what == "update" else member.alive()
    assert reply.status == 409, reply
    assert reply.error()


def test_join_with_an_older_epoch_is_told_the_last_one(index, member):
    member.epoch, member.seq = 5, 6
    member.joined(offer("old/1"))
    member.epoch, member.seq = 4, 0
    reply = member.join(offer("old/2"))
    assert reply.status == 409
    assert (reply.json()["epoch"], reply.json()["seq"]) == (5, 7)
    assert paths(index, member) == ["old/1"]


def test_join_cut_half_way_changes_nothing(index, member):
    member.joined(offer("half/1"), offer("half/2"))
    body = ndjson(member.node(seq=2), offer("half/2"), offer("half/3"))
    with Link(index.address) as link:
        link.send_request(
            "POST", "/v1/join", {**member.headers(), "Content-Length": str(len(body) + 100)}, body
        )
    with Link(index.address) as link:
        link.send_request(
            "POST",
            "/v1/join",
            {**member.headers(), "Content-Length": None, "Transfer-Encoding": "chunked"},
        )
        link.send(b"%x\r\n%s\r\n" % (len(body), body))
    assert member.update_at(1, 2, put_line("half/4")).status == 200
    assert paths(index, member) == ["half/1", "half/2", "half/4"]


def test_join_with_a_bad_line_changes_nothing(index, member):
    member.joined(offer("bad/1"))
    reply = member.post("/v1/join", ndjson(member.node(seq=2), offer("bad/2"), b'{"path":'))
    assert reply.status == 400
    assert reply.error()
    assert paths(index, member) == ["bad/1"]


def test_join_in_chunks_of_one_byte(index, member):
    body = ndjson(member.node(seq=1), offer("chunks/ü.bin"))
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    member.link.send_request(
        "POST", "/v1/join", {**member.headers(), "Transfer-Encoding": "chunked"}
    )
    member.link.send(chunks)
    assert member.link.reply().status == 200
    assert paths(index, member) == ["chunks/ü.bin"]


def test_last_line_needs_no_newline(index, member):
    assert member.post("/v1/join", ndjson(member.node(seq=1), offer("end/1"))[:-1]).status == 200
    assert paths(index, member) == ["end/1"]


def test_leave(index, member):
    member.joined(offer("leave/1"))
    assert member.leave().status == 200
    assert paths(index, member) == []
    assert index.node(member.name) is None


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer xyz",
        "Bearer " + "a" * 63,
        "Bearer " + "g" * 64,
        "Basic " + "a" * 64,
        "Bearer " + "a" * 65,
    ],
)
def test_join_needs_a_token(index, header):
    body = ndjson(
        {"v": 1, "epoch": 1, "seq": 1, "port": 9, "name": "x", "role": "peer", "addresses": []}
    )
    headers = {"Content-Type": "application/x-ndjson", "Authorization": header}
    for path in ("/v1/join", "/v1/update"):
        reply = ask(index.address, "POST", path, headers, body)
        assert reply.status in (400, 401), reply
        assert reply.error()


@pytest.mark.parametrize("field", ["epoch", "seq", "port", "name", "role"])
def test_join_missing_field_is_named(member, field):
    reply = member.post("/v1/join", ndjson(member.node(**{field: None})))
    assert reply.status == 400
    assert field in reply.error()


@pytest.mark.parametrize("field", ["path", "size", "sha256"])
def test_offer_missing_field_is_not_taken(index, member, field):
    line = offer("missing.bin")
    del line[field]
    reply = member.join(line)
    assert reply.status == 400 and field in reply.error() or reply.lines()[0]["refused"] == 1, reply
    assert paths(index, member) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"port": "x"},
        {"port": 0},
        {"port": 65536},
        {"port": -1},
        {"port": 7751.5},
        {"epoch": -1},
        {"epoch": "1"},
        {"seq": 1.5},
        {"seq": []},
        {"name": ""},
        {"name": "a b"},
        {"name": "a\nb"},
        {"name": "x" * 64},
        {"name": 5},
        {"name": "a/../b"},
        {"role": "king"},
        {"role": None, "Role": "peer"},
        {"addresses": "127.0.0.1:1"},
        {"addresses": ["not an address"]},
        {"addresses": [1]},
        {"v": "1"},
        {"v": 2},
    ],
    ids=str,
)
def test_join_wrong_types_and_ranges(index, member, fields):
    reply = member.join(offer("types.bin"), **fields)
    assert reply.status == 400, reply
    assert reply.error()
    assert paths(index, member) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"{}",
        b"[]",
        b"null",
        b"5",
        b'"x"',
        b"{",
        b"\xff\xfe",
        b'{"v":1,}',
        b"{'v':1}",
        b'{"v":1}{"v":1}',
        b'{"epoch":1e999}',
        b"[" * 100000,
        b'{"a":' * 50 + b"1" + b"}" * 50,
        b'{"v":NaN}',
        b"// comment\n{}",
        b'{"name":"' + b"x" * 5000 + b'"}',
        b"\xef\xbb\xbf{}",
    ],
    ids=lambda b: repr(b[:16]),
)
def test_join_bad_json(index, member, body):
    reply = member.ask_apart("/v1/join", body)
    assert reply.status in (400, 413), reply
    assert reply.error()


def test_unknown_fields_are_ignored(index, member):
    extra = {"future": {"deep": [1, {"x": None}]}, "end": False}
    member.joined({**offer("future.bin"), **extra}, future=extra)
    assert paths(index, member) == ["future.bin"]


@pytest.mark.parametrize(
    "size", [-1, 2**53, 2**63, 2**64, 1e300, 1.5, "5", None, True, [], {}], ids=str
)
def test_offer_bad_size(index, member, size):
    reply = member.join(offer("size.bin", size=size), offer("good.bin"))
    assert reply.status == 400 or (reply.status == 200 and reply.lines()[0]["refused"] == 1), reply
    assert "size.bin" not in paths(index, member)


def test_offer_of_the_largest_size(index, member):
    member.joined(offer("largest.bin", size=2**53 - 1), offer("empty.bin", size=0))
    assert index.file("largest.bin")["size"] == 2**53 - 1
    assert index.file("empty.bin")["size"] == 0


@pytest.mark.parametrize(
    "sha256", ["", "a" * 63, "a" * 65, "g" * 64, 5, [], "a" * 63 + "\u00e9"], ids=str
)
def test_offer_bad_content(index, member, sha256):
    line = offer("content.bin", sha256=None)
    line["sha256"] = sha256
    reply = member.join(line)
    assert reply.status == 400 or (reply.status == 200 and reply.lines()[0]["refused"] == 1), reply
    assert paths(index, member) == []


def test_same_path_twice_is_one_offer(index, member):
    member.joined(
        offer("dup.bin", sha256=content("first")), offer("dup.bin", sha256=content("last"))
    )
    assert [f["sha256"] for f in index.files("dup.bin") if f["node"] == member.id] == [
        content("last")
    ]
    assert index.node(member.name)["offers"] == 1
    assert (
        member.update(
            put_line("dup.bin"), put_line("dup.bin"), del_line("dup.bin"), del_line("dup.bin")
        ).status
        == 200
    )
    assert index.node(member.name)["offers"] == 0


def test_alive_is_held_for_a_third_of_the_lease(fleet):
    index = fleet.index("--index.lease", "6s")
    with Member(index) as member:
        member.joined(offer("held.bin"))
        began = time.monotonic()
        reply = member.alive(uploads=2, rate=1200000, slots=6)
        took = time.monotonic() - began
        assert reply.json() == {"lease_ms": 6000, "hints": []}
        assert 1.5 < took < 5.5, f"held for {took:.2f} s"
        (source,), _ = index.stream(f"/v1/sources/{content('held.bin')}")
        assert (source["uploads"], source["rate"], source["slots"]) == (2, 1200000, 6)


def test_alive_is_answered_when_another_request_follows(index, member):
    member.joined(offer("follow.bin"))
    member.send_alive()
    began = time.monotonic()
    member.seq += 1
    body = ndjson({"epoch": 1, "seq": 2}, put_line("follow-2.bin"))
    member.link.send_request("POST", "/v1/update", member.headers(), body)
    assert member.link.reply().json()["hints"] == []
    assert member.link.reply().status == 200
    assert time.monotonic() - began < 8, "the lease is 30 s, a third of it 10"
    assert paths(index, member) == ["follow-2.bin", "follow.bin"]


def test_second_user_of_a_living_id_is_refused(index, module_fleet):
    holder = module_fleet.own(Holder(index, b"living", "living", "living.bin"))
    thief = Member(index, "thief", port=10, token=holder.member.token)
    with thief:
        thief.epoch = 9
        reply = thief.join(offer("stolen.bin"))
        assert reply.status == 409 and "id in use" in reply.error(), reply
    assert index.file("living.bin")["node"] == holder.member.id
    assert index.file("stolen.bin") is None
    assert index.node("living") and index.node("thief") is None


def test_id_is_free_again_when_its_user_has_gone(fleet):
    index = fleet.index()
    holder = Holder(index, b"going", "going", "going.bin")
    holder.close()
    index.wait_gone("going.bin")
    with Member(index, "heir", token=holder.member.token) as heir:
        heir.epoch = 2
        heir.joined(offer("heir.bin"))
    assert heir.id == holder.member.id


def test_post_kinds(index, member):
    table = [
        ("/v1/join", JSON),
        ("/v1/update", JSON),
        ("/v1/alive", "application/x-ndjson"),
        ("/v1/leave", "text/plain"),
        ("/v1/join", "application/x-www-form-urlencoded"),
        ("/v1/join", "application/x-ndjsonx"),
    ]
    for path, kind in table:
        reply = member.ask_apart(path, b"{}\n", kind)
        assert reply.status == 415, (path, kind, reply)
        assert reply.error()
    kind = "application/x-ndjson; charset=utf-8"
    assert member.ask_apart("/v1/join", ndjson(member.node(seq=1)), kind).status == 200
