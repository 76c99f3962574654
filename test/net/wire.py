# SPDX-License-Identifier: MIT
"""A node as the index sees it, spoken by hand: token, join, update, alive, leave. Its connection
stays open, as that of a living node does."""

import hashlib
import json
import os

from rawhttp import Link, ask

NDJSON = "application/x-ndjson"
JSON = "application/json"


def ndjson(*values):
    """Lines of a body; a bytes value is taken as it is."""
    lines = [
        v if isinstance(v, bytes) else json.dumps(v, ensure_ascii=False).encode() for v in values
    ]
    return b"".join(line + b"\n" for line in lines)


def content(text):
    """A content name out of thin air."""
    return hashlib.sha256(text.encode()).hexdigest()


def offer(path, size=70000, sha256="", **more):
    """An offer; sha256 "" makes one up from the path, None leaves the content unknown."""
    name = content(path) if sha256 == "" else sha256
    return {
        "path": path,
        "size": size,
        "mtime": 1790000000,
        "mode": "",
        "sha256": name,
        "kind": "owned",
        **more,
    }


def id_of(token):
    """A node's id: the first 128 bits of SHA-256 of its token."""
    return hashlib.sha256(bytes.fromhex(token)).hexdigest()[:32]


class Member:
    def __init__(self, index, name="member", port=9, token=None):
        self.index, self.name, self.port = index, name, port
        self.token = token or os.urandom(32).hex()
        self.id = id_of(self.token)
        self.epoch, self.seq = 1, 0
        self.link = Link(index.address)

    def close(self):
        self.link.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def headers(self, kind=NDJSON):
        return {"Authorization": f"Bearer {self.token}", "Content-Type": kind}

    def node(self, **fields):
        """The first line of a join; a field given as None is left out."""
        line = {
            "v": 1,
            "epoch": self.epoch,
            "seq": self.seq,
            "port": self.port,
            "name": self.name,
            "role": "peer",
            "addresses": [],
        }
        line.update(fields)
        return {key: value for key, value in line.items() if value is not None}

    def post(self, path, body, kind=NDJSON, headers=None):
        """On the membership connection; a new one when the index closes it after a refusal."""
        reply = self.link.request("POST", path, {**self.headers(kind), **(headers or {})}, body)
        if reply.header("connection") == "close":
            assert self.link.is_closed(), "it said so"
            self.link = Link(self.index.address)
        return reply

    def join(self, *offers, **fields):
        return self._step("/v1/join", lambda: ndjson(self.node(**fields), *offers))

    def _step(self, path, body):
        """One step of seq, taken back when it was refused."""
        self.seq += 1
        reply = self.post(path, body())
        if reply.status != 200:
            self.seq -= 1
        return reply

    def joined(self, *offers, **fields):
        """A join that must succeed; its first answer line."""
        reply = self.join(*offers, **fields)
        assert reply.status == 200, reply
        lines = reply.lines()
        assert lines[-1] == {"end": True}, lines
        return lines[0]

    def update(self, *changes):
        return self._step(
            "/v1/update", lambda: ndjson({"epoch": self.epoch, "seq": self.seq}, *changes)
        )

    def update_at(self, epoch, seq, *changes):
        """An update that says another place than it is due."""
        return self.post("/v1/update", ndjson({"epoch": epoch, "seq": seq}, *changes))

    def send_alive(self, **fields):
        line = {"epoch": self.epoch, "seq": self.seq, "uploads": 0, "rate": 0, "slots": 8, **fields}
        self.link.send_request("POST", "/v1/alive", self.headers(JSON), json.dumps(line).encode())

    def alive(self, **fields):
        self.send_alive(**fields)
        return self.link.reply()

    def leave(self):
        self.seq += 1
        line = json.dumps({"epoch": self.epoch, "seq": self.seq}).encode()
        return self.post("/v1/leave", line, JSON)

    def ask_apart(self, path, body, kind=NDJSON):
        """On a connection of its own, as a stranger with the same token would."""
        return ask(self.index.address, "POST", path, self.headers(kind), body)


def put_line(path, **more):
    return {"op": "put", **offer(path, **more)}


def del_line(path):
    return {"op": "del", "path": path}
