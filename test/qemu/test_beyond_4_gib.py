# SPDX-License-Identifier: MIT
"""Offsets beyond 4 GiB where a word has 32 bits. Hashing that much under qemu would take minutes:
a native peer hashes the sparse file, and the other processor's goes on with its state folder. A get
begins at the end of the file, so that what matters comes first; the rest, zeros, is not waited
for."""

import json
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from fleet import wait_until
from rawhttp import ask
from test_qemu import BUILD, EMULATOR

GIB = 1 << 30
PIECE = 4 << 20
SIZE = 4 * GIB + 2 * PIECE + 17
NEEDLES = {4 * GIB - 4: b"over the edge", 4 * GIB + PIECE - 3: b"between pieces", SIZE - 3: b"end"}


def put_sparse(path):
    with open(path, "wb") as out:
        out.truncate(SIZE)
        for at, needle in NEEDLES.items():
            out.seek(at)
            out.write(needle)
    os.utime(path, (1_700_000_000, 1_700_000_000))


@pytest.fixture(scope="module")
def hashed(module_fleet):
    """An index, and a share whose file a native peer has hashed, with that peer's state folder."""
    share = module_fleet.folder("share")
    put_sparse(share / "large.img")
    index = module_fleet.index()
    peer = module_fleet.peer(index, share=share, name="native")
    sha256 = index.wait_file("large.img", deadline=60)["sha256"]
    peer.stop()
    yield {"index": index, "share": share, "state": peer.state, "sha256": sha256}


@pytest.fixture(params=["armv7", "armv6"])
def narrow(request):
    return {"prefix": EMULATOR[request.param], "binary": BUILD / request.param / "p2p"}


@pytest.fixture
def disk():
    """Where space can be taken without being used up: not in memory."""
    path = Path(tempfile.mkdtemp(prefix="p2p-test-", dir="/var/tmp"))
    if shutil.disk_usage(path).free < 6 * GIB:
        pytest.skip("needs 6 GiB of disk")
    yield path
    shutil.rmtree(path)


def slice_of(first, length):
    data = bytearray(length)
    for at, needle in NEEDLES.items():
        for i, byte in enumerate(needle):
            if first <= at + i < first + length:
                data[at + i - first] = byte
    return bytes(data)


RANGES = [
    (4 * GIB - 5, 20),
    (4 * GIB - 1, 1),
    (4 * GIB, 1),
    (4 * GIB + PIECE - 10, 30),
    (SIZE - 3, 3),
    (SIZE - PIECE, PIECE),
]


def test_ranges_are_served(fleet, hashed, narrow):
    peer = fleet.peer(
        hashed["index"], share=hashed["share"], state=hashed["state"], name="narrow", **narrow
    )
    found = hashed["index"].wait_file("large.img", hashed["sha256"], "narrow", deadline=20)
    assert found["size"] == SIZE
    for path in (f"/v1/content/{hashed['sha256']}", "/download/large.img"):
        for first, length in RANGES:
            place = f"bytes={first}-{first + length - 1}"
            reply = peer.get(path, {"Range": place})
            assert reply.status == 206, (path, place, reply)
            assert reply.header("content-range") == f"bytes {first}-{first + length - 1}/{SIZE}"
            assert reply.body == slice_of(first, length), (path, place)
        assert peer.get(path, {"Range": f"bytes={SIZE}-"}).status == 416
        assert peer.get(path, {"Range": "bytes=-3"}).body == b"end"
        assert peer.get(path, method="HEAD").header("content-length") == str(SIZE)
    chain = peer.get(f"/v1/chain/{hashed['sha256']}")
    count = -(-SIZE // PIECE)
    assert chain.header("p2p-piece") == str(PIECE) and len(chain.body) == 32 * (count - 1)
    have = peer.get(f"/v1/have/{hashed['sha256']}").body
    assert int.from_bytes(have, "big") == ((1 << count) - 1) << -count % 8
    peer.stop()


def test_a_get_from_the_end(fleet, hashed, narrow, disk):
    """Its first pieces lie beyond 4 GiB: they are proven, written to their places, and served."""
    index = hashed["index"]
    peer = fleet.peer(index, share=hashed["share"], state=hashed["state"], name="native")
    index.wait_file("large.img", hashed["sha256"], "native", deadline=20)
    words = ["large.img", "--json", "--node.name", "guest", "--share.min_free", "0"]
    process = fleet.spawn("get", *words, index=index, cwd=disk, **narrow)

    def guest():
        found = index.stream(f"/v1/sources/{hashed['sha256']}")[0]
        return next((line["addresses"][0] for line in found if line["name"] == "guest"), None)

    address = wait_until(guest, 30, "it has a part, and says so")
    path = f"/v1/content/{hashed['sha256']}"

    def proven(first, length):
        reply = ask(address, "GET", path, {"Range": f"bytes={first}-{first + length - 1}"})
        return reply.body if reply.status == 206 else None

    for first, length in reversed(RANGES[:-1]):
        got = wait_until(lambda place=(first, length): proven(*place), 30, f"{first} is proven")
        assert got == slice_of(first, length)
    (part,) = disk.glob(".p2p-*.part")
    assert part.stat().st_size == SIZE, "space was taken for all of it"
    with open(part, "rb") as data:
        for first, length in RANGES:
            data.seek(first)
            assert data.read(length) == slice_of(first, length)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, (out, err)
    peer.stop()
    assert not json.loads(out.splitlines()[-1] if out else b"{}").get("sha256")
