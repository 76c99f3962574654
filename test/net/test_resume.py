# SPDX-License-Identifier: MIT
"""A get that is killed, again and again, at random moments: the next one ends right, uses what was
there, and leaves nothing behind. The seed is printed; P2P_SEED repeats a run."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from chains import sha256
from fleet import put, wait_until
from test_get_many import left_in, printed, wait_all

MIB = 1 << 20


def files_of_all_kinds(rng):
    """Many small files, one of many pieces, one of a single piece and a half, an empty one."""
    files = {f"f/small/{i:03}.bin": rng.randbytes(rng.randrange(1, 6000)) for i in range(300)}
    files |= {"f/large.bin": rng.randbytes(20 * MIB + 17), "f/medium.bin": rng.randbytes(100_000)}
    return {**files, "f/empty": b""}


def kill_at(process, seconds):
    """After so many seconds, unless it ends before."""
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)


def killed_often(fleet, index, times):
    seed = int(os.environ.get("P2P_SEED", random.randrange(1 << 32)))
    print(f"P2P_SEED={seed}")
    rng = random.Random(seed)
    files = files_of_all_kinds(rng)
    fleet.peer(index, files)
    wait_all(index, len(files))
    here = fleet.folder("here")
    begun = time.monotonic()
    fleet.ok("get", "f/", index=index, cwd=here)
    whole = time.monotonic() - begun
    for i in range(times):
        if rng.random() < 0.7:
            shutil.rmtree(here / "f")
        else:
            for name in rng.sample(sorted(files), 20):
                (here / name).unlink()
        for _ in range(rng.choice((1, 1, 2, 3))):
            kill_at(fleet.spawn("get", "f/", index=index, cwd=here), rng.random() * whole * 1.2)
        result = fleet.ok("get", "f/", index=index, cwd=here)
        assert printed(result) == {name: sha256(data) for name, data in files.items()}, i
        assert left_in(here) == sorted(files), f"round {i}"
        assert [p.name for p in here.iterdir()] == ["f"], f"round {i}"
        for name, data in files.items():
            assert (here / name).read_bytes() == data, f"round {i}: {name}"


def test_killed_at_random_moments(fleet, index):
    killed_often(fleet, index, 20)


@pytest.mark.long
def test_killed_at_random_moments_200_times(fleet, index):
    killed_often(fleet, index, 200)


def wait_bytes(here, size):
    """Until so many bytes have come; the .part. Its space is taken at once, but it is zeros."""
    part = wait_until(lambda: next(here.glob(".p2p-*.part"), None), what="the .part")

    def come():
        data = part.read_bytes()
        return sum(any(data[i : i + 64]) for i in range(0, len(data), 65536)) * 65536 >= size

    wait_until(come, what=f"{size} bytes")
    return part


def test_goes_on_where_it_was(fleet, index):
    """What was there is not fetched again, from whomever it came and whatever it is called now."""
    data, here = os.urandom(12 * MIB), fleet.folder("here")
    first = fleet.peer(index, {"old.bin": data}, "--transfer.upload_limit", "4M/s", name="first")
    wait_all(index, 1)
    process = fleet.spawn("get", "old.bin", index=index, cwd=here)
    wait_bytes(here, 4 * MIB)
    process.kill()
    process.communicate()
    first.stop()
    fleet.peer(index, {"new.bin": data}, name="second")
    index.wait_file("new.bin", sha256(data), node="second")
    result = fleet.ok("get", "new.bin", "--json", index=index, cwd=here)
    last = json.loads(result.out)
    assert last["sources"][0]["name"] == "second"
    assert last["sources"][0]["bytes"] < 9 * MIB, "some of it was there"
    assert last["rate"] == last["sources"][0]["bytes"] * 1000 // last["elapsed_ms"]
    assert (here / "new.bin").read_bytes() == data and left_in(here) == ["new.bin"]


@pytest.mark.parametrize("spoil", ["zeros", "noise", "longer", "shorter", "empty"])
def test_a_part_that_is_anything(fleet, index, spoil):
    """After a power cut a .part may hold anything: every piece of it is hashed again."""
    data, here = os.urandom(3 * MIB), fleet.folder("here")
    fleet.peer(index, {"big.bin": data})
    wait_all(index, 1)
    left = {
        "zeros": data[:MIB] + bytes(MIB) + data[2 * MIB :],
        "noise": os.urandom(len(data)),
        "longer": data + b"more",
        "shorter": data[: MIB + 5],
        "empty": b"",
    }[spoil]
    put(here / f".p2p-{sha256(data)[:32]}.part", left)
    result = fleet.ok("get", "big.bin", "--json", index=index, cwd=here)
    given = sum(source["bytes"] for source in json.loads(result.out)["sources"])
    missing = {"zeros": MIB, "noise": 3 * MIB, "longer": 0, "shorter": 2 * MIB, "empty": 3 * MIB}
    assert given == missing[spoil]
    assert (here / "big.bin").read_bytes() == data and left_in(here) == ["big.bin"]


@pytest.mark.skipif(os.cpu_count() < 2, reason="one processor: one worker")
def test_a_part_is_hashed_by_all_workers(fleet, index):
    """Nothing of it is missing: all that the threads do is to hash what is there."""
    here, data = fleet.folder("here"), os.urandom(MIB) * 128
    fleet.peer(index, {"big.bin": data})
    index.wait_file("big.bin", sha256(data))
    put(here / f".p2p-{sha256(data)[:32]}.part", data)
    process = fleet.spawn("get", "big.bin", "--linger", "forever", "-q", index=index, cwd=here)
    wait_until((here / "big.bin").exists, 60, "the file under its name")
    # nanoseconds on a processor, one line for each thread
    spent = sorted(int(p.read_text().split()[0]) for p in Path(f"/proc/{process.pid}/task").glob("*/schedstat"))
    process.terminate()
    process.communicate(timeout=20)
    assert spent[-2] > spent[-1] / 4, f"one thread did it all: {spent}"


@pytest.mark.parametrize("size,kept", [(MIB, False), (12 * MIB, True)])
def test_an_interrupted_get_says_what_it_keeps(fleet, index, size, kept):
    """The holder stands still when more than half of it is on its way."""
    here = fleet.folder("here")
    data = os.urandom(size)
    peer = fleet.peer(index, {"big.bin": data}, "--transfer.upload_limit", f"{size // 6}/s")
    index.wait_file("big.bin", sha256(data))
    process = fleet.spawn("get", "big.bin", index=index, cwd=here)
    wait_until(lambda: peer.stats()["uploaded"] > size * 5 // 8, 30, "more than a half")
    peer.send(signal.SIGSTOP)
    part = wait_bytes(here, size // 2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    peer.send(signal.SIGCONT)
    assert process.returncode == 130
    assert ("are kept" if kept else "is not kept") in err.decode(), err
    assert part.exists() == kept
    result = fleet.ok("get", "big.bin", "--json", index=index, cwd=here)
    given = sum(source["bytes"] for source in json.loads(result.out)["sources"])
    assert (given < size * 3 // 4) == kept, "it goes on from there"
    assert left_in(here) == ["big.bin"] and (here / "big.bin").read_bytes() == data
