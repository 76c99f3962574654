# SPDX-License-Identifier: MIT
"""Names at every door: what breaks the rule for names gets in nowhere, and a path never leads out
of the share, whatever is swapped in between scan and request."""

import os
import signal
import socket

import pytest

import chains
from holder import FakeIndex, Holder, Resident
from rawhttp import Closed, Link
from wire import del_line, ndjson, offer, put_line

BAD = [
    "",
    ".",
    "..",
    "../x",
    "a/..",
    "a/../b",
    "./a",
    "a/./b",
    "/abs",
    "/",
    "a//b",
    "a/",
    "//",
    ".hidden",
    "a/.hidden/b",
    "a/.b",
    "nul\0byte",
    "tab\tname",
    "line\nfeed",
    "cr\rname",
    "esc\x1b[31m",
    "del\x7f",
    "x" * 256,
    "a/" + "x" * 256 + "/b",
    "/".join(["x" * 200] * 6),
]
BAD_RAW = [
    rb'"\ud800"',
    rb'"\udc00x"',
    rb'"\ud800\ud800"',
    b'"\xff\xfe"',
    b'"\xc0\xaf"',
    b'"\xc0\xae\xc0\xae/x"',
    b'"\xed\xa0\x80"',
    b'"\xf5\x80\x80\x80"',
    rb'"\u0000"',
    rb'"a\u002f..\u002fb"',
    b"5",
    b"null",
    b'["a"]',
    b"{}",
    b"true",
]
GOOD = [
    "x" * 255,
    "/".join(["x" * 204] * 5),
    "a",
    "...",
    "a/..b",
    "..." + "/a",
    "-",
    "-rf",
    "a b",
    " ",
    "a\\b",
    "C:",
    "con",
    "*",
    "a?b#c%2e%2e&d=e;f",
    "'\"`$(x)",
    "e\u0301",
    "\u00e9",
    "\u202ebidi",
    "\U0001f600",
    "CASE",
    "case",
]


@pytest.fixture(scope="module")
def index(module_fleet):
    return module_fleet.index()


def offered(index, member):
    return {f["path"] for f in index.files() if f["node"] == member.id}


def refused(reply):
    """Refused as a whole, or that offer alone and counted."""
    return reply.status == 400 or (reply.status == 200 and reply.lines()[0]["refused"] == 1)


@pytest.mark.parametrize("name", BAD, ids=lambda n: repr(n)[:24])
def test_bad_names_are_refused(index, name):
    with Resident(index) as member:
        reply = member.join(offer(name), offer("good"))
        assert refused(reply), reply
        assert offered(index, member) <= {"good"}
        member.joined(offer("good"))
        reply = member.update(put_line(name))
        assert refused(reply), reply
        reply = member.ask_apart(
            "/v1/update", ndjson({"epoch": 1, "seq": member.seq + 1}, del_line(name))
        )
        assert reply.status in (200, 400)
        assert offered(index, member) == {"good"}


@pytest.mark.parametrize("raw", BAD_RAW, ids=repr)
def test_names_that_are_no_text_are_refused(index, raw):
    with Resident(index) as member:
        line = ndjson(offer("PATH"))[:-1].replace(b'"PATH"', raw)
        assert refused(member.join(line, offer("good")))
        assert offered(index, member) <= {"good"}


def test_good_names_come_back_as_they_were(index):
    names = [name for name in GOOD if not any(part.startswith(".") for part in name.split("/"))]
    with Resident(index) as member:
        assert member.joined(*map(offer, names))["accepted"] == len(names)
        assert offered(index, member) == set(names)


@pytest.mark.parametrize("name", ["...", ".../a", "a/.../b", "..a"])
def test_dots_in_front_are_hidden(index, name):
    with Resident(index) as member:
        assert refused(member.join(offer(name)))


def served(reply):
    """What came: nothing of the outside may be in it."""
    assert b"root:" not in reply.body, reply
    return reply.status


@pytest.fixture
def shared(fleet):
    """An index and a peer with inner/passwd, and a folder outside that must stay outside."""
    index = fleet.index()
    outside = fleet.share("outside", {"passwd": b"root:x:outside\n", "secret": b"root:secret\n"})
    peer = fleet.peer(index, {"inner/passwd": b"harmless\n", "plain.txt": b"plain\n"})
    record = index.wait_file("inner/passwd")
    index.wait_file("plain.txt")
    assert peer.get("/download/inner/passwd?own=1").body == b"harmless\n"
    return peer, outside, record["sha256"]


def ask_while_stopped(peer, paths, swap):
    """The requests are on their way while the peer stands still; then the swap; then it goes on."""
    peer.send(signal.SIGSTOP)
    links = [Link(peer.address) for _ in paths]
    for link, path in zip(links, paths):
        link.send_request("GET", path)
    swap()
    peer.send(signal.SIGCONT)
    replies = []
    for link in links:
        with link:
            try:
                replies.append(link.reply())
            except Closed as cut:
                assert b"root:" not in cut.args[0]
    return replies


