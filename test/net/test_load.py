# SPDX-License-Identifier: MIT
"""More than there is room for: what does not fit is refused with a reason, what is there stays
right, nothing ends."""

import re
import resource
import select
import threading
import time

import pytest

from chains import sha256
from fleet import SLOW, wait_until
from holder import BusyIndex
from rawhttp import Closed, Link, ask
from wire import Member, content, del_line, ndjson, offer, put_line


def join_stream(index, count, token_of):
    """A join of count offers as one long chunked body; the answer, or None when the index cut it
    short without one."""
    member = Member(index, "flood")
    token_of.append(member)
    member.link.timeout = 100
    member.link.send_request(
        "POST",
        "/v1/join",
        {**member.headers(), "Content-Length": None, "Transfer-Encoding": "chunked"},
    )
    try:
        chunk(member.link, ndjson(member.node(seq=1)))
        for start in range(0, count, 5000):
            rows = [
                b'{"path":"flood/%07d.bin","size":1,"mtime":1,"mode":"","sha256":null,'
                b'"kind":"owned"}\n' % i
                for i in range(start, start + 5000)
            ]
            chunk(member.link, b"".join(rows))
        member.link.send(b"0\r\n\r\n")
    except (BrokenPipeError, ConnectionResetError):
        pass
    try:
        return member.link.reply(timeout=100)
    except Closed:
        return None


def chunk(link, data):
    link.send(b"%x\r\n%s\r\n" % (len(data), data))


