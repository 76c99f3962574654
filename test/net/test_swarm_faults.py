# SPDX-License-Identifier: MIT
"""Faults of holders and getters while a file comes from several at once. Each ends in a right file
or a clear word, and nothing is left. Where what is fetched is served on at the same time
matters, there are several getters. What is tested where:

  holder killed            test_get (two peers), test_faults (in a piece), test_swarm (seed, getter)
  stalled                  test_faults (Stalls); here: a getter, and the only holder
  throttled to 1 kB/s      here: a holder, and a getter that serves
  cuts every 10 pieces     here; in each answer: test_liars (ClosesEarly)
  too much, too little     test_liars (TooMuch, TooLittle, ClosesEarly)
  wrong Content-Range      test_liars (OtherRange)
  wrong bitmap             test_liars (HasLess, BitmapTooShort, BitmapTooLong); none: here;
                           of a part: test_swarm (LyingPart)
  forged chain             test_liars; with getters that serve: test_swarm_trust
  index gone               test_faults (one get), test_swarm_events (getters that serve)
  disk full, then freed    test_faults; space is taken before the first piece is offered to others,
                           so a getter that serves does not meet it
  file replaced            test_faults (one get), test_swarm_events
  ended and again          test_get, test_resume, test_faults (each phase), test_swarm_events
"""

import os
import re
import signal
import threading
import time

import pytest

from chains import sha256
from fleet import SLOW, left_in, wait_until
from holder import Holder
from keyboard import Keyboard
from rawhttp import Closed, Link, ask
from test_swarm import MIB, PIECE, ended, getter, guests, right, seed_of


def content_head(holder, handler):
    """The head of an answer of which the body is sent apart; its range."""
    first, length = handler.asked_range(holder.size)
    place = {"Content-Range": f"bytes {first}-{first + length - 1}/{holder.size}"}
    handler.answer(206, b"", {**holder.common(), **place, "Content-Length": str(length)})
    return first, length


def each_right(gets, data, code=0):
    """All end so, with the file and nothing else; the lines that they printed."""
    lines = []
    for folder, process in gets:
        lines += ended(process, code)[0]
        assert right(folder, data)
    return lines


def have_met(index, data):
    """Guests that have sent something: somebody knows of them."""
    met = 0
    for guest in guests(index, data):
        try:
            met += ask(guest["addresses"][0], "GET", "/v1/stats").json()["uploaded"] > 0
        except (OSError, Closed):
            pass
    return met


# --- slow ones ---


class Crawls(Holder):
    """Sends 1 kB/s on each connection."""

    def prepare(self):
        self.over = threading.Event()

    def serve_content(self, handler):
        first, length = content_head(self, handler)
        for at in range(first, first + length, 100):
            handler.wfile.write(self.data[at : min(at + 100, first + length)])
            if self.over.wait(0.1):
                handler.cut()
                return
            self.sent += 100

    def close(self):
        self.over.set()
        super().close()


@pytest.mark.parametrize("getters", [1, 2])
def test_a_holder_that_crawls(fleet, getters):
    """What it was asked for comes from others; it would take a minute for each piece."""
    index, _, data = seed_of(fleet, 2 * MIB, "1M/s")
    crawler = fleet.own(Crawls(index, data, "crawler", "image.bin"))
    for line in each_right([getter(fleet, index, i) for i in range(getters)], data):
        assert line["elapsed_ms"] < 30000 * SLOW
        assert not any(source["blamed"] for source in line["sources"])
    assert crawler.requests and crawler.sent < PIECE


def test_a_getter_that_crawls(fleet):
    """It may send 1 kB/s only: others do not wait for the pieces that it has."""
    index, _, data = seed_of(fleet, 2 * MIB, "2M/s")
    slow = getter(fleet, index, 0, "--transfer.upload_limit", "1K/s", "--linger", "1m", "-q")
    wait_until(lambda: guests(index, data), what="it offers what it has")
    (line,) = each_right([getter(fleet, index, 1)], data)
    assert line["elapsed_ms"] < 30000 * SLOW
    wait_until(lambda: right(slow[0], data), what="it has the file, too")
    slow[1].send_signal(signal.SIGINT)
    ended(slow[1])


def test_a_getter_that_stands_still(fleet):
    """It has pieces, and then says nothing any more: others do not wait for it, and it goes on when
    it can."""
    index, _, data = seed_of(fleet, 3 * MIB, "2M/s")
    first, second = getter(fleet, index, 0), getter(fleet, index, 1)
    wait_until(lambda: have_met(index, data), 20, "one has fetched from the other")
    first[1].send_signal(signal.SIGSTOP)
    each_right([second], data)
    first[1].send_signal(signal.SIGCONT)
    each_right([first], data)


@pytest.mark.once
def test_the_only_holder_stands_still(fleet):
    """Whoever watches reads that nothing comes, not a rate that fades; it goes on when it can."""
    index, seed, data = seed_of(fleet, 4 * MIB, "1M/s")
    folder, process = getter(fleet, index, 0)
    board = Keyboard(fleet, "get", "image.bin", "--node.name", "guest-1", index=index)
    wait_until(lambda: len(guests(index, data)) == 2, 20, "both have a part")
    seed.send(signal.SIGSTOP)
    board.wait(r"nothing came for \d", 30)
    assert process.poll() is None and board.process.poll() is None
    seed.send(signal.SIGCONT)
    assert board.ended(60) == 0
    each_right([(folder, process)], data)


