# SPDX-License-Identifier: MIT
"""Downloaders tell each other who else fetches and what they have got, in requests and answers that
flow anyway: a swarm goes on, and new ones find it, while no index names anybody."""

import json
import os
import socket
import threading

from chains import chain, chain_id, sha256
from fleet import wait_until
from holder import FakeIndex, FakeIndexHandler, Handler, Holder, Server
from rawhttp import ask

MIB = 1 << 20
PIECE = 65536


class MortalIndex(FakeIndex):
    """Names one holder and nobody else, until it is killed with all its connections."""

    class Handler(FakeIndexHandler):
        def setup(self):
            super().setup()
            self.server.index.connections.append(self.connection)

    def __init__(self):
        super().__init__()
        self.connections = []
        self.server.RequestHandlerClass = MortalIndex.Handler

    def names(self, seed, data):
        """Nothing it was told since is ever said."""
        node = {"node": seed.stats()["id"], "name": seed.name, "addresses": [seed.address]}
        offer = {"path": "image.bin", "size": len(data), "mtime": 1, "sha256": sha256(data)}
        self.found.insert(
            0, {**offer, **node, "kind": "owned", "have": 100, "hops": 0, "index": "0" * 32}
        )
        load = {"have": 100, "uploads": 0, "rate": 0, "slots": 8, "reachable": True}
        self.sources.insert(0, {**node, **load})

    def kill(self):
        self.server.shutdown()
        self.server.server_close()
        self.closing.set()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def has_begun(folder):
    return any(folder.glob(".p2p-*.part"))


def test_a_swarm_without_an_index(fleet):
    """The index never names any of them and is gone before the last has its first piece."""
    data = os.urandom(8 * MIB)
    index = fleet.own(MortalIndex())
    limit = ("--transfer.upload_limit", "1M/s")
    seed = fleet.peer(index.address, {"image.bin": data}, *limit, name="seed")
    wait_until(lambda: seed.stats()["hashed"] == 1, what="the seed is hashed")
    index.names(seed, data)
    gets = []
    for number in range(3):
        folder = fleet.folder(f"getter-{number}")
        line = ("get", "image.bin", "--json", "--linger", "forever", "-q")
        gets.append((folder, fleet.spawn(*line, index=index.address, cwd=folder)))
        wait_until(lambda folder=folder: has_begun(folder), 20, "it has found the seed")
    index.kill()
    for folder, _ in gets:
        wait_until(lambda folder=folder: (folder / "image.bin").exists(), 60, "all is here")
    given = 0
    for folder, process in gets:
        process.terminate()
        out, _ = process.communicate(timeout=10)
        assert process.returncode == 0 and (folder / "image.bin").read_bytes() == data
        sources = json.loads(out)["sources"]
        others = [s for s in sources if s["bytes"] and s["node"] != seed.stats()["id"]]
        assert others, ("the exchange found nobody", sources)
        given += sum(source["bytes"] for source in others)
    assert given > len(data) and seed.stats()["uploaded"] < 2.2 * len(data)


