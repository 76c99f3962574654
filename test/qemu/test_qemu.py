# SPDX-License-Identifier: MIT
"""Smoke run of the cross-built programs under qemu-user: each serves a native get as index and as
peer, and fetches from a native pair. It proves function, not speed."""

import os
import shutil
from pathlib import Path

import pytest

from chains import sha256
from fleet import ROOT

BUILD = Path(os.environ.get("P2P_BUILD", ROOT / "build"))
EMULATOR = {
    "armv6": ["qemu-arm-static", "-cpu", "arm1176"],
    "armv7": ["qemu-arm-static", "-cpu", "cortex-a7"],
    "aarch64": ["qemu-aarch64-static", "-cpu", "cortex-a53"],
    "riscv64": ["qemu-riscv64-static"],
}
FILES = {"small.txt": b"small\n", "empty": b"", "sub/pieces.bin": os.urandom(3 * 65536 + 17)}


@pytest.fixture(params=EMULATOR)
def foreign(request):
    """Prefix and binary of one processor."""
    prefix = EMULATOR[request.param]
    binary = BUILD / request.param / "p2p"
    assert shutil.which(prefix[0]), f"{prefix[0]} is missing; run sh test/setup.sh"
    assert binary.exists(), f"{binary} is missing; run make TARGET={request.param}"
    return {"prefix": prefix, "binary": binary}


def fetch_all(fleet, index, **how):
    for name, data in FILES.items():
        index.wait_file(name, sha256(data), deadline=30)
        folder = fleet.folder(f"got-{sha256(data)[:8]}")
        what = name if name != "empty" else sha256(data)
        result = fleet.run("get", what, "-o", f"{folder}/", index=index, timeout=60, **how)
        assert result.code == 0 and result.err == "", result
        assert (folder / Path(name).name).read_bytes() == data


def test_version(fleet, foreign):
    assert fleet.ok("version", **foreign).out == fleet.ok("version").out


def test_foreign_index_and_peer_serve_a_native_get(fleet, foreign):
    index = fleet.index(**foreign)
    peer = fleet.peer(index, FILES, **foreign)
    fetch_all(fleet, index)
    assert {row[-1] for row in fleet.ok("list", index=index).rows()} == set(FILES)
    peer.stop()
    assert index.files() == []


def test_native_index_and_peer_serve_a_foreign_get(fleet, foreign):
    index = fleet.index()
    fleet.peer(index, FILES)
    fetch_all(fleet, index, **foreign)
    assert {row[-1] for row in fleet.ok("list", index=index, **foreign).rows()} == set(FILES)


def test_foreign_peer_sees_changes(fleet, foreign):
    """Watching, scanning and the hash cache on another processor."""
    index = fleet.index()
    peer = fleet.peer(index, {"a.txt": b"alpha"}, **foreign)
    index.wait_file("a.txt", sha256(b"alpha"), deadline=30)
    (peer.share / "b.txt").write_bytes(b"beta")
    index.wait_file("b.txt", sha256(b"beta"), deadline=30)
    (peer.share / "a.txt").unlink()
    index.wait_gone("a.txt", deadline=30)
    first = index.node("kitchen")["node"]
    peer.restart()
    index.wait_file("b.txt", sha256(b"beta"), deadline=30)
    assert index.node("kitchen")["node"] == first


def test_foreign_both(fleet, foreign):
    both = fleet.both(FILES, **foreign)
    fetch_all(fleet, both)
