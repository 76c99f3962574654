# SPDX-License-Identifier: MIT
"""A small HTTP/1.1 client on a bare socket: it sends exactly the bytes it is told to, so that a
malformed request is malformed in the way the test wants, and reads answers strictly."""

import json
import os
import socket
import time

SLOW = float(os.environ.get("P2P_SLOW", "1"))  # sanitizers, emulation
PATIENCE = 4 * SLOW


def patience(seconds):
    """What a deadline is in the end. An event ends each wait, so that only what hangs takes so
    long, and busy machines have time."""
    return seconds * PATIENCE


def split_address(address):
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def lines(self):
        return [json.loads(line) for line in self.body.splitlines() if line]

    def header(self, name):
        """The value of a header that may be there once."""
        values = [value for key, value in self.headers if key == name.lower()]
        assert len(values) <= 1, f"{name} twice: {values}"
        return values[0] if values else None

    def error(self):
        """Checks the shape of an error answer; its text and hint together."""
        value = self.json()
        assert isinstance(value["error"], str) and value["error"], self
        assert isinstance(value["hint"], str), self
        assert (self.header("content-type") or "").startswith("application/json"), self
        return value["error"] + " " + value["hint"]

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:400]!r}"


class Closed(Exception):
    """The other side closed before an answer was complete."""


class Link:
    """One connection. Reads wait no longer than timeout in all, with patience."""

    def __init__(self, address, timeout=10.0):
        self.address, self.timeout = address, timeout
        self.socket = socket.create_connection(split_address(address), patience(timeout))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.socket.settimeout(patience(self.timeout))
        self.socket.sendall(data)

    def send_request(self, method, path, headers=None, body=None):
        self.send(request_bytes(self.address, method, path, headers, body))

    def request(self, method, path, headers=None, body=None):
        self.send_request(method, path, headers, body)
        return self.reply(method == "HEAD")

    def _end(self, timeout):
        return time.monotonic() + patience(timeout or self.timeout)

    def _more(self, end):
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"no complete answer; so far {self.pending[:200]!r}")
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed(self.pending[:400])
        self.pending += data

    def _line(self, end):
        while b"\r\n" not in self.pending:
            self._more(end)
        line, self.pending = self.pending.split(b"\r\n", 1)
        return line

    def _take(self, size, end):
        while len(self.pending) < size:
            self._more(end)
        data, self.pending = self.pending[:size], self.pending[size:]
        return data

    def head(self, timeout=None):
        """Status and headers of the next answer."""
        end = self._end(timeout)
        version, status, _ = (self._line(end) + b" ").split(b" ", 2)
        assert version in (b"HTTP/1.1", b"HTTP/1.0"), version
        headers = []
        while line := self._line(end):
            key, colon, value = line.partition(b":")
            assert colon and key == key.strip() and key, line
            headers.append(
                (key.decode("ascii").lower(), value.strip().decode("utf-8", "backslashreplace"))
            )
        return Reply(int(status), headers, b"")

    def reply(self, head_only=False, timeout=None):
        """The next answer, whole. An answer 100 is passed over."""
        end = self._end(timeout)
        reply = self.head(timeout)
        if reply.status == 100:
            return self.reply(head_only, timeout)
        length, coding = reply.header("content-length"), reply.header("transfer-encoding")
        if head_only or reply.status in (204, 304):
            return reply
        if coding is not None:
            assert coding == "chunked" and length is None, reply
            reply.body = self._chunks(end)
        elif length is not None:
            reply.body = self._take(int(length), end)
        else:
            reply.body = self._rest(end)
        return reply

    def _chunks(self, end):
        parts = []
        while size := int(self._line(end), 16):
            parts.append(self._take(size, end))
            assert self._line(end) == b""
        while self._line(end):
            pass
        return b"".join(parts)

    def rest(self, timeout=None):
        """Everything up to the end of the connection."""
        return self._rest(self._end(timeout))

    def _rest(self, end):
        try:
            while True:
                self._more(end)
        except Closed:
            data, self.pending = self.pending, b""
            return data

    def is_closed(self, timeout=None):
        """True when the other side closes in time and says nothing more."""
        try:
            return self.rest(timeout) == b""
        except TimeoutError:
            return False


def request_bytes(address, method, path, headers=None, body=None):
    """A well-formed request. headers: a dict; a value None leaves that header out."""
    fields = {"Host": address}
    if body is not None:
        fields["Content-Length"] = str(len(body))
    fields.update(headers or {})
    lines = [f"{method} {path} HTTP/1.1"] + [
        f"{k}: {v}" for k, v in fields.items() if v is not None
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8") + (body or b"")


def ask(address, method, path, headers=None, body=None, timeout=10.0):
    with Link(address, timeout) as link:
        return link.request(method, path, headers, body)


def raw(address, data, timeout=10.0):
    """Sends bytes; the status of the answer, or 0 when the connection was closed without one."""
    with Link(address, timeout) as link:
        try:
            link.send(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            return link.head().status
        except Closed:
            return 0
