# SPDX-License-Identifier: MIT
"""Programs that know nothing of p2p fetch from the swarm: curl, wget and aria2c, each as people call
them, from an index, from a peer that has the file and from one that has not."""

import base64
import hashlib
import os
import subprocess
from urllib.parse import quote
from xml.etree import ElementTree

import pytest

from chains import sha256
from fleet import wait_until
from holder import Holder
from rawhttp import ask
from wire import Member, offer

XML = "{urn:ietf:params:xml:ns:metalink}"
ODD = "sub/<a> 'b' \"c\" 100% #1?; ü.bin"
DATA = os.urandom(8 << 20)


def path_of(what, name):
    return f"/{what}/" + "/".join(quote(part, safe="") for part in name.split("/"))


def url(node, name, what="download"):
    return f"http://{node.address}{path_of(what, name)}"


def run(folder, *line, code=0):
    """A program in a folder; what it said."""
    done = subprocess.run(line, cwd=folder, capture_output=True, timeout=60, check=False)
    assert done.returncode == code, done
    return done.stdout + done.stderr


def aria2c(folder, *more, code=0):
    quiet = ["--no-conf", "--file-allocation=none", "--follow-metalink=mem", "--summary-interval=0"]
    return run(folder, "aria2c", *quiet, *more, code=code)


def whole_holders(index, name, count):
    """Waits until so many nodes can send it; the Metalink then."""

    def there():
        reply = index.get(path_of("metalink", name))
        if reply.status != 200:
            return None
        root = ElementTree.fromstring(reply.body)
        return root if len(root.findall(f"{XML}file/{XML}url")) == count else None

    return wait_until(there, what=f"{count} holders of {name}")


@pytest.fixture(scope="module")
def nodes(module_fleet):
    """An index, two peers that have DATA under different names, and one that has nothing of it."""
    index = module_fleet.index(name="desk")
    first = module_fleet.peer(index, {"dir/image.bin": DATA, ODD: b"odd"}, name="kitchen")
    second = module_fleet.peer(index, {"copy-of-image.bin": DATA}, name="cellar")
    other = module_fleet.peer(index, {"other.txt": b"other"}, name="attic")
    index.wait_file(ODD)
    index.wait_file("other.txt")
    whole_holders(index, "dir/image.bin", 2)
    whole_holders(index, ODD, 1)
    whole_holders(index, "other.txt", 1)
    return index, first, second, other


@pytest.mark.parametrize("start", [0, 1, 2, 3], ids=["index", "holder", "renamed", "stranger"])
def test_curl_from_any_node(nodes, tmp_path, start):
    run(tmp_path, "curl", "-sSfLO", url(nodes[start], "dir/image.bin"))
    assert (tmp_path / "image.bin").read_bytes() == DATA
    run(tmp_path, "curl", "-sSfLOJ", url(nodes[start], ODD))
    assert b"odd" in [p.read_bytes() for p in tmp_path.iterdir()], list(tmp_path.iterdir())


@pytest.mark.parametrize("start", [0, 1, 3], ids=["index", "holder", "stranger"])
def test_curl_goes_on(nodes, tmp_path, start):
    """What is there already is not sent again: otherwise it would be right in the end."""
    place = tmp_path / "image.bin"
    place.write_bytes(b"x" * 1000 + DATA[1000 : 3 << 20])
    run(tmp_path, "curl", "-sSfL", "-C", "-", "-O", url(nodes[start], "dir/image.bin"))
    assert place.read_bytes() == b"x" * 1000 + DATA[1000:]


@pytest.mark.parametrize("start", [0, 1, 3], ids=["index", "holder", "stranger"])
def test_wget_goes_on(nodes, tmp_path, start):
    place = tmp_path / "image.bin"
    place.write_bytes(b"x" * 1000 + DATA[1000 : 3 << 20])
    run(tmp_path, "wget", "-nv", "-c", url(nodes[start], "dir/image.bin"))
    assert place.read_bytes() == b"x" * 1000 + DATA[1000:]
    run(tmp_path, "wget", "-nv", "-c", url(nodes[start], "dir/image.bin"))
    assert place.stat().st_size == len(DATA), "it was there"


def test_wget_takes_the_name_from_the_answer(nodes, tmp_path):
    run(tmp_path, "wget", "-nv", "--content-disposition", url(nodes[0], "copy-of-image.bin"))
    assert (tmp_path / "copy-of-image.bin").read_bytes() == DATA


@pytest.mark.parametrize("start", [0, 1, 3], ids=["index", "holder", "stranger"])
def test_aria2c_takes_it_from_all_holders(nodes, tmp_path, start):
    index, first, second, _ = nodes
    before = [node.stats()["uploaded"] for node in (first, second)]
    split = ["-x4", "-s4", "--min-split-size=1M"]  # -x: both holders are one server to it, by their IP
    aria2c(tmp_path, *split, url(nodes[start], "dir/image.bin", "metalink"))
    assert (tmp_path / "image.bin").read_bytes() == DATA

    def sent():
        """Counted after it was sent."""
        return [n.stats()["uploaded"] - b for n, b in zip((first, second), before)]

    wait_until(lambda: min(sent()) > 0 and sum(sent()) >= len(DATA), what=f"all of it in {sent()}")
    assert index.running()


