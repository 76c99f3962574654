# SPDX-License-Identifier: MIT
"""Bytes over HTTP as browsers, curl and caches rely on them: ranges, conditions, HEAD, what a
download may not become, chains and who has what, and the way from an index to a holder."""

import hashlib
from urllib.parse import quote

import pytest

import chains
import served
from fleet import wait_until
from rawhttp import Link, ask
from served import BIG, CONTENT, ODD, SHA


@pytest.fixture(scope="module")
def node(module_fleet):
    return served.start(module_fleet)


@pytest.fixture(autouse=True)
def still_serves(node):
    yield
    served.check(node)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x",
        "0" * 63,
        "0" * 65,
        "g" * 64,
        "../" + "0" * 64,
        SHA + "/",
        SHA[:-1] + "%00",
        SHA + "x",
    ],
)
@pytest.mark.parametrize("what", ["content", "chain", "have"])
def test_contents_that_are_none(node, what, name):
    assert node.get(f"/v1/{what}/{name}").status in (400, 404)


@pytest.mark.parametrize(
    "value,status,first,length",
    [
        ("bytes=0-0", 206, 0, 1),
        ("bytes=0-99", 206, 0, 100),
        ("bytes=100-", 206, 100, len(BIG) - 100),
        ("bytes=-5", 206, len(BIG) - 5, 5),
        (f"bytes=0-{len(BIG) - 1}", 206, 0, len(BIG)),
        ("bytes=0-99999999999", 206, 0, len(BIG)),
        ("bytes=-99999999999", 206, 0, len(BIG)),
        (f"bytes={len(BIG) - 1}-", 206, len(BIG) - 1, 1),
        ("bytes=65535-65536", 206, 65535, 2),
        (f"bytes={len(BIG)}-", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
        (f"bytes={len(BIG)}-{len(BIG)}", 416, 0, 0),
        ("pages=1-2", 200, 0, len(BIG)),
        ("bytes=0-1,5-6", 200, 0, len(BIG)),
    ],
    ids=str,
)
def test_range(node, value, status, first, length):
    reply = node.get(CONTENT, {"Range": value})
    assert reply.status == status, reply
    if status == 206:
        assert reply.header("content-range") == f"bytes {first}-{first + length - 1}/{len(BIG)}"
    if status == 416:
        assert reply.header("content-range") == f"bytes */{len(BIG)}"
    else:
        assert (
            reply.body == BIG[first : first + length]
            and int(reply.header("content-length")) == length
        )


@pytest.mark.parametrize(
    "value",
    [
        "bytes=5-2",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=0",
        "bytes 0-5",
        "bytes=--5",
        "=",
        "bytes=0x1-5",
        "bytes=1-2-3",
        "bytes=+1-5",
        "bytes=99999999999999999999999-",
        "bytes=0-99999999999999999999999",
        "bytes=-99999999999999999999999",
        "bytes=" + ",".join(f"{i}-{i}" for i in range(900)),
        "bytes=0-0,",
        ",bytes=0-0",
        "bytes=0-,0-,0-",
    ],
)
def test_range_nonsense(node, value):
    reply = node.get(CONTENT, {"Range": value})
    assert reply.status in (200, 206, 400, 416), reply
    assert reply.status not in (200, 206) or len(reply.body) <= len(BIG)
    if reply.status == 200:
        assert reply.body == BIG


def test_conditional_requests(node):
    etag = node.get(CONTENT).header("etag")
    assert etag == f'"{SHA}"'
    assert node.get("/download/sub/big.bin?own=1").header("etag") == etag
    table = [
        ({"If-None-Match": etag}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": f"W/{etag}"}, 304),
        ({"If-None-Match": f'"x", {etag}'}, 304),
        ({"If-None-Match": '"x"'}, 200),
        ({"If-Range": etag, "Range": "bytes=0-9"}, 206),
        ({"If-Range": '"x"', "Range": "bytes=0-9"}, 200),
        ({"If-Range": f"W/{etag}", "Range": "bytes=0-9"}, 200),
    ]
    for path in (CONTENT, "/download/sub/big.bin?own=1"):
        for headers, status in table:
            reply = node.get(path, headers)
            assert reply.status == status, (path, headers, reply)
            assert reply.header("etag") == etag
            assert len(reply.body) == {304: 0, 206: 10, 200: len(BIG)}[status]


@pytest.mark.parametrize(
    "path",
    [
        CONTENT,
        "/download/a.txt?own=1",
        "/v1/stats",
        "/v1/nodes",
        "/v1/list",
        "/nothing",
        f"/v1/chain/{SHA}",
        "/download/empty?own=1",
        "/v1/content/" + hashlib.sha256(b"").hexdigest(),
    ],
)
def test_head_is_get_without_the_body(node, path):
    with Link(node.address) as link:
        head = link.request("HEAD", path)
        again = link.request("GET", path)
    assert head.status == again.status and head.body == b""
    keep = ("content-length", "content-type", "etag", "p2p-node", "content-disposition", "p2p-size")
    if path not in ("/v1/stats", "/v1/nodes"):
        assert [head.header(k) for k in keep] == [again.header(k) for k in keep]


def test_downloads_cannot_become_pages(node):
    for path in (
        "/download/page.html?own=1",
        f"/v1/content/{hashlib.sha256(b'<script>1</script>').hexdigest()}",
    ):
        reply = node.get(path)
        assert reply.status == 200
        assert reply.header("content-type") == "application/octet-stream"
        assert reply.header("x-content-type-options") == "nosniff"
        policy = reply.header("content-security-policy")
        assert "sandbox" in policy and "default-src 'none'" in policy
        if "download" in path:
            assert reply.header("content-disposition").startswith("attachment")


def test_download_of_an_odd_name(node):
    reply = node.get("/download/" + quote(ODD, safe="") + "?own=1")
    assert reply.status == 200 and reply.body == b"odd"
    value = reply.header("content-disposition")
    assert value.startswith(
        "attachment"
    ) and f"filename*=UTF-8''{quote(ODD, safe='')}" in value.replace("utf-8", "UTF-8")


def test_chain_and_have(node):
    states = chains.chain(BIG)
    name = chains.chain_id(len(BIG), states)
    reply = node.get(f"/v1/chain/{SHA}")
    assert reply.status == 200 and reply.body == states
    assert (reply.header("p2p-size"), reply.header("p2p-piece")) == (str(len(BIG)), "65536")
    have = node.get(f"/v1/have/{SHA}")
    assert (
        have.body == b"\xf8" and have.header("p2p-chain") == name
    ), "five pieces, the highest bit first"
    assert node.get(CONTENT, {"P2P-Chain": name}).header("p2p-chain") == name
    small = hashlib.sha256(b"alpha").hexdigest()
    assert (
        node.get(f"/v1/chain/{small}").body == b"" and node.get(f"/v1/have/{small}").body == b"\x80"
    )


def test_redirect_to_a_holder(fleet):
    """An index has no file: it sends the client to one who has, who redirects no further."""
    index = fleet.index()
    peer = fleet.peer(index, {ODD: b"odd", "a/b.txt": b"beta"})
    index.wait_file(ODD)
    index.wait_file("a/b.txt")
    for name, data in ((ODD, b"odd"), ("a/b.txt", b"beta")):
        path = "/download/" + "/".join(quote(part, safe="") for part in name.split("/"))
        reply = wait_until(
            lambda: (r := index.get(path)).status == 307 and r, what="a reachable holder"
        )
        assert reply.header("location") == f"http://{peer.address}{path}?own=1"
        assert index.get(path + "?own=1").status == 404, "no second redirect"
        assert ask(peer.address, "GET", path + "?own=1").body == data
    assert index.get("/download/none.txt").status == 404
    peer.kill()
    index.wait_gone("a/b.txt")
    assert index.get("/download/a/b.txt").status == 404
