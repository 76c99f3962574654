# SPDX-License-Identifier: MIT
"""Readers of an index's feed and snapshots, a directory that is built from their lines, and a
stretch of network between two processes that can be cut."""

import json
import queue
import select
import socket
import threading
import time

from rawhttp import Closed, Link, patience, split_address


class Feed:
    """GET /v1/changes, line by line, as they come."""

    def __init__(self, index, since=None, node=None, buffer=None):
        query = [f"since={since}"] if since is not None else []
        query += [f"node={node}"] if node else []
        self.link = Link(index.address)
        if buffer:
            self.link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.link.send_request("GET", "/v1/changes" + ("?" + "&".join(query) if query else ""))
        self.head = self.link.head()
        self.pending = b""

    def close(self):
        self.link.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _chunk(self, end):
        size = int(self.link._line(end), 16)
        if size == 0:
            raise Closed(b"the stream has ended")
        self.pending += self.link._take(size, end)
        assert self.link._line(end) == b""

    def line(self, timeout=10.0):
        """The next line; TimeoutError when there is none in time, Closed when it was cut off."""
        end = time.monotonic() + patience(timeout)
        while b"\n" not in self.pending:
            self._chunk(end)
        line, self.pending = self.pending.split(b"\n", 1)
        return json.loads(line)

    def lines(self, count, timeout=10.0):
        return [self.line(timeout) for _ in range(count)]

    def until(self, condition, timeout=10.0):
        """All lines up to the first that fits."""
        lines = []
        while not lines or not condition(lines[-1]):
            lines.append(self.line(timeout))
        return lines

    def is_quiet(self):
        """Nothing has come that was not read."""
        ready, _, _ = select.select([self.link.socket], [], [], 0)
        return not ready and not self.pending and not self.link.pending


class Directory:
    """What nodes offer, as lines tell it: {node: {path: sha256}}."""

    def __init__(self):
        self.nodes = {}

    def apply(self, line):
        if "end" in line:
            return
        offers = self.nodes.setdefault(line["node"], {})
        if line["op"] == "put":
            offers[line["path"]] = line["sha256"]
        elif line["op"] == "del":
            offers.pop(line["path"], None)
        elif line["op"] in ("leave", "lost"):
            self.nodes[line["node"]] = {}
        else:
            assert line["op"] in ("join", "back"), line

    def known(self):
        return {node: offers for node, offers in self.nodes.items() if offers}


def offered(index):
    """The same from /v1/search."""
    found = {}
    for line in index.files("*"):
        found.setdefault(line["node"], {})[line["path"]] = line["sha256"]
    return found


class Cable:
    """Connections to an address, through here; they can be cut, and silenced. One thread has them
    all and does what it is told between two reads."""

    def __init__(self, address):
        self.target = split_address(address)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.server.getsockname()[1]}"
        self.state, self.pairs = "up", {}
        self.orders = queue.Queue()
        self.bell, self.ear = socket.socketpair()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def cut(self):
        """All connections break, new ones are refused."""
        self._order("cut")

    def silence(self):
        """Connections stay, and nothing arrives any more."""
        self._order("silent")

    def heal(self):
        """As after a break of the network: what was open is dead."""
        self._order("cut")
        self._order("up")

    def close(self):
        self._order("end")
        self.thread.join(patience(5))
        assert not self.thread.is_alive()
        for end in (self.server, self.bell, self.ear, *self.pairs):
            end.close()

    def _order(self, state):
        done = threading.Event()
        self.orders.put((state, done))
        self.bell.send(b"!")
        assert done.wait(patience(10))

    def _obey(self):
        self.ear.recv(1)
        self.state, done = self.orders.get()
        if self.state == "cut":
            for end in self.pairs:
                end.close()
            self.pairs = {}
        done.set()

    def _accept(self):
        end, _ = self.server.accept()
        if self.state == "silent":
            self.pairs[end] = None
            return
        try:
            other = socket.create_connection(self.target, 2) if self.state == "up" else None
        except OSError:
            other = None
        if other is None:
            end.close()
        else:
            self.pairs[end], self.pairs[other] = other, end

    def _move(self, end):
        other = self.pairs[end]
        try:
            data = end.recv(1 << 16)
            if data and other:
                other.settimeout(patience(2))
                other.sendall(data)
        except OSError:
            data = b""
        if not data:
            for broken in (end, other):
                if broken:
                    self.pairs.pop(broken, None)
                    broken.close()

    def _run(self):
        while self.state != "end":
            ends = [] if self.state == "silent" else list(self.pairs)
            ready, _, _ = select.select([self.ear, self.server, *ends], [], [])
            if self.ear in ready:
                self._obey()
                continue
            for end in ready:
                if end is self.server:
                    self._accept()
                elif end in self.pairs:
                    self._move(end)
