# SPDX-License-Identifier: MIT
"""Faults of machines and files: what changes while it is fetched, disks and tables that are full, processes that
are stopped or ended at any moment. Each ends in a right file or a clear word, and nothing is left."""

import os
import signal
import time

import pytest

from chains import sha256
from fleet import put, wait_until

MIB = 1 << 20
SLOWLY = ["--transfer.upload_limit", "4M/s"]


@pytest.fixture
def index(fleet):
    return fleet.index()


@pytest.fixture
def here(fleet):
    return fleet.folder("here")


def left_in(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir())


def begin_get(fleet, index, here, *words):
    """A get of which some bytes have come."""
    process = fleet.spawn("get", *words, index=index, cwd=here)
    wait_until(lambda: any(p.stat().st_size > 0 for p in here.rglob(".p2p-*.part")), what="bytes")
    return process


def ended(process, timeout=60):
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out.decode(), err.decode()


# --- files that change under a get ---


def replace(path, data):
    put(path.with_name(".new"), data, 10)
    os.rename(path.with_name(".new"), path)


def overwrite(path, data):
    path.write_bytes(data)


def shrink(path, data):
    os.truncate(path, len(data))


CHANGES = [
    ("replaced", replace, os.urandom(3 * MIB)),
    ("written anew", overwrite, os.urandom(9 * MIB)),
    ("shorter", shrink, None),
]


@pytest.mark.parametrize("what,change,data", CHANGES, ids=[c[0] for c in CHANGES])
def test_a_file_that_changes_is_fetched_as_it_is_now(fleet, index, here, what, change, data):
    old = os.urandom(12 * MIB)
    data = data or old[: 5 * MIB]
    peer = fleet.peer(index, {"d/moving.bin": old}, *SLOWLY)
    index.wait_file("d/moving.bin", sha256(old))
    process = begin_get(fleet, index, here, "d/moving.bin")
    change(peer.share / "d/moving.bin", data)
    code, out, err = ended(process)
    assert code == 0 and out.startswith(sha256(data)), (code, out, err)
    assert "changed while it was fetched" in err, "it says so"
    assert (here / "moving.bin").read_bytes() == data
    assert left_in(here) == ["moving.bin"]


@pytest.mark.parametrize("by", ["name", "sha256", "folder"])
def test_a_file_that_goes_while_it_is_fetched(fleet, index, here, by):
    data = os.urandom(12 * MIB)
    peer = fleet.peer(index, {"d/going.bin": data, "d/staying": b"stays"}, *SLOWLY)
    index.wait_file("d/going.bin", sha256(data))
    index.wait_file("d/staying", sha256(b"stays"))
    what = {"name": "d/going.bin", "sha256": sha256(data), "folder": "d/"}[by]
    process = begin_get(fleet, index, here, what)
    (peer.share / "d/going.bin").unlink()
    begun = time.monotonic()
    code, out, err = ended(process)
    assert code == 4 and "going.bin" in err, (code, out, err)
    assert "changed while it was fetched" in err and ("nobody offers" in err or "removed" in err)
    assert time.monotonic() - begun < 10, "nobody waits for what is known to be gone"
    kept = [name for name in left_in(here) if not name.endswith(".part")]
    assert kept == (["d/staying"] if by == "folder" else [])
    assert by == "sha256" or left_in(here) == kept, "a part of what is no more is of no use"


@pytest.mark.parametrize("by", ["name", "sha256"])
def test_a_file_that_is_only_touched_comes(fleet, index, here, by):
    data = os.urandom(12 * MIB)
    peer = fleet.peer(index, {"d/same.bin": data}, *SLOWLY)
    index.wait_file("d/same.bin", sha256(data))
    process = begin_get(fleet, index, here, "d/same.bin" if by == "name" else sha256(data))
    os.utime(peer.share / "d/same.bin")
    code, out, err = ended(process)
    assert code == 0 and out.startswith(sha256(data)), (code, out, err)
    assert left_in(here) == ["same.bin"] and (here / "same.bin").read_bytes() == data


def test_a_change_at_one_of_two_holders(fleet, index, here):
    """The others have it still: it is fetched from them as it was."""
    data = os.urandom(12 * MIB)
    peers = [fleet.peer(index, {"a.bin": data}, *SLOWLY, name=name) for name in ("one", "two")]
    for peer in peers:
        index.wait_file("a.bin", sha256(data), node=peer.name)
    process = begin_get(fleet, index, here, "a.bin")
    (peers[0].share / "a.bin").write_bytes(b"new")
    code, out, err = ended(process)
    assert code == 0 and out.startswith(sha256(data)), (code, out, err)
    assert left_in(here) == ["a.bin"] and (here / "a.bin").read_bytes() == data
