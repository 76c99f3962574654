# SPDX-License-Identifier: MIT
"""A holder that is not the program: joins an index, keeps its membership alive and serves
content, chain and have. It is honest; tests derive liars from it by overriding one answer."""

import json
import socket
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import chains
from rawhttp import Closed, patience
from wire import Member, id_of, ndjson, offer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        holder = self.server.holder
        path = urlsplit(self.path).path
        holder.requests.append(f"{self.command} {self.path}")
        try:
            if path == "/v1/stats":
                self.answer(200, b"{}", {"Content-Type": "application/json"})
            elif path == f"/v1/content/{holder.sha}":
                holder.serve_content(self)
            elif path == f"/v1/chain/{holder.sha}":
                holder.serve_chain(self)
            elif path == f"/v1/have/{holder.sha}":
                holder.serve_have(self)
            else:
                self.answer(404, b'{"error":"not here","hint":""}')
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_HEAD = do_GET

    def answer(self, status, body, headers=None):
        """A whole answer; its headers can be overridden, None leaves one out."""
        fields = {
            "Content-Length": str(len(body)),
            "P2P-Node": self.server.node_id,
            **(headers or {}),
        }
        self.send_response(status)
        for key, value in fields.items():
            if value is not None:
                self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def asked_range(self, size):
        """First byte and length that the Range header asks for; all without one."""
        value = self.headers.get("Range")
        if value is None:
            return 0, size
        first, _, last = value.removeprefix("bytes=").partition("-")
        if not first:
            return max(0, size - int(last)), min(size, int(last))
        end = min(size, int(last) + 1) if last else size
        return int(first), end - int(first)

    def cut(self):
        """Ends the connection at once."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address, handler):
        super().__init__(address, handler)
        self.node_id, self.faults = "f" * 32, []

    def handle_error(self, request, client_address):
        """A client that went away is no fault; one of the fake's own shows when it is closed."""
        if not isinstance(sys.exc_info()[1], OSError):
            self.faults.append(traceback.format_exc())

    def stop(self):
        self.shutdown()
        self.server_close()
        assert not self.faults, "\n".join(self.faults)


class Resident(Member):
    """A member who answers when the index connects back, so that a dropped connection is forgiven."""

    sha = None

    def __init__(self, index, name="resident", token=None):
        self.requests = []
        self.server = Server(("127.0.0.1", 0), Handler)
        super().__init__(index, name, self.server.server_address[1], token)
        self.server.holder, self.server.node_id = self, self.id
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def close(self):
        self.server.stop()
        super().close()
        self.thread.join(5)


