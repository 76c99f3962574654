# SPDX-License-Identifier: MIT
"""The program with allocations that are counted and with clocks that tests move (test/wrap): a page
in a file that the test and the running program share."""

import mmap
import os
import struct
import subprocess
from pathlib import Path

import pytest

from fleet import ROOT

BINARY = Path(os.environ.get("P2P_BUILD", ROOT / "build")) / "wrapped/p2p"
CALLERS = 16
SLEPT_AT = 16 + 8 * CALLERS
SPEED_AT = SLEPT_AT + 8
SYNCS_AT = SPEED_AT + 8


class Page:
    """how: what a role or a command is started with, so that it has this page."""

    def __init__(self, fleet, name="page", ahead_s=0, speed=1):
        if not BINARY.exists() or os.environ.get("P2P_SLOW") or "posix" in os.environ.get("P2P", ""):
            pytest.skip("only with what make wrapped builds")
        self.path = fleet.root / name
        self.path.write_bytes(bytes(4096))
        self.pipe = self.path.with_name(f"{name}.awake")
        os.mkfifo(self.pipe)
        with open(self.path, "r+b") as file:
            self.bytes = mmap.mmap(file.fileno(), 4096)
        self.how = {"binary": BINARY, "env": {"P2P_WRAP": str(self.path)}}
        self.move_clock(ahead_s)
        self.put(SPEED_AT, speed)
        fleet.own(self)

    def allocations(self):
        return struct.unpack_from("<Q", self.bytes)[0]

    def syncs(self):
        """How often a disk was told to write all it has."""
        return struct.unpack_from("<Q", self.bytes, SYNCS_AT)[0]

    def put(self, at, number):
        struct.pack_into("<q", self.bytes, at, number)

    def move_clock(self, ahead_s):
        self.put(8, ahead_s)

    def suspended_for(self, seconds):
        """The machine's clocks are those of one that was suspended for so long in all, and it goes on."""
        self.put(SLEPT_AT, seconds)
        self.wake_up()

    def wake_up(self):
        """What the kernel tells a timer that looks for a change of the wall clock."""
        end = os.open(self.pipe, os.O_RDWR | os.O_NONBLOCK)
        os.write(end, b"!")
        os.close(end)

    def callers(self):
        """Where the last allocations came from, for people."""
        at = [f"{a:#x}" for a in struct.unpack_from(f"<{CALLERS}Q", self.bytes, 16) if a]
        line = ["addr2line", "-fpe", str(BINARY), *at]
        return subprocess.run(line, capture_output=True, text=True, check=False).stdout

    def close(self):
        self.bytes.close()
