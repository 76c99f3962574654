# SPDX-License-Identifier: MIT
"""An index that is not the program, as its mirrors see it: it tells what a test puts into it and
writes down what it is asked."""

import os
import queue
import threading
from urllib.parse import parse_qs, urlsplit

from fleet import wait_until
from holder import Handler, Server
from wire import ndjson, offer, put_line

LINES = {"Content-Type": "application/x-ndjson"}


class FakeMirror:
    def __init__(self):
        self.id = os.urandom(16).hex()
        self.feed, self.n = os.urandom(4).hex(), 1
        self.nodes, self.offers = {}, {}
        self.asked, self.readers = [], []
        self.gone = 0  # so many readers of the feed are told 410
        self.talks = threading.Event()  # before, it does not tell its nodes
        self.talks.set()
        self.closing = False
        self.server = Server(("127.0.0.1", 0), MirrorHandler)
        self.server.mirror, self.server.node_id = self, self.id
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def place(self):
        return f"{self.feed}.{self.n}"

    def node(self, name, paths, **fields):
        """A node, and all that it offers, as it is now; its id."""
        node = fields.pop("node", None) or os.urandom(16).hex()
        known = {"epoch": 1, "seq": 1, "name": name, "role": "peer", "home": self.id, "age_ms": 0}
        known |= {"state": "active", "offers": len(paths), "addresses": ["127.0.0.1:9"]}
        self.nodes[node] = {"node": node, **known, **fields}
        self.offers[node] = list(paths)
        return node

    def snapshot(self, node):
        lines = []
        for one in [node] if node else list(self.nodes):
            lines.append({**self.nodes[one], "op": "join"})
            lines += [{"node": one, **put_line(path)} for path in self.offers[one]]
        return [*lines, {"end": True, "feed": self.feed, "n": self.n}]

    def tell(self, op, node, epoch, seq, **more):
        """A line of the feed, to all who read it."""
        self.wait_reader()
        self.n += 1
        line = {"feed": self.feed, "n": self.n, "node": node, "epoch": epoch, "seq": seq, "op": op}
        for reader in self.readers:
            reader.put(ndjson({**line, **more}))

    def tell_put(self, node, epoch, seq, path):
        self.tell("put", node, epoch, seq, **offer(path))

    def wait_reader(self):
        wait_until(lambda: self.readers, what="somebody reads the feed")

    def hang_up(self):
        """The feed ends for all who read it; they will come again."""
        self.wait_reader()
        self.end_readers()

    def end_readers(self):
        readers, self.readers = self.readers, []
        for reader in readers:
            reader.put(b"")

    def fetched(self):
        """The nodes that were asked for whole, in order."""
        asked = [parse_qs(urlsplit(path).query) for path in self.asked if "/v1/snapshot" in path]
        return [query["node"][0] for query in asked]

    def compared(self):
        return sum(path == "GET /v1/nodes" for path in self.asked)

    def close(self):
        self.closing = True
        self.talks.set()
        self.end_readers()
        self.server.stop()
        self.thread.join(5)


class MirrorHandler(Handler):
    def do_HEAD(self):
        mirror = self.server.mirror
        mirror.asked.append(f"HEAD {self.path}")
        self.answer(200, b"", {"P2P-Feed": mirror.place()})

    def do_GET(self):
        mirror = self.server.mirror
        mirror.asked.append(f"GET {self.path}")
        url = urlsplit(self.path)
        try:
            if url.path == "/v1/changes":
                self.changes(mirror)
            elif url.path == "/v1/snapshot":
                node = parse_qs(url.query).get("node", [None])[0]
                self.answer(200, ndjson(*mirror.snapshot(node)), LINES)
            elif url.path == "/v1/nodes":
                mirror.talks.wait()
                self.answer(200, ndjson(*mirror.nodes.values(), {"end": True}), LINES)
            else:
                self.answer(404, b'{"error":"not here","hint":""}')
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def changes(self, mirror):
        if mirror.gone > 0:
            mirror.gone -= 1
            self.answer(410, b'{"error":"gone","hint":""}')
            return
        reader = queue.SimpleQueue()
        mirror.readers.append(reader)
        if mirror.closing:
            return
        self.send_response(200)
        for name, value in {"P2P-Node": mirror.id, "Transfer-Encoding": "chunked", **LINES}.items():
            self.send_header(name, value)
        self.end_headers()
        while data := reader.get():
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
        self.cut()