class Holder:
    """Offers one content. data: what it has; sha, size: what it says; states: the chain it gives
    out."""

    def __init__(self, index, data, name="holder", path="file.bin", host="127.0.0.1", **offered):
        self.data, self.path = data, path
        self.sha, self.size, self.states = chains.sha256(data), len(data), chains.chain(data)
        self.requests, self.sent = [], 0
        self.prepare()
        self.server = Server((host, 0), Handler)
        self.server.holder = self
        self.member = Member(index, name, self.server.server_address[1])
        self.server.node_id = self.member.id
        self.threads = [
            threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True),
            threading.Thread(target=self._stay, daemon=True),
        ]
        self.threads[0].start()
        self.member.joined(
            offer(path, size=self.size, sha256=self.sha, **offered), **self.said_on_joining()
        )
        self.threads[1].start()

    def prepare(self):
        """For liars: changes what is said before anybody asks."""

    def said_on_joining(self):
        """Fields of the join beside the usual ones; the port is known by now."""
        return {}

    def _stay(self):
        """Heartbeats, each held by the index for a while, until the connection is closed."""
        try:
            while True:
                self.member.send_alive()
                self.member.link.reply(timeout=60)
        except (Closed, OSError, TimeoutError, ValueError):
            pass

    def common(self):
        return {
            "P2P-Size": str(self.size),
            "P2P-Piece": str(chains.piece_size(self.size)),
            "P2P-Chain": chains.chain_id(self.size, self.states),
            "ETag": f'"{self.sha}"',
            "Content-Type": "application/octet-stream",
            "Accept-Ranges": "bytes",
        }

    def bytes_of(self, first, length):
        return self.data[first : first + length]

    def serve_content(self, handler):
        first, length = handler.asked_range(self.size)
        body = self.bytes_of(first, length)
        headers = self.common()
        if handler.headers.get("Range"):
            headers["Content-Range"] = f"bytes {first}-{first + length - 1}/{self.size}"
        if handler.command == "GET":
            self.sent += len(body)
        handler.answer(206 if handler.headers.get("Range") else 200, body, headers)

    def serve_chain(self, handler):
        handler.answer(200, self.states, self.common())

    def serve_have(self, handler):
        count = -(-self.size // chains.piece_size(self.size))
        bits = (
            (((1 << count) - 1) << (-count % 8)).to_bytes(-(-count // 8), "big") if count else b""
        )
        handler.answer(200, bits, self.common())

    def close(self):
        """Nobody listens any more when the membership connection drops: gone at once."""
        self.server.stop()
        try:
            self.member.link.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.member.close()
        for thread in self.threads:
            thread.join(5)


class FakeIndex:
    """An index that writes down what it is told and answers as it is told to. answer(path, first
    line) gives (status, value), or None for the ordinary one; a list is sent as lines."""

    def __init__(self, port=0, answer=None):
        self.posts, self.changed = [], threading.Condition()
        self.closing = threading.Event()
        self.answer_of = answer or (lambda path, first: None)
        self.found = [{"end": True, "asked": 0, "answered": 0, "truncated": False}]
        self.sources = [{"end": True}]
        self.server = Server(("127.0.0.1", port), FakeIndexHandler)
        self.server.index = self
        self.port = self.server.server_address[1]
        self.address = f"127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def wait_post(self, path, condition=lambda post: True, deadline=10):
        """The first POST to that path that fits: {"path", "headers", "lines"}."""

        def found():
            return next((p for p in self.posts if p["path"] == path and condition(p)), None)

        with self.changed:
            assert self.changed.wait_for(
                found, patience(deadline)
            ), f"no such {path} within {patience(deadline)} s; {self.told()}"
            return found()

    def told(self):
        return [(post["path"], post["lines"][:3]) for post in self.posts]

    def close(self):
        self.closing.set()
        self.server.stop()
        self.thread.join(5)


class FakeIndexHandler(Handler):
    def do_GET(self):
        index = self.server.index
        lines = index.sources if "/sources/" in self.path else index.found
        self.answer(200, ndjson(*lines), {"Content-Type": "application/x-ndjson"})

    def do_POST(self):
        index = self.server.index
        post = {
            "path": urlsplit(self.path).path,
            "headers": dict(self.headers.items()),
            "lines": self.body_lines(),
        }
        special = index.answer_of(post["path"], post["lines"][0] if post["lines"] else None)
        with index.changed:
            index.posts.append(post)
            index.changed.notify_all()
        status, value = special or (200, self.ordinary(post))
        body = ndjson(*(value if isinstance(value, list) else [value]))
        try:
            self.answer(status, body, {"Content-Type": "application/x-ndjson"})
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def body_lines(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return [json.loads(line) for line in data.splitlines() if line]

    def ordinary(self, post):
        first = post["lines"][0]
        if post["path"] == "/v1/alive":
            self.server.index.closing.wait(1)
            return {"lease_ms": 3000, "hints": []}
        token = self.headers["Authorization"].split()[1]
        answer = {
            "id": id_of(token),
            "lease_ms": 3000,
            "feed": "0" * 32,
            "indexes": [],
            "incomplete": False,
            "accepted": len(post["lines"]) - 1,
            "refused": 0,
            "epoch": first["epoch"],
            "seq": first["seq"],
        }
        return [answer, {"end": True}] if post["path"] == "/v1/join" else [answer]


class BusyIndex(FakeIndex):
    """Has no room for anybody who asks, so many times."""

    class Handler(FakeIndexHandler):
        def do_GET(self):
            self.server.index.asked += 1
            if self.server.index.asked > self.server.index.times:
                super().do_GET()
                return
            body = b'{"error":"all buffers are in use","hint":"try again"}\n'
            self.answer(503, body, {"Content-Type": "application/json", "Retry-After": "1"})

    def __init__(self, times=1000):
        super().__init__()
        self.asked, self.times = 0, times
        self.server.RequestHandlerClass = BusyIndex.Handler
