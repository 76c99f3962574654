# SPDX-License-Identifier: MIT
"""What an index answers: the fields of list, search, sources and nodes, pages and limits, and
under which address a node is handed out."""

import os
import re
import socket

import pytest

from fleet import wait_until
from holder import Holder
from rawhttp import ask
from wire import Member, content, offer

HEX32 = r"[0-9a-f]{32}"


@pytest.fixture(scope="module")
def index(module_fleet):
    return module_fleet.index(name="wire")


@pytest.fixture
def member(index, request):
    """A node with a name and paths of its own."""
    with Member(index, name=re.sub(r"\W", "-", request.node.name)[:60]) as node:
        yield node


def test_every_answer_names_its_node(index, member):
    ids = {
        index.get(path).header("p2p-node")
        for path in ("/v1/stats", "/v1/nodes", "/v1/list", "/nothing", "/")
    }
    ids.add(member.join().header("p2p-node"))
    ids.add(
        ask(index.address, "POST", "/v1/join", {"Content-Type": "text/plain"}, b"x").header(
            "p2p-node"
        )
    )
    assert len(ids) == 1 and re.fullmatch(HEX32, ids.pop())


def test_search_line_has_the_fields(index, member):
    member.joined(
        offer("look/Heart of Gold.bin", size=123, sha256=None), offer("look/other.txt", size=5)
    )
    (line,), end = index.stream("/v1/search?q=heart%20OF")
    assert set(line) >= {
        "path",
        "size",
        "mtime",
        "sha256",
        "kind",
        "have",
        "node",
        "name",
        "addresses",
        "hops",
        "index",
    }
    assert line["path"] == "look/Heart of Gold.bin"
    assert (line["size"], line["mtime"], line["sha256"]) == (123, 1790000000, None)
    assert (line["kind"], line["have"], line["hops"]) == ("owned", 100, 0)
    assert (line["node"], line["name"]) == (member.id, member.name)
    assert line["addresses"] == ["127.0.0.1:9"]
    assert line["index"] == index.get("/v1/stats").header("p2p-node")
    assert set(end) >= {"end", "asked", "answered", "truncated"}
    assert (
        end["truncated"] is False
        and isinstance(end["asked"], int)
        and end["asked"] == end["answered"]
    )


def test_list_line_has_the_fields(index, member):
    same = content("two names, one content")
    with Member(index, name="second-holder", port=10) as other:
        member.joined(offer("twice/a.bin", sha256=same), offer("twice/b.bin", sha256=None))
        other.joined(offer("twice/a.bin", sha256=same))
        lines, end = index.stream("/v1/list?prefix=twice/")
        assert all(set(line) >= {"path", "size", "mtime", "sha256", "holders"} for line in lines)
        assert sorted((x["path"], x["sha256"], x["holders"]) for x in lines) == [
            ("twice/a.bin", same, 2),
            ("twice/b.bin", None, 1),
        ]
        assert end == {"end": True, "next": None}


def test_list_comes_in_pages(index, member):
    names = {f"pages/{i:03}.bin" for i in range(25)}
    member.joined(*[offer(name) for name in names])
    seen, after, pages = [], "", 0
    while True:
        lines, end = index.stream(f"/v1/list?prefix=pages/&limit=10&after={after}")
        assert len(lines) <= 10
        seen += [line["path"] for line in lines]
        pages += 1
        if end["next"] is None:
            break
        after = end["next"]
        assert isinstance(after, str) and re.fullmatch(
            r"[\w.~-]+", after
        ), "a cursor goes into a URL as it is"
    assert sorted(seen) == sorted(names) and pages >= 3


def test_sources_line_has_the_fields(index, member):
    name = content("sources")
    member.joined(offer("sources.bin", sha256=name))
    lines, end = index.stream(f"/v1/sources/{name}")
    (line,) = lines
    assert set(line) >= {
        "node",
        "name",
        "addresses",
        "have",
        "uploads",
        "rate",
        "slots",
        "reachable",
    }
    assert (line["node"], line["have"], line["addresses"]) == (member.id, 100, ["127.0.0.1:9"])
    assert end == {"end": True}
    assert wait_until(
        lambda: index.stream(f"/v1/sources/{name}")[0][0]["reachable"] is False,
        what="nobody answers at port 9",
    )


def test_sources_best_first(index, module_fleet):
    data = b"reachable comes first"
    with Member(index, name="dead-end") as dead:
        holder = module_fleet.own(Holder(index, data, "alive", "best.bin"))
        dead.joined(offer("best.bin", size=len(data), sha256=holder.sha))

        def order():
            lines = index.stream(f"/v1/sources/{holder.sha}")[0]
            return [(x["name"], x["reachable"]) for x in lines]

        wait_until(lambda: order() == [("alive", True), ("dead-end", False)], what=str(order()))


