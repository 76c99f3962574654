# SPDX-License-Identifier: MIT
"""The feed: every change has a number, readers miss none or are told so, nobody is waited for."""

import random
import resource
import threading

import pytest

from feed import Directory, Feed, offered
from fleet import SLOW, wait_until
from wire import Member, del_line, offer, put_line


def position(index):
    """FEED, N of an index now."""
    name, _, number = index.get("/v1/changes", method="HEAD").header("p2p-feed").rpartition(".")
    return name, int(number)


def test_every_change_is_a_numbered_line(fleet):
    index = fleet.index()
    with Feed(index) as feed, Member(index) as member:
        assert feed.head.status == 200
        assert feed.head.header("content-type") == "application/x-ndjson"
        answer = member.joined(offer("a"), offer("b", sha256=None))
        lines = feed.until(lambda line: line["op"] == "join")
        assert {line["path"] for line in lines[:-1]} == {"a", "b"}
        assert all(line["op"] == "put" for line in lines[:-1])
        assert lines[-1]["name"] == "member" and lines[-1]["role"] == "peer"
        assert member.update(put_line("c", size=5), del_line("a")).status == 200
        lines += feed.lines(2)
        assert member.leave().status == 200
        lines += feed.lines(1)
        assert [line["op"] for line in lines[-3:]] == ["put", "del", "leave"]
        assert [line["n"] for line in lines] == list(range(1, len(lines) + 1))
        assert {line["feed"] for line in lines} == {answer["feed"]}
        assert {line["node"] for line in lines} == {member.id}
        assert [(line["epoch"], line["seq"]) for line in lines[-3:]] == [(1, 2), (1, 2), (1, 3)]
        put = lines[-3]
        assert {k: put[k] for k in ("path", "size", "mtime", "mode", "kind")} == {
            "path": "c",
            "size": 5,
            "mtime": 1790000000,
            "mode": "",
            "kind": "owned",
        }


def test_a_join_tells_differences_only(fleet):
    index = fleet.index()
    with Member(index) as member:
        member.joined(offer("a"), offer("b"))
        with Feed(index) as feed:
            member.joined(offer("b"), offer("c"))
            lines = feed.until(lambda line: line["op"] == "join")
    assert [(line["op"], line.get("path")) for line in lines] == [
        ("put", "c"),
        ("del", "a"),
        ("join", None),
    ]


def test_reading_goes_on_where_it_ended(fleet):
    index = fleet.index()
    with Member(index) as member:
        member.joined(offer("a"))
        name, begin = position(index)
        for i in range(200):
            assert member.update(put_line(f"f{i}")).status == 200
        for since in (begin, begin + 1, begin + 63, begin + 64, begin + 65, begin + 199):
            with Feed(index, f"{name}.{since}") as feed:
                lines = feed.lines(begin + 200 - since)
                assert [line["n"] for line in lines] == list(range(since + 1, begin + 201))
                assert feed.is_quiet()
        with Feed(index, f"{name}.{begin + 200}") as feed:
            assert member.update(put_line("last")).status == 200
            assert feed.line()["path"] == "last"


@pytest.mark.parametrize(
    "since,status",
    [
        ("{name}.{last}", 200),
        ("{name}.{beyond}", 410),
        ("{name}.18446744073709551615", 410),
        ("0000000000000000.0", 410),
        ("{name}", 400),
        ("{name}.", 400),
        ("{name}.x", 400),
        ("{name}.-1", 400),
        (".", 400),
        ("", 400),
    ],
)
def test_places_that_are_none(fleet, since, status):
    index = fleet.index()
    with Member(index) as member:
        member.joined(offer("a"))
    name, last = position(index)
    text = since.format(name=name, last=last, beyond=last + 1000)  # it goes on: the member is lost
    with Feed(index, text) as feed:
        assert feed.head.status == status


# Lines are made while somebody has read lately; before that the index only counts.
def test_what_nobody_read_is_410(fleet):
    index = fleet.index()
    with Member(index) as member:
        start = index.stats()["feed"]
        member.joined(offer("a"))
        began = index.stats()["feed"]
        assert began["n"] > start["n"]
        with Feed(index, f"{start['id']}.{start['n']}") as feed:
            assert feed.head.status == 410
        assert member.update(put_line("b")).status == 200
        with Feed(index, f"{began['id']}.{began['n']}") as feed:
            assert feed.head.status == 200
            assert feed.line()["path"] == "b"