@pytest.mark.long
def test_the_only_holder_stands_still_for_good(fleet):
    """It is called again and again for more than a minute; then the get says what is missing."""
    index, seed, data = seed_of(fleet, 4 * MIB, "1M/s")
    folder, process = getter(fleet, index, 0)
    wait_until(lambda: guests(index, data), 20, "it has a part")
    seed.send(signal.SIGSTOP)
    (line,), err = ended(process, 1, 300)
    assert re.search(r"\d+% are here, and none of \d+ holders can be reached", err), err
    assert line["error"] in err
    assert left_in(folder) == [f".p2p-{sha256(data)[:32]}.part"]
    seed.send(signal.SIGCONT)


# --- those that break off ---


class Disconnects(Holder):
    """Ends the connection in the middle of each tenth piece."""

    def prepare(self):
        self.asked = self.cuts = 0

    def serve_content(self, handler):
        self.asked += 1
        if self.asked % 10:
            super().serve_content(handler)
            return
        first, length = content_head(self, handler)
        handler.wfile.write(self.data[first : first + length // 2])
        self.cuts += 1
        handler.cut()


@pytest.mark.parametrize("getters", [1, 3])
def test_a_holder_that_disconnects_every_ten_pieces(fleet, index, getters):
    """Nobody else has it. It gave something each time: nobody gives up."""
    data = os.urandom(34 * PIECE + 5)
    holder = fleet.own(Disconnects(index, data, "flaky", "image.bin"))
    each_right([getter(fleet, index, i) for i in range(getters)], data)
    assert holder.cuts >= 3


class ClaimsNothing(Holder):
    """Offered as whole, but its bitmap is empty."""

    def serve_have(self, handler):
        handler.answer(200, bytes(-(-self.size // PIECE // 8)), self.common())


def test_a_holder_that_claims_nothing(fleet):
    index, _, data = seed_of(fleet, MIB, "4M/s")
    holder = fleet.own(ClaimsNothing(index, data, "empty", "image.bin"))
    each_right([getter(fleet, index, 0)], data)
    assert holder.sent == 0


# --- too many at once ---


@pytest.mark.parametrize("connections", [1, 2])
def test_connections_to_one_holder(fleet, index, here, connections):
    class Counts(Holder):
        def prepare(self):
            self.links = set()

        def serve_content(self, handler):
            self.links.add(handler.client_address)
            super().serve_content(handler)

    data = os.urandom(40 * PIECE)
    holder = fleet.own(Counts(index, data))
    fleet.ok("get", "file.bin", "--transfer.connections", connections, index=index, cwd=here)
    assert 1 <= len(holder.links) <= connections and left_in(here) == ["file.bin"]


@pytest.mark.once
def test_a_peer_whose_slot_is_taken(fleet, index):
    """Who comes next waits a moment, is told when to come again, and gets it then."""
    data = os.urandom(MIB)
    limits = ["--transfer.uploads", "1", "--transfer.upload_limit", "256K/s"]
    peer = fleet.peer(index, {"a.bin": data}, *limits)
    index.wait_file("a.bin", sha256(data))
    path = f"/v1/content/{sha256(data)}"
    with Link(peer.address) as first:
        first.send_request("GET", path, {"Connection": "close"})
        assert first.head().status == 200
        reply = peer.get(path)
        assert reply.status == 503 and int(reply.header("retry-after")) >= 1, reply
        assert 0 < reply.json()["retry_ms"] <= 60000
        here = fleet.folder("here")
        get = fleet.spawn("get", "a.bin", index=index, cwd=here)
        assert first.rest(20) == data
    assert get.communicate(timeout=40)[1] == b"" and get.returncode == 0
    assert (here / "a.bin").read_bytes() == data


def test_a_busy_holder_is_not_pestered(fleet, index, here):
    """It is asked again when it said, or later, and not by all connections at once."""
    retry_s, data = 1, os.urandom(8 * PIECE)

    class Busy(Holder):
        def prepare(self):
            self.refusals = []

        def serve_content(self, handler):
            now = time.monotonic()
            if len(self.refusals) > 20 or (self.refusals and now > self.refusals[0] + 4 * retry_s):
                super().serve_content(handler)
                return
            self.refusals.append(now)
            body = b'{"error":"busy","hint":"","retry_ms":%d}' % (1000 * retry_s)
            handler.answer(503, body, {"Retry-After": "1"})

    holder = fleet.own(Busy(index, data))
    fleet.ok("get", "file.bin", index=index, cwd=here)
    assert (here / "file.bin").read_bytes() == data
    gaps = [b - a for a, b in zip(holder.refusals, holder.refusals[1:])]
    rests = [gap for gap in gaps if gap > retry_s / 2]
    assert len(rests) >= 2 and min(rests) > 0.9 * retry_s, gaps
    assert len(holder.refusals) <= 4 * (len(rests) + 1), "a few pieces at a time"