def test_sources_of_nothing(index):
    reply = index.get(f"/v1/sources/{content('nobody has this')}")
    assert reply.status == 404 or (reply.status == 200 and reply.lines() == [{"end": True}])
    assert index.get("/v1/sources/xyz").status in (400, 404)


def test_nodes_line_has_the_fields(index, member):
    member.joined(offer("nodes.bin"))
    line = index.node(member.name)
    assert set(line) >= {
        "node",
        "name",
        "role",
        "epoch",
        "seq",
        "home",
        "addresses",
        "age_ms",
        "state",
        "offers",
    }
    assert (line["node"], line["role"], line["epoch"], line["seq"]) == (member.id, "peer", 1, 1)
    assert line["home"] == index.get("/").header("p2p-node")
    assert (line["state"], line["offers"], line["addresses"]) == ("active", 1, ["127.0.0.1:9"])
    assert 0 <= line["age_ms"] < 10000


def test_stats_are_one_document(index):
    stats = index.stats()
    assert isinstance(stats, dict) and stats


def test_address_is_where_the_asker_reached_the_index(fleet):
    """A node that joins over loopback is handed out under the address at which the asker sees this
    machine."""
    lan = lan_address()
    index = fleet.index(listen="0.0.0.0:0")
    with Member(index, port=1234) as member:
        member.joined(offer("here.bin"))
        reply = ask(f"{lan}:{index.port}", "GET", "/v1/search?q=here")
        assert reply.lines()[0]["addresses"] == [f"{lan}:1234"]
        assert index.file("here.bin")["addresses"] == ["127.0.0.1:1234"]


@pytest.mark.skipif(not os.path.exists("/proc/net/if_inet6"), reason="no IPv6 here")
def test_addresses_of_both_families(fleet):
    index = fleet.index(listen="[::]:0")
    with Member(index, "four", port=44) as four:
        four.joined(offer("four.bin"))
        assert index.file("four.bin")["addresses"] == [
            "127.0.0.1:44"
        ], "IPv4-mapped addresses are unmapped"
        reply = ask(f"[::1]:{index.port}", "GET", "/v1/search?q=four")
        assert reply.status == 200 and reply.lines()[0]["node"] == four.id


def lan_address():
    """This machine's address towards others. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return probe.getsockname()[0]


def test_advertised_address_is_believed_when_it_shows_the_id(fleet):
    """What a node claims is tried out first, with one fixed request, and must show the node's own
    id."""
    lan = lan_address()
    index = fleet.index()
    victim = fleet.own(Holder(index, b"victim", "victim", "victim.bin", host="0.0.0.0"))
    true, false = [], f"{lan}:{victim.member.port}"
    before = len(victim.requests)

    class Boaster(Holder):
        def said_on_joining(self):
            true.append(f"{lan}:{self.member.port}")
            return {"addresses": [false, true[0]]}

    fleet.own(Boaster(index, b"boast", "boaster", "boast.bin", host="0.0.0.0"))
    wait_until(
        lambda: true[0] in index.file("boast.bin")["addresses"], what="the true address is believed"
    )
    wait_until(lambda: len(victim.requests) > before, what="the false one was tried")
    assert false not in index.file("boast.bin")["addresses"]
    assert set(victim.requests[before:]) == {"GET /v1/stats"}


@pytest.mark.parametrize(
    "query",
    [
        "q=%zz",
        "q=%00",
        "q=a&limit=-1",
        "q=a&limit=x",
        "sha256=abc",
    ],
)
def test_search_bad_parameters(index, query):
    reply = index.get(f"/v1/search?{query}")
    assert reply.status == 400, reply
    assert reply.error()


def test_search_finds_by_part_glob_and_content(index, member):
    sha = content("search/Ärger.TXT")
    member.joined(
        offer("search/Ärger.TXT"),
        offer("search/deep/er/file1.bin"),
        offer("search/deep/er/file2.bin"),
    )

    def found(query):
        return sorted(
            f["path"] for f in index.stream(f"/v1/search?{query}")[0] if f["node"] == member.id
        )

    assert found("q=%C3%A4RGER") == ["search/Ärger.TXT"], "case-insensitive, beyond ASCII"
    assert found("q=deep/er/FILE") == ["search/deep/er/file1.bin", "search/deep/er/file2.bin"]
    assert found("q=search/*file[13].bin") == ["search/deep/er/file1.bin"]
    assert found("q=search/*/file%3F.bin") == [
        "search/deep/er/file1.bin",
        "search/deep/er/file2.bin",
    ]
    assert found(f"sha256={sha}") == ["search/Ärger.TXT"]
    assert found("q=no-such-thing-anywhere") == []


def test_search_limit_says_truncated(index, member):
    member.joined(*[offer(f"limit/{i}.bin") for i in range(10)])
    lines, end = index.stream("/v1/search?q=limit/&limit=3")
    assert len(lines) == 3 and end["truncated"] is True
    lines, end = index.stream("/v1/search?q=limit/&limit=10")
    assert len(lines) == 10 and end["truncated"] is False
