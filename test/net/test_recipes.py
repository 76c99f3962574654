# SPDX-License-Identifier: MIT
"""README's recipes, word for word, on machines with the addresses that README gives them: each has a
network namespace, a home and a name of its own. (That of the Raspberry Pi is test/qemu's.)"""

import os
import re
import shutil
import signal
import subprocess

import pytest

from chains import sha256
from fleet import ROOT, Command, Ending, Lines, left_in, patience, program, put, run_prefix, wait_until
from island import Island

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

SONG = b"hello"  # the content whose SHA-256 README asks for
IMAGE = 101 << 20
NOTHING_FOUND = 4


def recipe(title):
    """The lines of its blocks, each with the remark that stands behind it."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    text = re.search(rf"^\*\*{title}\.?\*\*(.*?)^(?:\*\*|## )", readme, re.M | re.S).group(1)
    blocks = re.findall(r"^```\n(.*?)^```", text, re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    return [tuple(re.split(r"   +", line, maxsplit=1) + [""])[:2] for line in lines]


class Machine:
    """One of the fleet. Its home is also its /srv."""

    def __init__(self, town, i, address):
        self.town, self.address = town, address
        self.home = town.fleet.folder(f"machine{i}")
        inside = town.island.inside(i)
        here = f"mount --bind '{self.home}' /srv; hostname machine{i}; cd \"$0\" || exit; eval \"$1\""
        self.prefix = [*inside, "unshare", "-u", "sh", "-c", here]

    def start(self, line, cwd=None):
        env = self.town.fleet.environment(
            {"HOME": str(self.home), "XDG_STATE_HOME": str(self.home / ".state")}
        )
        env["PATH"] = f"{self.town.bin}:{env['PATH']}"
        return Command(
            [*self.prefix, str(cwd or self.home), line],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            start_new_session=True,
        )

    def role(self, line):
        """Begins one and waits until it listens and, when it is a peer, knows its index."""
        role = Role(self.start(f"exec {line}"))
        self.town.fleet.own(role)
        told = "joined" if " -i " in line else "listening on"
        assert role.out.wait(told, 20), (line, role.out.items, role.err.items)
        return role

    def run(self, line, cwd=None, codes=(0,)):
        """A command as it is typed; what it printed."""
        process = self.start(line, cwd)
        self.town.fleet.own(Ending(process))
        out, err = process.communicate(timeout=60)
        assert process.returncode in codes, (line, process.returncode, out, err)
        return out.decode()

    def look(self, command, cwd=None):
        """The same, but there may be nothing yet."""
        return self.run(command, cwd, (0, NOTHING_FOUND))


class Role:
    def __init__(self, process):
        self.process = process
        self.out, self.err = Lines(process.stdout), Lines(process.stderr)

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(patience(20)) == 0, self.out.items
        assert self.err.text() == "", self.err.items


class Town:
    def __init__(self, fleet):
        self.fleet = fleet
        self.bin = fleet.folder("bin")
        put(self.bin / "p2p", f"#!/bin/sh\nexec {' '.join(run_prefix())} {program()} \"$@\"\n".encode())
        (self.bin / "p2p").chmod(0o755)
        addresses = [f"10.0.0.{i}" for i in range(5, 9)]
        try:
            self.island = fleet.own(Island(addresses))
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no network namespaces here: {error}")
        self.machines = [Machine(self, i, address) for i, address in enumerate(addresses)]


@pytest.fixture
def town(fleet):
    return Town(fleet)


@pytest.fixture
def sharing(town):
    """The first recipe: 10.0.0.5 shares a folder."""
    ((line, _),) = recipe("Share a folder")
    put(town.machines[0].home / "share/music/song.ogg", SONG)
    town.machines[0].role(line)
    machine = town.machines[1]
    wait_until(lambda: sha256(SONG) in machine.look("p2p list -i 10.0.0.5"), 20, "the song")
    return town


def test_share_and_fetch(sharing):
    listing, by_name, by_content = [line for line, _ in recipe("Fetch a file")]
    machine = sharing.machines[1]
    assert "music/song.ogg" in machine.run(listing)
    assert machine.run(by_name).split() == [sha256(SONG), "song.ogg"]
    assert (machine.home / "song.ogg").read_bytes() == SONG
    assert machine.run(by_content, machine.town.fleet.folder("other")).split()[0] == sha256(SONG)
    assert sharing.machines[0].run("curl -sf http://10.0.0.5:7750/").startswith("<!doctype html>")


def test_without_p2p(sharing):
    lines = [line for line, _ in recipe("Without p2p")]
    assert [line.split()[0] for line in lines] == ["curl", "aria2c"]
    for line in lines:
        if shutil.which(line.split()[0]):
            into = sharing.fleet.folder(line.split()[0])
            sharing.machines[2].run(line, into)
            assert (into / "song.ogg").read_bytes() == SONG and left_in(into) == ["song.ogg"]


def test_a_fleet(town):
    (index, where), (peer, others) = recipe("A fleet")
    assert (where, others) == ("on 10.0.0.5", "on the others")
    town.machines[0].role(index)
    for i in (1, 2):
        put(town.machines[i].home / "files/both.bin", b"both")
        put(town.machines[i].home / f"files/only{i}.bin", b"%d" % i)
        town.machines[i].role(peer)
    # "In the shared folder itself commands need no -i"
    machine, shared = town.machines[1], "/srv/files"
    wait_until(lambda: machine.look("p2p list", shared).count("bin\n") == 3, 20, "all files")
    wait_until(lambda: machine.look("p2p who both.bin", shared).count("machine") == 2, 20, "both")
    machine.run("p2p get only2.bin", shared)
    assert (machine.home / "files/downloads/only2.bin").read_bytes() == b"2"
    wait_until(lambda: machine.look("p2p who only2.bin", shared).count("machine") == 2, 20, "shared")


def test_in_a_script(sharing):
    """The names of images over 100 MB go from one program to the next."""
    ((line, _),) = recipe("In a script")
    with open(sharing.machines[0].home / "share/big.img", "wb") as image:
        image.truncate(IMAGE)
    put(sharing.machines[0].home / "share/small.img", b"small")
    machine, known = sharing.machines[3], re.compile(r"^[0-9a-f]{64}\t.*\.img$", re.M)
    listing = "p2p list -i 10.0.0.5"
    wait_until(lambda: len(known.findall(machine.look(listing))) == 2, 30, "both are hashed")
    assert machine.run(line) == "images/big.img: OK\n"
    assert (machine.home / "images/big.img").stat().st_size == IMAGE
