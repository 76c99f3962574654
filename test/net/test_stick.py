# SPDX-License-Identifier: MIT
"""Sticks and cards as cameras and PCs format them: FAT and exFAT know no hard links, no executable bit, times of 2 s,
one file for two spellings of its name, and fewer names. Needs root and a loop device."""

import os
import subprocess
import time

import pytest

from chains import sha256
from fleet import SLOW, left_in, put, wait_until

MIB = 1 << 20
MAKERS = {"vfat": ["mkfs.vfat"], "exfat": ["mkfs.exfat"]}


def knows(kind):
    with open("/proc/filesystems", encoding="ascii") as systems:
        return any(line.split()[-1] == kind for line in systems)


def shell(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)


class Stick:
    """An image on a loop device. exFAT may come by FUSE."""

    def __init__(self, fleet, kind, size_mib=256):
        self.path, self.image, self.kind = fleet.folder("stick"), fleet.root / "stick.img", kind
        self.loop = None
        fleet.own(self)
        with open(self.image, "wb") as image:
            image.truncate(size_mib * MIB)
        if os.geteuid() != 0:
            pytest.skip("mounting needs root")
        if shell("which", *MAKERS[kind]).returncode != 0:
            pytest.skip(f"{MAKERS[kind][0]} is missing; test/setup.sh installs it")
        assert shell(*MAKERS[kind], self.image).returncode == 0
        if not knows(kind):
            shell("sh", "-c", f"modprobe {kind}")
        by_fuse = kind == "exfat" and not knows(kind)
        if by_fuse and shell("which", "mount.exfat-fuse").returncode != 0 or kind == "vfat" and not knows(kind):
            pytest.skip(f"this kernel knows no {kind}")
        attached = shell("losetup", "-f", "--show", self.image)
        if attached.returncode != 0:
            pytest.skip(f"no loop device: {attached.stderr.strip()}")
        self.loop = attached.stdout.strip()
        self.mounter = ["mount.exfat-fuse"] if by_fuse else ["mount", "-t", kind]
        done = shell(*self.mounter, self.loop, self.path)
        assert done.returncode == 0 and os.path.ismount(self.path), done

    def close(self):
        if self.loop:
            shell("umount", "-l", self.path)
            shell("losetup", "-d", self.loop)


@pytest.fixture(params=["vfat", "exfat"])
def stick(fleet, request):
    return Stick(fleet, request.param)


def test_a_share_on_a_stick(fleet, index, stick):
    """Found, changed within the grain of its times, spelt anew, and started again."""
    files = {"DCIM/Image 1.JPG": os.urandom(300_000), "a.txt": b"alpha", "leer": b""}
    for name, data in files.items():
        put(stick.path / name, data)
    peer = fleet.peer(index, None, share=stick.path)
    for name, data in files.items():
        index.wait_file(name, sha256(data))
    for i in range(4):
        data = b"step%d" % i
        (stick.path / "a.txt").write_bytes(data)
        index.wait_file("a.txt", sha256(data))
    os.rename(stick.path / "a.txt", stick.path / "A.TXT")
    index.wait_file("A.TXT", sha256(b"step3"))
    index.wait_gone("a.txt")
    here = fleet.folder("here")
    fleet.ok("get", "DCIM/Image 1.JPG", index=index, cwd=here)
    assert (here / "Image 1.JPG").read_bytes() == files["DCIM/Image 1.JPG"]
    peer.stop()
    (stick.path / "A.TXT").write_bytes(b"STEP3")
    peer.start()
    index.wait_file("A.TXT", sha256(b"STEP3"))
    index.wait_file("DCIM/Image 1.JPG", sha256(files["DCIM/Image 1.JPG"]))


def test_a_get_onto_a_stick(fleet, index, stick):
    """Of one file and of a folder, interrupted too; times and content are right."""
    files = {f"f/{i:03}.bin": os.urandom(5000 + i) for i in range(60)} | {"f/big.bin": os.urandom(9 * MIB)}
    peer = fleet.peer(index, files, "--transfer.upload_limit", "6M/s")
    wait_until(lambda: index.offers("kitchen") == len(files), what="all files")
    for name, data in files.items():
        index.wait_file(name, sha256(data))
    process = fleet.spawn("get", "f/", index=index, cwd=stick.path)
    wait_until(lambda: peer.stats()["uploaded"] > MIB, what="some bytes")
    process.kill()
    process.communicate()
    fleet.ok("get", "f/", index=index, cwd=stick.path)
    assert left_in(stick.path) == sorted(files) and list(stick.path.iterdir()) == [stick.path / "f"]
    for name, data in files.items():
        assert (stick.path / name).read_bytes() == data
        assert abs((stick.path / name).stat().st_mtime - (peer.share / name).stat().st_mtime) <= 2
    again = fleet.ok("get", "f/", index=index, cwd=stick.path)
    assert len(again.out.splitlines()) == len(files)


def test_names_that_a_stick_does_not_take(fleet, index, stick):
    """Each is named with the reason, and the rest arrives."""
    good = {"f/one.txt": b"one", "f/deep/two.txt": b"two", "f/ünï.txt": b"three"}
    bad = {"f/a:b.txt": b"colon", "f/what?.txt": b"question", "f/deep/x*y": b"star", "f/big:.bin": os.urandom(2 * MIB)}
    fleet.peer(index, good | bad)
    for name, data in (good | bad).items():
        index.wait_file(name, sha256(data))
    begun = time.monotonic()
    result = fleet.run("get", "f/", index=index, cwd=stick.path)
    assert result.code == 1, result
    left = [name for name in left_in(stick.path) if not name.endswith(".part")]
    assert left == sorted(good) and not (stick.path / ".p2p-get").exists()
    for name in bad:
        told = [line for line in result.err.splitlines() if name.rsplit("/", 1)[-1] in line]
        assert len(told) == 1 and "takes no such name" in told[0], (name, result.err)
    assert len(result.out.splitlines()) == len(good)
    assert time.monotonic() - begun < 60 * SLOW, "it does not try again and again"
    for name in ("f/a:b.txt", "f/big:.bin"):
        single = fleet.fails(1, "get", name, index=index, cwd=stick.path)
        assert name[2:] in single.err and "takes no such name" in single.err
    for name, to in (("f/a:b.txt", "ab.txt"), ("f/big:.bin", "f/big.bin")):
        fleet.ok("get", name, "-o", to, index=index, cwd=stick.path)
        assert (stick.path / to).read_bytes() == bad[name]


def test_two_spellings_of_one_name(fleet, index, stick):
    """One arrives, the other is named; never one over the other."""
    files = {"f/Same.txt": b"upper", "f/same.txt": b"lower", "f/other.txt": b"other"}
    fleet.peer(index, files)
    for name, data in files.items():
        index.wait_file(name, sha256(data))
    result = fleet.run("get", "f/", index=index, cwd=stick.path)
    assert result.code == 1 and "ame.txt" in result.err, result
    assert (stick.path / "f/other.txt").read_bytes() == b"other"
    there = [p for p in (stick.path / "f").iterdir() if p.name.lower() == "same.txt"]
    assert len(there) == 1 and there[0].read_bytes() == files[f"f/{there[0].name}"]