def test_a_join_of_a_million_lines_is_bounded(fleet):
    memory_mib = 16
    index = fleet.index("-m", f"{memory_mib}M")
    fleet.peer(index, {"kept.txt": b"kept"})
    index.wait_file("kept.txt", sha256(b"kept"))
    members, replies, waits = [], [], []
    flood = threading.Thread(target=lambda: replies.append(join_stream(index, 1_000_000, members)))
    flood.start()
    while flood.is_alive():
        began = time.monotonic()
        assert index.get("/v1/search?q=kept.txt").status == 200
        waits.append(time.monotonic() - began)
        flood.join(0.05)
    assert sorted(waits)[len(waits) * 9 // 10] < 3 * SLOW, "others are served meanwhile"
    (reply,) = replies
    if reply is not None and reply.status == 200:
        answer = reply.lines()[0]
        assert answer["incomplete"] is True and answer["refused"] > 0
        assert answer["accepted"] + answer["refused"] == 1_000_000
        assert any(n["offers"] == answer["accepted"] for n in index.nodes())
    else:
        assert reply is None or reply.status in (413, 503, 507), reply
    assert index.rss_kib() < (memory_mib + 6) * 1024 * SLOW, "the arena is the bound"
    assert index.file_by_content(sha256(b"kept"))["path"] == "kept.txt"
    (fleet.root / "share-kitchen/kept.txt").unlink()
    wait_until(
        lambda: not index.stream(f"/v1/search?sha256={sha256(b'kept')}")[0],
        what="the small node is still heard",
    )
    members[0].close()
    wait_until(
        lambda: not index.stream("/v1/search?q=flood/&limit=1")[0],
        15,
        "the flood is gone with its node",
    )


def room_of(index):
    """Offers, nodes, connections, as the start line tells them."""
    line = index.wait_log(r"room for (\d+) offers, (\d+) nodes, (\d+) connections")
    return [int(number) for number in line.groups()]


def check_goes_on(index, member, path):
    """What an index does, it does for who is in."""
    found = [index.file_by_content(content(path)), index.files(path)[0]]
    assert [(line["path"], line["node"]) for line in found] == [(path, member.id)] * 2
    assert path in [line["path"] for line in index.stream("/v1/list?limit=10000")[0]]
    (source,), _ = index.stream(f"/v1/sources/{content(path)}")
    assert source["node"] == member.id
    before = index.stats()["alives"]
    member.send_alive()
    wait_until(lambda: index.stats()["alives"] == before + 1, what="its heartbeat")
    member.link.send_request("GET", "/v1/stats")
    assert [member.link.reply().status for _ in range(2)] == [200, 200]


def test_a_full_table_refuses_the_newcomer(fleet):
    """As many offers as the start line says: all of them go in, the next one does not. Who brings
    nothing but such ones is told 507 and what to do; the others go on, and room comes back."""
    index = fleet.index("-m", "4M", "--index.lease", "1h")
    room, _, _ = room_of(index)
    with Member(index, "first") as first, Member(index, "big") as big, Member(index, "late") as late:
        first.joined(offer("first/0"), offer("first/1"))
        rows = [offer(f"d/{i}") for i in range(room - 2)]
        answer = big.joined(*rows[:-1])
        assert (answer["accepted"], answer["refused"]) == (room - 3, 0)
        assert big.update({"op": "put", **rows[-1]}).json()["refused"] == 0
        assert index.stats()["tables"]["offers"]["used"] == index.stats()["offers"] == room
        reply = big.update(put_line("one/more"))
        assert reply.status == 200 and reply.json()["refused"] == 1 and reply.json()["incomplete"]
        reply = late.join(offer("late/0"), offer("late/1"))
        assert reply.status == 507
        assert reply.json() == {
            "error": "no room for any of these offers",
            "hint": "give the index more memory, or share less",
        }
        status = fleet.ok("status", index=index).out
        assert re.search(rf"^node\tbig .*, {room - 2} offers, .*, incomplete$", status, re.M)
        assert re.search(r"^node\tfirst .* free$", status, re.M) and "\noffers refused\t3\n" in status
        index.wait_log(r"warn +index: big .* 1 refused")
        index.wait_log(r"warn +index: refused 127.0.0.1: no room for any of these offers")
        assert index.stats()["offers_refused"] == 3 and index.node("late") is None
        assert index.stats()["offers"] == room, "all that was there is there"
        check_goes_on(index, first, "first/0")
        assert first.update(del_line("first/1")).json()["refused"] == 0
        assert late.joined(offer("late/0"))["refused"] == 0, "room for one"
        check_goes_on(index, late, "late/0")
        assert big.leave().status == 200
        wait_until(lambda: index.stats()["tables"]["offers"]["used"] == 2, what="room again")
        assert late.joined(*rows)["refused"] == 0


def test_more_nodes_than_there_is_room_for(fleet):
    """The last one that the start line has room for gets in, the next one is told 507; everybody is
    heard meanwhile, and has the place of a node that leaves."""
    index = fleet.index("-m", "4M", "--index.lease", "1h")
    _, room, connections = room_of(index)
    assert room < connections
    members = []
    try:
        for i in range(room):
            members.append(Member(index, f"n{i}"))
            members[i].joined(offer(f"f{i}"))
        late = Member(index, "late")
        members.append(late)
        reply = late.join(offer("late"))
        assert reply.status == 507
        assert reply.json() == {
            "error": "no room for another node",
            "hint": "stop nodes that are not needed, or give the index more memory",
        }
        assert {n["name"] for n in index.nodes()} == {f"n{i}" for i in range(room)}
        assert index.stats()["tables"]["nodes"]["used"] == room
        check_goes_on(index, members[0], "f0")
        check_goes_on(index, members[room - 1], f"f{room - 1}")
        assert members[1].update(put_line("more")).status == 200
        assert members[2].leave().status == 200
        late.joined(offer("late"))
        check_goes_on(index, late, "late")
    finally:
        for member in members:
            member.close()


def test_more_members_than_connections(fleet):
    """Those that find a connection keep it, the next is told to come again; and who only asks is
    answered, however many members there are."""
    index = fleet.index("-m", "8M", "--index.lease", "1h")
    _, nodes, connections = room_of(index)
    assert nodes > connections
    members, status = [], 200
    try:
        while status == 200 and len(members) <= connections:
            members.append(Member(index, f"n{len(members)}"))
            status = members[-1].join(offer(f"f{len(members)}")).status
        assert status == 503
        assert len(members) - 1 == connections - connections // 16
        for _ in range(connections // 8):
            assert index.get("/v1/search?q=f1").status == 200
        check_goes_on(index, members[0], "f1")
        members[1].close()
        wait_until(lambda: index.node("n1") is None, what="one has gone")
        assert members[-1].join(offer("in/now")).status == 200
    finally:
        for member in members:
            member.close()
    wait_until(lambda: reachable(index), 15, "serves again")


def reachable(index):
    try:
        return index.get("/v1/stats").status == 200
    except (Closed, OSError):
        return False


def test_five_hundred_idle_connections(fleet):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    index = fleet.index()
    before = index.rss_kib()
    links = []
    try:
        for _ in range(500):
            links.append(Link(index.address))
        peer = fleet.peer(index, {"a.txt": b"alpha"})
        index.wait_file("a.txt", sha256(b"alpha"))
        assert peer.get("/v1/stats").status == 200
        assert index.rss_kib() - before < 2048 * SLOW, "an idle connection holds no buffer"
    finally:
        for link in links:
            link.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert index.stats()


def test_connections_beyond_the_limit_do_not_lock_members_out(fleet):
    """Slots come in classes: however many clients there are, a join gets in."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    index = fleet.index("-m", "8M")
    links = []
    try:
        for _ in range(3000):
            try:
                links.append(Link(index.address, 2))
            except OSError:
                break
        with Member(index) as member:
            member.joined(offer("in.bin"))
            lines = member.link.request("GET", "/v1/search?q=in.bin").lines()
            assert lines[0]["path"] == "in.bin"
    finally:
        for link in links:
            link.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    wait_until(lambda: reachable(index), 15, "serves again")


def test_a_hundred_searches_side_by_side(fleet):
    index = fleet.index()
    found = int(200 / SLOW**2)
    with Member(index) as member:
        member.joined(*[offer(f"many/{i:05}.bin") for i in range(100 * found)])
        links = [Link(index.address, 30) for _ in range(100)]
        for i, link in enumerate(links):
            link.send_request("GET", f"/v1/search?q=*{i:02}.bin&limit=1000")
        for i, link in enumerate(links):
            lines = link.reply().lines()
            assert len(lines) == found + 1 and all(x["path"].endswith(f"{i:02}.bin") for x in lines[:-1])
            link.close()


def has_ended(link):
    if select.select([link.socket], [], [], 0)[0]:
        link.pending += link.socket.recv(1 << 16)
    return b'"end":true' in link.pending


def test_a_slow_search_keeps_nobody_waiting(fleet):
    """Five that look at every offer are under way: who asks behind them is answered before any
    has ended."""
    index = fleet.index("--index.lease", "1h")
    with Member(index) as member, Link(index.address) as quick:
        many = [offer(f"many/{i:05}.bin", size=1, sha256=None) for i in range(int(50_000 / SLOW))]
        member.joined(offer("known"), *many)
        slow = [Link(index.address) for _ in range(5)]

        def first():
            for link in slow:
                link.send_request("GET", "/v1/search?q=size%3E2%20*0*x*")
            assert len(quick.request("GET", f"/v1/sources/{content('known')}").lines()) == 2
            ended = [link for link in slow if has_ended(link)]
            assert all(link.reply().lines() == [nothing] for link in slow)
            return not ended

        nothing = {"end": True, "asked": 0, "answered": 0, "truncated": False}
        wait_until(first, what="it was first")
        for link in slow:
            link.close()


def test_a_search_whose_time_is_up_gives_what_it_found(fleet):
    """It has looked at something, however late it comes to its turn, and says that there may be
    more."""
    index = fleet.index("--index.wait", "1ms", "--index.lease", "1h")
    with Member(index) as member, Link(index.address) as link:
        many = [offer(f"many/{i:05}.bin", size=1, sha256=None) for i in range(int(50_000 / SLOW))]
        member.joined(offer("many/0first.box", size=3), *many)
        found, end = link.request("GET", "/v1/search?q=size%3E2%20*0*x*").lines()
        assert found["path"] == "many/0first.box"
        assert end == {"end": True, "asked": 0, "answered": 0, "truncated": True}
        index.wait_log(r"search size>2 \*0\*x\* from \S+: 1 results")


def test_a_request_that_gets_no_buffer_is_told_so(fleet):
    """Hundreds of half heads hold and want all buffers for reading: who comes behind them is not
    left waiting, and once they are gone all is as before."""
    index = fleet.index("-m", "8M")
    with Member(index) as member:
        member.joined(offer("kept.bin"))
        halves = [Link(index.address) for _ in range(300)]
        for half in halves:
            half.send(b"GET /v1/search?q=kept HTTP/1.1\r\nX: ")
        for _ in range(300):  # the halves may still be on their way
            link = Link(index.address)
            began = time.monotonic()
            link.send_request("GET", "/v1/search?q=kept")
            reply = link.reply(timeout=30)
            if reply.status != 200:
                break
            link.close()
        assert reply.status == 503, reply
        assert reply.header("retry-after") == "1"
        assert reply.json() == {"error": "all buffers are in use", "hint": "try again"}
        assert time.monotonic() - began >= 1.5, "a short shortage is waited for"
        for half in [*halves, link]:
            half.close()
        wait_until(lambda: reachable(index), 15, "serves again")
        assert index.file("kept.bin")["node"] == member.id
        assert index.stats()["connections"]["refused"] >= 1


@pytest.mark.parametrize("what", [("search", "kept"), ("list",), ("who", "kept.bin")])
def test_commands_at_a_busy_index(fleet, what):
    """They ask the next one, and when all are busy again."""
    index = fleet.index()
    with Member(index) as member:
        member.joined(offer("kept.bin"))
        busy, too = fleet.own(BusyIndex()), fleet.own(BusyIndex(times=2))
        result = fleet.ok(*what, "-i", f"{busy.address},{index.address}")
        assert "kept.bin" in result.out and busy.asked == 1, result
        too.found = [{**too.found[0], "next": None}]  # the end of a list, too
        result = fleet.run(*what, "-i", f"{busy.address},{too.address}")
        assert result.code == 4, result
        assert result.err.startswith("p2p: waiting for the index: all buffers are in use\n"), result
        assert result.err.count("waiting") == 1 and too.asked >= 3, result


@pytest.mark.once
def test_commands_wait_ten_seconds_for_a_busy_index(fleet):
    busy = fleet.own(BusyIndex())
    result = fleet.fails(1, "search", "kept", "-i", busy.address)
    assert "p2p: the index refused: all buffers are in use; try again\n" in result.err
    assert busy.asked == 21


def test_who_asks_and_goes(fleet):
    """Askers that go away in the middle of long answers leave nothing behind."""
    index = fleet.index()
    with Member(index) as member:
        member.joined(*[offer(f"many/{i:05}.bin") for i in range(20_000)])
        for i in range(200):
            link = Link(index.address)
            link.send_request(
                "GET", "/v1/search?q=bin&limit=1000" if i % 2 else "/v1/list?limit=10000"
            )
            if i % 3 == 0:
                link.head()
            link.close()

        def grew():
            before = index.rss_kib()
            for _ in range(300):
                link = Link(index.address)
                link.send_request("GET", "/v1/list?limit=10000")
                link.close()
            wait_until(lambda: index.stats()["connections"]["open"] < 10, what="all are gone")
            return index.rss_kib() - before

        wait_until(lambda: grew() < 256, what="it stops growing")
        assert len(ask(index.address, "GET", "/v1/list?limit=10000").lines()) == 10_001


@pytest.mark.once
def test_a_share_with_more_files_than_room_says_so(fleet):
    index = fleet.index("-m", "8M")
    share = fleet.folder("share-crowd")
    for i in range(30_000):
        folder = share / f"{i // 500:03}"
        if i % 500 == 0:
            folder.mkdir()
        (folder / f"file-with-a-rather-long-name-to-fill-the-tables-{i:06}.txt").touch()
    peer = fleet.peer(index, {}, "-m", "8M", share=share, name="crowd")
    node = wait_until(
        lambda: (n := index.node("crowd")) and n["offers"] > 1000 and n, 20, "part of it at least"
    )
    if node["offers"] < 30_000:
        assert peer.out.wait(
            r"\bwarn\b.*(full|room|memory|refus|incomplete)", 10
        ) or index.out.wait(r"\bwarn\b.*(full|refus)", 5)
    assert peer.stats() and index.stats()


@pytest.mark.parametrize("size", ["1K", "0", "-5M", "999999G", "x"])
def test_memory_out_of_range_is_told(fleet, size):
    result = fleet.fails(2, "index", "-l", "127.0.0.1:0", "-m", size, lines=1)
    assert "memory" in result.err and size in result.err