# Rule 3 of mirrors (test_rules.py).
def test_what_left_the_ring_is_410(fleet):
    index = fleet.index("-m", "4M")
    with Member(index) as member:
        member.joined()
        name, begin = position(index)
        long_name = "x" * 200
        for i in range(12):
            changes = [put_line(f"{long_name}/{i}-{k}") for k in range(100)]
            assert member.update(*changes).status == 200
        with Feed(index, f"{name}.{begin}") as feed:
            assert feed.head.status == 410
        snapshot, end = index.stream("/v1/snapshot")
        assert end["feed"] == name
        with Feed(index, f"{end['feed']}.{end['n']}") as feed:
            assert feed.head.status == 200
            assert member.update(del_line(f"{long_name}/0-0")).status == 200
            assert feed.line()["n"] == end["n"] + 1


def test_one_node_alone(fleet):
    index = fleet.index()
    with Member(index, "a") as a, Member(index, "b") as b:
        a.joined(offer("a0"))
        b.joined(offer("b0"))
        name, begin = position(index)
        with Feed(index, node=a.id) as now, Feed(index, node="0" * 32) as nobody:
            for i in range(5):
                assert b.update(put_line(f"b{i}", size=i)).status == 200
                assert a.update(put_line(f"a{i}", size=i)).status == 200
            lines = now.lines(5)
            assert [line["path"] for line in lines] == [f"a{i}" for i in range(5)]
            with Feed(index, f"{name}.{begin}", node=a.id) as since:
                assert since.lines(5) == lines
            assert b.leave().status == 200 and a.leave().status == 200
            assert now.line()["op"] == "leave"
            assert nobody.is_quiet()
    for bad in ("x", "0" * 31, "0" * 33, "g" * 32):
        assert index.get(f"/v1/changes?node={bad}").status == 400


# Rule 6 of mirrors.
def test_a_restart_begins_another_feed(fleet):
    index = fleet.index()
    with Member(index) as member:
        member.joined(offer("a"))
    before, number = position(index)
    index.restart()
    index.wait_log("read . nodes with . offers from disk")
    after, _ = position(index)
    assert before != after
    with Feed(index, f"{before}.{number}") as feed:
        assert feed.head.status == 410


def test_a_slow_reader_is_cut_off_and_nobody_waits(fleet):
    index = fleet.index("-m", "4M")
    with Member(index) as member, Feed(index, buffer=4096) as slow, Feed(index) as quick:
        member.joined()
        folder = "/".join(["y" * 200] * 4)

        def rounds():
            for i in range(1, 1000):
                changes = [put_line(f"{folder}/{k}", size=i) for k in range(40)]
                assert member.update(*changes).status == 200
                quick.until(lambda line: line.get("size") == i and line["path"].endswith("/39"))
                if index.stats()["feed"]["readers"] == 1:
                    return True
            return False

        assert rounds(), "the slow reader was never cut off"
        slow.close()
        assert member.update(put_line("z")).status == 200
        assert quick.line()["path"] == "z"


def test_readers_go_when_they_close(fleet):
    index = fleet.index()
    feeds = [Feed(index) for _ in range(20)]
    assert index.stats()["feed"]["readers"] == 20
    for feed in feeds:
        feed.close()
    wait_until(lambda: index.stats()["feed"]["readers"] == 0, what="nobody reads any more")


def test_thousands_of_readers_read_the_same(fleet):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    index = fleet.index()
    feeds = []
    try:
        for _ in range(2000):
            feeds.append(Feed(index, node=None))
        before = index.rss_kib()
        with Member(index) as member:
            member.joined(offer("a"))
            for i in range(5):
                assert member.update(put_line(f"f{i}")).status == 200
        lines = [feed.lines(7) for feed in feeds]
        assert all(line == lines[0] for line in lines)
        assert index.rss_kib() - before < 4096 * SLOW, "they hold no buffers while nothing happens"
    finally:
        for feed in feeds:
            feed.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_lines_make_the_directory(fleet):
    """Random changes from several nodes at once, read from the middle on."""
    index = fleet.index()
    seed = random.randrange(1 << 30)
    print("seed", seed)
    members = [Member(index, f"m{i}") for i in range(4)]

    def change(member, random_):
        member.joined(*[offer(f"f{i}") for i in range(10)])
        for _ in range(60):
            path = f"f{random_.randrange(20)}"
            line = del_line(path) if random_.random() < 0.3 else put_line(path, size=7)
            line.update(sha256=f"{random_.getrandbits(256):064x}" if line["op"] == "put" else None)
            assert member.update(line).status == 200

    threads = [
        threading.Thread(target=change, args=(m, random.Random(seed + i)))
        for i, m in enumerate(members)
    ]
    for thread in threads:
        thread.start()
    directory = Directory()
    snapshot, end = index.stream("/v1/snapshot")
    for line in snapshot:
        directory.apply(line)
    with Feed(index, f"{end['feed']}.{end['n']}") as feed:
        for thread in threads:
            thread.join()
        _, last = position(index)
        if last > end["n"]:
            for line in feed.until(lambda line: line["n"] == last):
                directory.apply(line)
    assert directory.known() == offered(index)
    for member in members:
        member.close()