def test_aria2c_writes_odd_names(nodes, tmp_path):
    aria2c(tmp_path, url(nodes[0], ODD, "metalink"))
    assert [p.name for p in tmp_path.iterdir()] == [ODD.rpartition("/")[2]]


class Liar(Holder):
    def bytes_of(self, first, length):
        return b"\0" * length


def test_aria2c_notices_wrong_bytes(fleet, tmp_path):
    """The hash in the Metalink is what its user can rely on."""
    index = fleet.index()
    fleet.own(Liar(index, DATA[:100_000], path="lie.bin"))
    whole_holders(index, "lie.bin", 1)
    said = aria2c(tmp_path, url(index, "lie.bin", "metalink"), code=32)
    assert b"hecksum" in said


def test_a_metalink(nodes):
    index, first, second, _ = nodes
    reply = index.get(path_of("metalink", "dir/image.bin"))
    assert reply.header("content-type") == "application/metalink4+xml"
    assert 'filename="image.bin.meta4"' in reply.header("content-disposition")
    root = ElementTree.fromstring(reply.body)
    assert root.tag == f"{XML}metalink"
    file = root.find(f"{XML}file")
    assert file.get("name") == "image.bin"
    assert file.findtext(f"{XML}size") == str(len(DATA))
    hashes = file.findall(f"{XML}hash")
    assert [(h.get("type"), h.text) for h in hashes] == [("sha-256", sha256(DATA))]
    urls = file.findall(f"{XML}url")
    assert [u.get("priority") for u in urls] == ["1", "2"]
    content = f"/v1/content/{sha256(DATA)}"
    assert {u.text for u in urls} == {f"http://{n.address}{content}" for n in (first, second)}
    odd = ElementTree.fromstring(index.get(path_of("metalink", ODD)).body)
    assert odd.find(f"{XML}file").get("name") == ODD.rpartition("/")[2]


def test_heads_say_what_the_bytes_are(nodes):
    _, first, _, _ = nodes
    digest = base64.b64encode(hashlib.sha256(DATA).digest()).decode()
    for method, headers, status, length in (
        ("HEAD", {}, 200, len(DATA)),
        ("GET", {}, 200, len(DATA)),
        ("GET", {"Range": "bytes=5-9"}, 206, 5),
    ):
        reply = first.get(path_of("download", "dir/image.bin"), headers, method=method)
        assert reply.status == status and reply.header("content-length") == str(length)
        assert reply.header("repr-digest") == f"sha-256=:{digest}:"
        assert reply.header("etag") == f'"{sha256(DATA)}"'
        assert reply.header("accept-ranges") == "bytes"
        assert reply.header("content-disposition") == 'attachment; filename="image.bin"'


def test_who_is_sent_where(nodes):
    """A peer sends on to its index, the index to a holder, and that is the end of the way."""
    index, first, _, other = nodes
    for what in ("download", "metalink"):
        path = path_of(what, "dir/image.bin")
        for method in ("GET", "HEAD"):
            reply = other.get(path, method=method)
            assert (reply.status, reply.header("location")) == (307, f"http://{index.address}{path}")
    reply = index.get(path_of("download", "dir/image.bin"), method="HEAD")
    target = f"http://{first.address}/download/dir/image.bin?own=1"
    assert (reply.status, reply.header("location")) == (307, target), "the same name"
    assert other.get(path_of("download", "dir/image.bin") + "?own=1").status == 404
    for node, status in ((index, 404), (other, 307)):
        assert node.get("/download/none.bin").status == status
        assert node.get("/metalink/none.bin").status == status
    assert index.get("/metalink/..%2fetc").status in (400, 404)


def test_another_name_does_when_nobody_else_is_left(fleet):
    index = fleet.index()
    first = fleet.peer(index, {"a.bin": b"same"}, name="kitchen")
    second = fleet.peer(index, {"b.bin": b"same"}, name="cellar")
    whole_holders(index, "a.bin", 2)
    assert index.get("/download/a.bin").header("location").startswith(f"http://{first.address}/")
    with Member(index, name="far") as far:
        far.joined(offer("a.bin", size=4, sha256=sha256(b"same")))
        wait_until(lambda: not index.node("far")["reachable"], what="nobody answers at port 9")
        first.stop()
        reply = index.get("/download/a.bin")
        target = f"http://{second.address}/download/b.bin?own=1"
        assert (reply.status, reply.header("location")) == (307, target)


def test_curl_waits_for_a_file_that_is_still_read(fleet, tmp_path):
    """Asking for it makes its holder hash it first, whoever was asked."""
    index = fleet.index()
    files = {f"big-{i}.bin": os.urandom(1 << 20) for i in range(6)}
    peer = fleet.peer(index, files, "--share.hash_rate", "1M/s")
    last = "big-5.bin"
    wait_until(lambda: index.file(last), what="its name")
    wait_until(lambda: index.get("/download/" + last).status == 307, what="its holder")
    run(tmp_path, "curl", "-sSfLO", "--retry", "30", url(index, last))
    assert (tmp_path / last).read_bytes() == files[last]
    assert ask(peer.address, "GET", "/download/" + last).status == 200


def test_a_peer_without_an_index(fleet):
    peer = fleet.peer("127.0.0.1:9", {"own.txt": b"own"})
    wait_until(lambda: peer.get("/download/own.txt").status == 200)
    assert peer.get("/download/none.txt").status == 404
    reply = peer.get("/metalink/own.txt")
    assert reply.status == 503 and reply.header("retry-after") == "1"