def swap_folder(peer, target):
    os.rename(peer.share / "inner", peer.share.parent / "moved-away")
    os.symlink(target, peer.share / "inner")


@pytest.mark.parametrize("target", ["outside", "/etc", "../outside", "."])
def test_folder_swapped_for_a_symlink(shared, target):
    peer, outside, sha = shared
    place = {"outside": outside}.get(target, target)
    paths = [
        "/download/inner/passwd?own=1",
        f"/v1/content/{sha}",
        f"/v1/content/{sha}",
        "/download/inner/passwd?own=1",
    ]
    for reply in ask_while_stopped(peer, paths, lambda: swap_folder(peer, place)):
        assert served(reply) in (200, 404, 409, 410, 503), reply
        assert reply.status != 200 or reply.body == b"harmless\n"
    for path in paths:
        try:
            assert served(peer.get(path)) in (404, 410, 503)
        except Closed as cut:
            assert cut.args[0] == b""
    assert peer.get("/download/plain.txt?own=1").body == b"plain\n", "the rest is still served"


def swap_file(peer, make):
    os.unlink(peer.share / "inner/passwd")
    make(peer.share / "inner/passwd")


@pytest.mark.parametrize("kind", ["symlink", "relative", "fifo", "folder", "socket", "device"])
def test_file_swapped_for_something_else(shared, kind):
    """Nothing outside is served and nothing that blocks is opened: the peer answers on."""
    peer, outside, sha = shared

    def bind(path):
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(str(path))

    make = {
        "symlink": lambda p: os.symlink(outside / "passwd", p),
        "relative": lambda p: os.symlink("../../outside/passwd", p),
        "fifo": os.mkfifo,
        "folder": os.mkdir,
        "socket": bind,
        "device": lambda p: os.mknod(p, 0o20666, os.makedev(1, 5))
        if os.geteuid() == 0
        else os.mkfifo(p),
    }[kind]
    paths = ["/download/inner/passwd?own=1", f"/v1/content/{sha}"] * 2
    for reply in ask_while_stopped(peer, paths, lambda: swap_file(peer, make)):
        assert served(reply) in (200, 404, 409, 410, 503), reply
        assert reply.status != 200 or reply.body == b"harmless\n"
    assert peer.get("/download/plain.txt?own=1").body == b"plain\n"


def test_symlinks_are_not_offered(fleet):
    index = fleet.index()
    share = fleet.share("links", {"real.txt": b"real", "sub/file.txt": b"sub"})
    outside = fleet.share("outside", {"secret": b"root:secret\n"})
    os.symlink(outside, share / "folder-link")
    os.symlink(outside / "secret", share / "file-link")
    os.symlink("real.txt", share / "inside-link")
    os.symlink("nowhere", share / "dangling")
    os.symlink(".", share / "loop")
    os.symlink("..", share / "sub/up")
    peer = fleet.peer(index, share=share)
    index.wait_file("real.txt")
    index.wait_file("sub/file.txt")
    assert {f["path"] for f in index.files()} == {"real.txt", "sub/file.txt"}
    for path in (
        "folder-link/secret",
        "file-link",
        "inside-link",
        "loop/real.txt",
        "sub/up/real.txt",
    ):
        assert served(peer.get(f"/download/{path}?own=1")) == 404


@pytest.mark.parametrize(
    "name", ["../escape.txt", "/escape.txt", "a/../../escape.txt", ".escape", "nul\0", "line\nfeed"]
)
def test_get_checks_names_in_answers(fleet, name):
    """An answer to a search is a door too: a name from an index never leads out of the folder."""
    data = b"odd\n"
    sha = chains.sha256(data)
    index = fleet.own(FakeIndex())
    holder = fleet.own(Holder(index, data, path="fine.txt"))
    place = {
        "node": holder.member.id,
        "name": "odd",
        "addresses": [f"127.0.0.1:{holder.member.port}"],
        "have": 100,
    }
    found = {
        "path": name,
        "size": len(data),
        "mtime": 1790000000,
        "sha256": sha,
        "kind": "owned",
        "hops": 0,
        "index": "f" * 32,
        **place,
    }
    index.found = [found, {"end": True, "asked": 0, "answered": 0, "truncated": False}]
    index.sources = [
        {**place, "uploads": 0, "rate": 0, "slots": 8, "reachable": True},
        {"end": True},
    ]
    folder = fleet.folder("in/to")
    before = {p for p in fleet.root.rglob("*") if "xdg" not in p.parts}
    result = fleet.run("get", sha, "-o", f"{folder}/", index=index.address, cwd=folder)
    after = {p for p in fleet.root.rglob("*") if "xdg" not in p.parts} - before
    assert all(p.parent == folder and "escape" not in p.name for p in after), after
    assert result.code == 0 or (result.err and not after), result
