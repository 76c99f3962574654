# SPDX-License-Identifier: MIT
"""Large files in little memory, and streams into what is no file. Sizes about a piece are in
test_get and test_get_many, files beyond 4 GiB in test/qemu and, whole, in test_get (long)."""

import os
import re
import subprocess
import threading
from pathlib import Path

import pytest

from chains import PIECE_MIN, sha256
from fleet import SLOW, left_in, wait_until
from test_liars import DATA, OneBitInTheMiddle

MIB = 1 << 20


def most_memory_kib(process):
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii", errors="replace")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1))


@pytest.mark.skipif(SLOW > 1, reason="sanitizers take memory of their own")
def test_memory_of_a_get_does_not_grow_with_the_file(fleet, index):
    """A hundred times as large, and still far from its budget of 16 MiB."""
    share, sizes = fleet.folder("share-large"), {"small.bin": 4 * MIB, "large.bin": 400 * MIB}
    for name, size in sizes.items():
        with open(share / name, "wb") as out:
            out.truncate(size)
            out.seek(size // 2)
            out.write(b"a needle")
    fleet.peer(index, share=share)
    used = {}
    for name, size in sizes.items():
        index.wait_file(name, deadline=60)
        here = fleet.folder(f"here-{size}")
        process = fleet.spawn("get", name, "--linger", "1m", "-q", index=index, cwd=here)
        wait_until(lambda: left_in(here) == [name], 60, "the file is whole")
        used[name] = most_memory_kib(process)
        process.terminate()
        assert process.communicate(timeout=20)[1] == b""
        with open(here / name, "rb") as got:
            got.seek(size // 2 - 1)
            assert got.read(10) == b"\0a needle\0" and os.fstat(got.fileno()).st_size == size
        (here / name).unlink()
    assert used["large.bin"] < 10 * 1024 and used["large.bin"] - used["small.bin"] < 5 * 1024, used


class Loop:
    """A block device of some size, over a file."""

    def __init__(self, fleet, size):
        self.size, disk = size, fleet.folder("disk") / "image"
        with open(disk, "wb") as out:
            out.truncate(size)
        line = ["losetup", "-f", "--show", str(disk)]
        done = subprocess.run(line, check=False, capture_output=True, text=True)
        if done.returncode != 0 or not Path(done.stdout.strip()).is_block_device():
            pytest.skip("no loop devices here")
        self.device = done.stdout.strip()
        fleet.own(self)

    def close(self):
        subprocess.run(["losetup", "-d", self.device], check=True)

    def clear(self):
        with open(self.device, "wb") as disk:
            disk.write(bytes(self.size))

    def bytes(self):
        with open(self.device, "rb") as disk:
            return disk.read()


SIZES = [1, PIECE_MIN - 1, PIECE_MIN, PIECE_MIN + 1, 3 * PIECE_MIN, 2_000_003]


@pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root")
@pytest.mark.parametrize("option", [["--stream"], ["-o", "-"]], ids=["stream", "spool"])
def test_to_a_block_device(fleet, index, option):
    """As a board writes an image to its card: all bytes in their place, and none beyond."""
    loop = Loop(fleet, 4 * MIB)
    files = {f"{size}.img": os.urandom(size) for size in SIZES}
    fleet.peer(index, files)
    for name, data in files.items():
        index.wait_file(name, sha256(data))
        loop.clear()
        with open(loop.device, "wb") as disk:
            process = fleet.spawn("get", name, *option, index=index, stdout=disk)
            _, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, b""), name
        assert loop.bytes() == data + bytes(loop.size - len(data)), name


@pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root")
@pytest.mark.parametrize("option", [["--stream"], ["-o", "-"]], ids=["stream", "spool"])
def test_a_block_device_that_is_too_small(fleet, index, option):
    loop = Loop(fleet, MIB)
    fleet.peer(index, {"big.img": os.urandom(2 * MIB)})
    index.wait_file("big.img")
    with open(loop.device, "wb") as disk:
        process = fleet.spawn("get", "big.img", *option, index=index, stdout=disk)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 1 and b"No space left" in err, err


def test_the_exit_status_of_a_stream_is_the_proof(fleet, index):
    """Into a pipe with a name. What was given out may be wrong, which the status says; nothing
    wrong comes out of a spooled one."""
    pipe = fleet.folder("pipes") / "pipe"
    os.mkfifo(pipe)
    fleet.own(OneBitInTheMiddle(index, DATA, "liar", "image.bin"))
    fleet.peer(index, {"right.bin": DATA[:-1]})
    index.wait_file("right.bin", sha256(DATA[:-1]))
    rows = [
        ("right.bin", "--stream", 0, DATA[:-1]),
        ("right.bin", "-o-", 0, DATA[:-1]),
        ("image.bin", "--stream", 5, DATA[:PIECE_MIN]),
        ("image.bin", "-o-", 5, b""),
    ]
    for name, option, code, most in rows:
        got = []
        reader = threading.Thread(target=lambda got=got: got.append(pipe.read_bytes()), daemon=True)
        reader.start()
        with open(pipe, "wb") as out:
            process = fleet.spawn("get", name, option, index=index, stdout=out)
        _, err = process.communicate(timeout=30)
        reader.join(10)
        assert process.returncode == code and bool(err) == bool(code), (name, option, err)
        assert got[0] == most if code == 0 else most.startswith(got[0]), (name, option)
