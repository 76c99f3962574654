# SPDX-License-Identifier: MIT
"""A directory with very many offers: the machine's real paths, repeated under other first folders until there are enough
different names, each with a content of its own, offered by nodes that are spoken by hand. P2P_BENCH_OFFERS (default 1,000,000)
and P2P_BENCH_NODES (1,000)."""
import hashlib
import json
import os
import socket
import subprocess
import time

from rival import wait_line

OFFERS = int(os.environ.get("P2P_BENCH_OFFERS", 1000000))
NODES = int(os.environ.get("P2P_BENCH_NODES", 1000))
# What fits is decided by the worst case; what is resident, by what is there.
MEMORY = f"{OFFERS * 340 + (16 << 20)}"
SETTINGS = ["-m", MEMORY, "--index.lease", "1h"]


def real_paths():
    """As a share would offer them: no hidden part, nothing that is no UTF-8, no control character."""
    found = subprocess.run(["find", "/", "-xdev", "-type", "f", "-printf", "%P\\n"], stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, check=False).stdout
    good = []
    for raw in found.split(b"\n"):
        try:
            path = raw.decode()
        except UnicodeDecodeError:
            continue
        parts = path.split("/")
        if path and path.isprintable() and len(raw) < 1000 and not any(not p or p[0] == "." for p in parts):
            good.append(path)
    return sorted(set(good))


def content(number):
    return hashlib.sha256(b"content %d" % number).hexdigest()


class Million:
    """The paths, and what each node says when it joins."""

    def __init__(self):
        paths = real_paths()
        self.paths = [paths[i] if i < len(paths) else f"m{i // len(paths)}/{paths[i % len(paths)]}"
                      for i in (k % (len(paths) * 4096) for k in range(OFFERS))]
        self.bodies = [self.body(i) for i in range(NODES)]
        self.links = []

    def token(self, node):
        return hashlib.sha256(b"node %d" % node).hexdigest()

    def body(self, node):
        share = OFFERS // NODES
        lines = [json.dumps({"v": 1, "epoch": 1, "seq": 1, "port": 7751, "name": f"node{node}", "role": "peer",
                             "addresses": []}, separators=(",", ":"))]
        for i in range(node * share, (node + 1) * share):
            path = json.dumps(self.paths[i], ensure_ascii=False)
            lines.append(f'{{"path":{path},"size":{i},"mtime":{1700000000 + i % 100000},"mode":"","sha256":"{content(i)}",'
                         f'"kind":"owned"}}')
        return "\n".join(lines).encode() + b"\n"

    def files(self, bench):
        """Its bodies without the first line, as files: what is to be parsed in any case."""
        paths = []
        for i in range(0, NODES, max(NODES // 50, 1)):
            paths.append(bench.path("bodies", f"{i}"))
            with open(paths[-1], "wb") as out:
                for body in self.bodies[i:i + max(NODES // 50, 1)]:
                    out.write(body.split(b"\n", 1)[1])
        return paths

    def hang_up(self):
        for link in self.links:
            link.close()
        self.links = []

    def join(self, port):
        """All nodes, one after the other; they stay connected, as living nodes do. Wall seconds."""
        begun = time.monotonic()
        for node, body in enumerate(self.bodies):
            if node == len(self.links):
                self.links.append(Link(port))
            status, answer = self.links[node].post("/v1/join", self.token(node), body)
            assert status == 200 and b'"refused":0,' in answer, answer[:300]
        return time.monotonic() - begun


class Link:
    """One keep-alive connection, without the cost of a library. A thread of its own needs a room of its own."""

    room = bytearray(1 << 20)

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.room = Link.room

    def close(self):
        self.socket.close()

    def get(self, target):
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return self.answer()

    def post(self, target, token, body):
        head = (f"POST {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
                f"Content-Type: application/x-ndjson\r\nContent-Length: {len(body)}\r\n\r\n")
        self.socket.sendall(head.encode() + body)
        return self.answer()

    def answer(self):
        """(status, body) of the one answer that is due."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.more()
        head, body = data.split(b"\r\n\r\n", 1)
        fields = head.lower()
        if b"transfer-encoding: chunked" in fields:
            parts = [body]
            while not b"".join(parts[-2:]).endswith(b"0\r\n\r\n"):
                parts.append(self.more())
            body = unchunk(b"".join(parts))
        else:
            length = int(fields.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            while len(body) < length:
                body += self.more()
        return int(head.split(b" ", 2)[1]), body

    def more(self):
        size = self.socket.recv_into(self.room)
        if size == 0:
            raise ConnectionError("closed in the middle")
        return bytes(memoryview(self.room)[:size])


def unchunk(data):
    parts, at = [], 0
    while True:
        end = data.index(b"\r\n", at)
        size = int(data[at:end], 16)
        if size == 0:
            return b"".join(parts)
        parts.append(data[end + 2:end + 2 + size])
        at = end + 2 + size + 2


def stats(port):
    link = Link(port)
    status, body = link.get("/v1/stats")
    link.close()
    assert status == 200
    return json.loads(body)


def rss_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as text:
        return next(int(line.split()[1]) * 1024 for line in text if line.startswith("VmRSS"))


def load_of_machine():
    with open("/proc/loadavg", encoding="ascii") as text:
        return "load of the machine " + " ".join(text.read().split()[:2])


def index(bench, *more, name="index", cpus=None):
    """An index that has room for all, and its log."""
    process, port, log = bench.role("index", *SETTINGS, *more, name=name, cpus=cpus)
    wait_line(log, r"room for (\d+) offers")
    return process, port, log