class Downloader(Holder):
    """Says on `have` that it has nothing, for ever; what is asked of it was heard elsewhere."""

    def prepare(self):
        self.asked, self.told = [], []

    def serve_have(self, handler):
        handler.answer(200, bytes(-(-self.size // PIECE // 8)), self.common())

    def serve_content(self, handler):
        self.asked.append(handler.asked_range(self.size)[0] // PIECE)
        self.told.append((handler.headers.get("P2P-Have"), handler.headers.get("P2P-Peers")))
        super().serve_content(handler)


def seed_and_get(fleet, index, here, data, limit):
    fleet.peer(index, {"image.bin": data}, "--transfer.upload_limit", limit, name="seed")
    index.wait_file("image.bin", sha256(data), node="seed")
    line = ("get", "image.bin", "--json", "--node.name", "guest", "-q", "--linger", "forever")
    process = fleet.spawn(*line, index=index, cwd=here)

    def guest():
        found = index.stream(f"/v1/sources/{sha256(data)}")[0]
        return next((one for one in found if one["name"] == "guest"), None)

    return process, wait_until(guest, 20, "the guest has joined")


def whole(process, here, data):
    wait_until(lambda: (here / "image.bin").exists(), 60, "all is here")
    process.terminate()
    out, err = process.communicate(timeout=10)
    assert process.returncode == 0 and (here / "image.bin").read_bytes() == data, err
    return json.loads(out)


def test_new_pieces_are_told_in_requests(fleet, index, here):
    data = os.urandom(20 * PIECE)
    friend = fleet.own(Downloader(index, data, name="friend", path="image.bin", have=1))
    process, guest = seed_and_get(fleet, index, here, data, "192K/s")
    address, path = guest["addresses"][0], f"/v1/content/{sha256(data)}"
    wait_until(lambda: any("/have/" in line for line in friend.requests), what="it is asked")
    count = len(data) // PIECE
    named = {"P2P-Chain": chain_id(len(data), chain(data)), "Range": f"bytes=0-{PIECE - 1}"}

    def lacking():
        bits = int.from_bytes(ask(address, "GET", f"/v1/have/{sha256(data)}", named).body, "big")
        return [i for i in range(count) if not bits >> (8 * -(-count // 8) - 1 - i) & 1]

    wrong, right = lacking()[:5], set()
    friends = f"{friend.member.id}@0.0.0.0:{friend.server.server_address[1]}"

    def tell(pieces, peers, **headers):
        reply = ask(address, "GET", path, {**named, "P2P-Have": pieces, "P2P-Peers": peers, **headers})
        assert reply.status in (206, 404), reply

    tell(f"{wrong[0]}", "f" * 32 + "@0.0.0.0:1")  # somebody else's word
    tell(f"{wrong[1]}", friends, **{"P2P-Chain": "0" * 32})  # pieces of another chain
    tell(f"x{wrong[2]},-{wrong[2]},{count},99999999999999999999,,;{wrong[2]}", friends)
    tell(f"{wrong[3]}", "@," + friends)
    tell(f"{wrong[4]}", friends.replace("@", " "))

    def asked():
        left = [piece for piece in lacking() if piece not in wrong]
        if left:
            right.add(left[-1])
            tell(f"  nothing, {left[-1]} ", friends)
        return friend.asked

    wait_until(asked, 20, "a piece that was told is asked for")
    line = whole(process, here, data)
    assert set(friend.asked) <= right, (friend.asked, right, wrong)
    (gave,) = [source["bytes"] for source in line["sources"] if source["name"] == "friend"]
    assert gave == len(set(friend.asked)) * PIECE
    news, peers = friend.told[0]
    assert all(0 <= int(piece) < count for piece in news.split(",")), news
    assert peers.partition("@")[0] == guest["node"], peers
    assert peers.rpartition(":")[2] == address.rpartition(":")[2], peers


class Trap(Handler):
    """Whom strangers are sent to."""

    def do_GET(self):
        self.server.seen.append(f"{self.command} {self.path}")
        self.answer(200, b"")


class Liar(Downloader):
    """Names whoever comes to its mind, others each time."""

    def common(self):
        host, port = self.trap.server_address
        forbidden = ["224.0.0.1:80", "0.0.0.0:7751", "255.255.255.255:1", "127.0.0.1:0", "[ff02::1]:9"]
        items = [f"{os.urandom(16).hex()}@{host}:{port}" for _ in range(7)]
        items[3:3] = [f"{os.urandom(16).hex()}@{address}" for address in forbidden[:1]]
        items += [f"{os.urandom(16).hex()}@{address}" for address in forbidden[1:]]
        return {**super().common(), "P2P-Peers": ",".join(items)}


def test_who_names_strangers_is_soon_ignored(fleet, index, here):
    """Strangers are asked one question each, and few of them; the download does not suffer."""
    data = os.urandom(16 * PIECE)
    trap = Server(("127.0.0.1", 0), Trap)
    trap.seen = []
    thread = threading.Thread(target=trap.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    Liar.trap = trap
    liars = [
        fleet.own(Liar(index, data, name=f"liar-{i}", path="image.bin", have=1)) for i in range(2)
    ]
    process, _ = seed_and_get(fleet, index, here, data, "192K/s")
    whole(process, here, data)
    trap.stop()
    thread.join(5)
    assert all(len([r for r in liar.requests if "/have/" in r]) > 2 for liar in liars)
    assert 0 < len(trap.seen) <= 2 * (16 + 8), trap.seen
    assert set(trap.seen) == {f"GET /v1/have/{sha256(data)}"}, trap.seen
