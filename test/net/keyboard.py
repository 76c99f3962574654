# SPDX-License-Identifier: MIT
"""A person at a terminal: types keys, waits for what the screen shows. The screen is read as a
terminal reads it, so that a garbled line shows up as one."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from fleet import patience, program, run_prefix

ANSI = re.compile(rb"\x1b\[([?0-9;]*)([A-Za-z~])")


class Screen:
    """Rows of text. Long ones do not wrap, since nothing that is tested may write them."""

    def __init__(self):
        self.rows, self.row, self.at, self.rest = [""], 0, 0, b""
        self.widest = 0
        self.drawn = []  # what stood in a row when the cursor went back to its beginning

    def feed(self, data):
        data = self.rest + data
        self.rest = b""
        while data:
            match = ANSI.match(data)
            if match:
                self.sequence(match.group(1).decode(), match.group(2).decode())
                data = data[match.end() :]
                continue
            size = rune_size(data[0])
            if len(data) < size or (data[:1] == b"\x1b" and len(data) < 16):
                self.rest = data
                return
            assert data[:1] != b"\x1b", data[:16]
            self.put(data[:size].decode("utf-8", "backslashreplace"))
            data = data[size:]

    def put(self, text):
        if text == "\r":
            self.drawn.append(self.rows[self.row])
            self.at = 0
        elif text == "\n":
            self.row += 1
            self.rows += [""] * (self.row == len(self.rows))
        elif text == "\b":
            self.at = max(0, self.at - 1)
        else:
            row = self.rows[self.row].ljust(self.at)
            self.rows[self.row] = row[: self.at] + text + row[self.at + len(text) :]
            self.at += len(text)
            self.widest = max(self.widest, len(self.rows[self.row]))

    def sequence(self, numbers, final):
        if final == "K":
            self.rows[self.row] = self.rows[self.row][: self.at]
        elif final == "C":
            self.at += int(numbers or 1)
        elif final == "A":
            self.row = max(0, self.row - int(numbers or 1))
        elif final == "J":
            self.rows, self.row, self.at = [""], 0, 0
        else:
            assert final in "Hm", (numbers, final)

    def text(self):
        return "\n".join(row.rstrip() for row in self.rows)


def rune_size(lead):
    return 1 if lead < 0xC0 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4


class Keyboard:
    """A process whose terminal it is, in the foreground. args: words for p2p, or with shell=True a
    line for sh, which has job control then."""

    def __init__(self, fleet, *args, index=None, cols=80, shell=False):
        self.fd, side = pty.openpty()
        self.side = os.dup(side)  # keeps the terminal, so that its settings can be read
        self.screen = Screen()
        self.resize(cols)
        self.before = termios.tcgetattr(side)
        line = ["sh", "-m", "-c", *args] if shell else [*run_prefix(), program(), *map(str, args)]
        line += ["-i", index.address] if index else []
        self.process = subprocess.Popen(
            line,
            stdin=side,
            stdout=side,
            stderr=side,
            cwd=fleet.home,
            env=fleet.environment(),
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(side)
        fleet.own(self)

    def resize(self, cols):
        """The kernel tells the process."""
        fcntl.ioctl(self.side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, cols, 0, 0))

    def type(self, keys):
        data = keys.encode() if isinstance(keys, str) else keys
        while data:
            data = data[os.write(self.fd, data) :]
            self.read(0)

    def read(self, wait_s):
        """False when the terminal has no user any more and all was read."""
        if not select.select([self.fd], [], [], wait_s)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.screen.feed(data)
        return bool(data)

    def wait(self, pattern, deadline=10, since=0):
        """Until the screen, from row number since on, matches."""
        end = time.monotonic() + patience(deadline)
        while True:
            text = "\n".join(row.rstrip() for row in self.screen.rows[since:])
            match = re.search(pattern, text, re.M)
            if match:
                return match
            left = end - time.monotonic()
            assert left > 0 and self.read(min(left, 0.2)), f"no {pattern!r} in\n{text}"

    def wait_prompt(self, typed="", deadline=10):
        """Until the last row is the prompt, with what was typed."""
        self.wait(rf"^{re.escape(f'p2p> {typed}'.rstrip())}\Z", deadline)

    def enter(self, line):
        """A command from one prompt to the next; the rows that it showed."""
        self.wait_prompt()
        rows = len(self.screen.rows)
        self.type(line + "\r")
        self.wait(r"^p2p>\Z", 20, rows)
        return [row.rstrip() for row in self.screen.rows[rows:-1]]

    def settings(self):
        return termios.tcgetattr(self.side)

    def is_raw(self):
        return not self.settings()[3] & termios.ICANON

    def ended(self, deadline=10):
        """The exit code; the terminal must be as it was."""
        end = time.monotonic() + patience(deadline)
        while self.process.poll() is None:
            assert time.monotonic() < end, f"still runs:\n{self.screen.text()}"
            self.read(0.05)
        while select.select([self.fd], [], [], 0)[0] and self.read(0):
            pass
        assert self.settings() == self.before, "the terminal is not as it was"
        return self.process.returncode

    def close(self):
        os.close(self.side)
        running = self.process.poll() is None
        if running:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self.fd)
        assert not running, f"still running: {self.process.args}\n{self.screen.text()}"
