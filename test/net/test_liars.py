# SPDX-License-Identifier: MIT
"""Holders that lie, each in its own way. Alone, a liar gets nothing stored and the get ends with
5; beside an honest holder the right file arrives all the same."""

import functools
import os
import struct
import subprocess
import time

import pytest

import chains
from chains import PIECE_MIN, advance, sha256
from fleet import SLOW, wait_until
from holder import Holder

DATA = bytes(range(256)) * 768 + b"the last piece is a short one"  # four pieces
GARBAGE = os.urandom(len(DATA))


OTHER = bytes((i + 1) % 256 for i in range(256))  # no byte stays what it is


class WrongBytes(Holder):
    """The true chain, wrong bytes throughout."""

    def bytes_of(self, first, length):
        return self.data[first : first + length].translate(OTHER)


class OneBit(Holder):
    """One bit is wrong, in the piece numbered bad."""

    bad = 0

    def bytes_of(self, first, length):
        data = bytearray(self.data)
        data[self.bad * PIECE_MIN + 7] ^= 1
        return bytes(data[first : first + length])


class OneBitInTheMiddle(OneBit):
    bad = 1


class OneBitAtTheEnd(OneBit):
    bad = 3


@functools.lru_cache
def forged_states(count):
    """The first states of a chain over garbage."""
    state, states = chains.START, []
    for i in range(count):
        state = advance(state, GARBAGE[i * PIECE_MIN : (i + 1) * PIECE_MIN])
        states.append(struct.pack(">8I", *state))
    return b"".join(states)


class ForgedBeginning(Holder):
    """Garbage hashed from the front, then the true chain: all links but one close."""

    def prepare(self):
        self.states = forged_states(2) + self.states[64:]

    def bytes_of(self, first, length):
        mixed = GARBAGE[: 2 * PIECE_MIN] + self.data[2 * PIECE_MIN :]
        return mixed[first : first + length]


class ForgedWhole(Holder):
    """A true chain of garbage: every link closes but the last, whose end is not the name."""

    def prepare(self):
        self.states = chains.chain(GARBAGE)

    def bytes_of(self, first, length):
        return GARBAGE[first : first + length]


class RandomChain(Holder):
    def prepare(self):
        self.states = os.urandom(len(self.states))


class ShortChain(Holder):
    def prepare(self):
        self.states = self.states[:-32]


class LongChain(Holder):
    def prepare(self):
        self.states += bytes(32)


class NoChain(Holder):
    def prepare(self):
        self.states = b""


class EndlessChain(Holder):
    """A chain that never ends."""

    def serve_chain(self, handler):
        headers = {**self.common(), "P2P-Node": self.member.id, "Content-Length": str(1 << 50)}
        handler.answer(200, b"", headers)
        while True:
            handler.wfile.write(bytes(1 << 16))


class TooLong(Holder):
    """Says it is longer than it is."""

    def prepare(self):
        self.size = 2 * len(self.data)


class Huge(Holder):
    """Says it is 2^52 bytes long: nothing may be sized by that."""

    def prepare(self):
        self.size = 1 << 52


class TooShort(Holder):
    def prepare(self):
        self.size = len(self.data) - PIECE_MIN


class ClosesEarly(Holder):
    """Half of what it promises, then the end."""

    def serve_content(self, handler):
        first, length = handler.asked_range(self.size)
        headers = {
            **self.common(),
            "Content-Range": f"bytes {first}-{first + length - 1}/{self.size}",
        }
        handler.answer(206, b"", {**headers, "Content-Length": str(length)})
        handler.wfile.write(self.data[first : first + length // 2])
        handler.cut()


class OtherRange(Holder):
    """Answers with another part than was asked for, and says so."""

    def serve_content(self, handler):
        _, length = handler.asked_range(self.size)
        headers = {**self.common(), "Content-Range": f"bytes 0-{length - 1}/{self.size}"}
        handler.answer(206, self.data[:length], headers)


class TooMuch(Holder):
    """More bytes than the range has."""

    def serve_content(self, handler):
        first, length = handler.asked_range(self.size)
        headers = {
            **self.common(),
            "Content-Range": f"bytes {first}-{first + length - 1}/{self.size}",
        }
        handler.answer(206, self.data[first : first + length] + GARBAGE[:1000], headers)


class TooLittle(Holder):
    """Half of the range that was asked for, and says so."""

    def serve_content(self, handler):
        first, length = handler.asked_range(self.size)
        length -= length // 2
        headers = {
            **self.common(),
            "Content-Range": f"bytes {first}-{first + length - 1}/{self.size}",
        }
        handler.answer(206, self.data[first : first + length], headers)


class HasLess(Holder):
    """Its bitmap says all, but every other piece is not there."""

    def serve_content(self, handler):
        first, _ = handler.asked_range(self.size)
        if first // PIECE_MIN % 2:
            super().serve_content(handler)
        else:
            handler.answer(404, b'{"error":"not here","hint":""}')


class BitmapTooShort(Holder):
    def serve_have(self, handler):
        handler.answer(200, b"", self.common())


class BitmapTooLong(Holder):
    def serve_have(self, handler):
        handler.answer(200, b"\xff\xff", self.common())


class NewsOfNothing(Holder):
    """Tells of pieces that no file has, in the head of each answer."""

    def common(self):
        return {**super().common(), "P2P-Have": "4,99999999999,-1,,0x2,3,3,3"}


class NoHttp(Holder):
    """Bytes that are no answer at all."""

    def serve_content(self, handler):
        handler.wfile.write(b"\x00\xffHTTP/9.9 maybe\r\n\r\n" + GARBAGE[:5000])
        handler.cut()


class HugeHead(Holder):
    """A head that never ends."""

    def serve_content(self, handler):
        handler.wfile.write(b"HTTP/1.1 206 Partial Content\r\n")
        for i in range(100000):
            handler.wfile.write(b"X-%d: nothing\r\n" % i)


class SendsElsewhere(Holder):
    """A redirect to where nobody may be led."""

    def serve_content(self, handler):
        handler.answer(
            302, b"", {"Location": f"http://127.0.0.1:{self.member.index.port}/v1/nodes"}
        )


class NoRanges(Holder):
    """Answers a request for a range with the whole, as RFC 9110 allows."""

    def serve_content(self, handler):
        handler.answer(200, self.data, self.common())


LIE_IN_BYTES = [WrongBytes, OneBit, OneBitInTheMiddle, OneBitAtTheEnd, ForgedBeginning, ForgedWhole]
LIE_IN_CHAIN = [RandomChain, ShortChain, LongChain, NoChain, EndlessChain, TooLong, Huge, TooShort]
BROKEN = [ClosesEarly, OtherRange, TooMuch, TooLittle, NoHttp, HugeHead, SendsElsewhere, NoRanges]
BROKEN += [BitmapTooShort, BitmapTooLong, NewsOfNothing]
named = {"ids": lambda kind: getattr(kind, "__name__", None)}


def visible(folder):
    return [p.name for p in folder.iterdir() if not p.name.startswith(".")]


def spent(folder):
    return sum(p.stat().st_blocks * 512 for p in folder.iterdir())


def test_the_fake_holder_is_honest_by_itself(fleet, index, here):
    """Otherwise the rest of this file would prove nothing."""
    fleet.own(Holder(index, DATA))
    fleet.ok("get", sha256(DATA), index=index, cwd=here)
    assert (here / "file.bin").read_bytes() == DATA


@pytest.mark.parametrize("kind", LIE_IN_BYTES, **named)
def test_only_a_liar(fleet, index, here, kind):
    fleet.own(kind(index, DATA))
    result = fleet.fails(5, "get", "file.bin", index=index, cwd=here, lines=4)
    assert "SHA-256" in result.err
    assert list(here.iterdir()) == [], "nothing is kept of what was not proven"


@pytest.mark.once
def test_only_a_broken_holder(fleet):
    """It ends, with a reason, and nothing wrong stands under the name. All kinds side by side,
    since a get hopes for another holder for a while."""
    gets = []
    for kind in LIE_IN_CHAIN + BROKEN:
        index = fleet.index(name=kind.__name__)
        fleet.own(kind(index, DATA))
        folder = fleet.folder(f"here-{kind.__name__}")
        gets.append((kind, folder, fleet.spawn("get", "file.bin", index=index, cwd=folder)))
    faults = []
    end = time.monotonic() + 60 * SLOW
    for kind, folder, process in gets:
        try:
            out, err = process.communicate(timeout=max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            faults.append(f"{kind.__name__}: no end within 60 s")
            continue
        if process.returncode == 0 and (folder / "file.bin").read_bytes() == DATA:
            continue  # a lawful oddity that the program can live with
        if process.returncode not in (1, 5) or not err or out:
            faults.append(f"{kind.__name__}: exit {process.returncode}, {out!r}, {err!r}")
        if visible(folder) or spent(folder) > 1 << 20:
            faults.append(f"{kind.__name__}: left {list(folder.iterdir())}")
    assert not faults, faults


@pytest.mark.parametrize("kind", LIE_IN_BYTES + LIE_IN_CHAIN + BROKEN + [HasLess], **named)
def test_a_liar_beside_an_honest_holder(fleet, index, here, kind):
    fleet.own(kind(index, DATA, "liar"))
    fleet.own(Holder(index, DATA, "honest"))
    result = fleet.run("get", sha256(DATA), index=index, cwd=here, timeout=60)
    assert result.code == 0, result
    assert (here / "file.bin").read_bytes() == DATA and visible(here) == ["file.bin"]


@pytest.mark.parametrize(
    "kind,rounds", [(ForgedBeginning, 60), (ForgedWhole, 5), (WrongBytes, 3)], **named
)
def test_liars_who_agree_against_one_honest_holder(fleet, index, kind, rounds):
    """No vote decides: four who say the same do not outweigh one who can prove it. Many times, four
    at once: what arrives last must not replace on disk what was proven before."""
    for i in range(4):
        fleet.own(kind(index, DATA, f"liar{i}"))
    fleet.own(Holder(index, DATA, "honest"))
    for i in range(rounds):
        folders = [fleet.folder(f"here{i}-{k}") for k in range(4)]
        gets = [fleet.spawn("get", sha256(DATA), index=index, cwd=f) for f in folders]
        errors = [get.communicate(timeout=60)[1] for get in gets]
        assert errors == [b""] * 4 and [get.returncode for get in gets] == [0] * 4, errors
        wrong = [f for f in folders if sha256((f / "file.bin").read_bytes()) != sha256(DATA)]
        assert not wrong, f"exit 0 and wrong bytes, in round {i}"


def test_all_kinds_of_liars_at_once(fleet, index, here):
    for kind in LIE_IN_BYTES + [RandomChain, ShortChain, ClosesEarly, NoHttp]:
        fleet.own(kind(index, DATA, kind.__name__))
    fleet.own(Holder(index, DATA, "honest"))
    result = fleet.run("get", sha256(DATA), index=index, cwd=here, timeout=60)
    assert result.code == 0, result
    assert (here / "file.bin").read_bytes() == DATA


def test_a_lie_costs_little(fleet, index, here):
    """One giver of a chain: the last piece first, then backwards, so a forged beginning is found
    before it is fetched."""
    data = os.urandom(PIECE_MIN) * 24

    class Forged(Holder):
        def prepare(self):
            self.states = os.urandom(32 * 20) + self.states[32 * 20 :]

    liar = fleet.own(Forged(index, data))
    fleet.fails(5, "get", "file.bin", index=index, cwd=here, lines=4)
    assert liar.sent < len(
        data
    ), f"{liar.sent} of {len(data)} bytes fetched before the lie was seen"
    assert visible(here) == []


@pytest.mark.parametrize("size", [1, 1000, PIECE_MIN])
def test_one_piece_needs_no_chain_and_is_checked(fleet, index, here, size):
    fleet.own(WrongBytes(index, DATA[:size], "liar"))
    fleet.fails(5, "get", "file.bin", index=index, cwd=here, lines=4)
    assert visible(here) == []
    honest = fleet.own(Holder(index, DATA[:size], "honest"))
    assert fleet.run("get", sha256(DATA[:size]), index=index, cwd=here).code == 0
    assert (here / "file.bin").read_bytes() == DATA[:size]
    assert not [r for r in honest.requests if "/chain/" in r]


def test_an_empty_file_is_known_by_its_name(fleet, index, here):
    """Nobody can lie about nothing; one who says that it has a length can."""

    class Stuffed(Holder):
        def prepare(self):
            self.size = 5

        def bytes_of(self, first, length):
            return b"stuff"[first : first + length]

    fleet.own(Stuffed(index, b""))
    result = fleet.run("get", sha256(b""), index=index, cwd=here)
    if result.code == 0:
        assert (here / "file.bin").read_bytes() == b""
    else:
        assert result.code == 5 and visible(here) == []


def test_what_a_holder_no_longer_has(fleet, index, here):
    class Forgetful(Holder):
        def serve_content(self, handler):
            handler.answer(404, b'{"error":"not here","hint":""}')

        serve_chain = serve_have = serve_content

    forgetful = fleet.own(Forgetful(index, DATA, "forgetful"))
    get = fleet.spawn("get", sha256(DATA), index=index, cwd=here)
    wait_until(lambda: len(forgetful.requests) > 1, what="it is asked")
    fleet.own(Holder(index, DATA, "honest"))
    get.communicate(timeout=30)
    assert get.returncode == 0, "another holder comes while it still hopes"
    assert (here / "file.bin").read_bytes() == DATA


def test_a_busy_holder_is_asked_again(fleet, index, here):
    class Busy(Holder):
        left = 3

        def serve_content(self, handler):
            if self.left > 0:
                self.left -= 1
                return handler.answer(
                    503, b'{"error":"busy","hint":"","retry_ms":50}', {"Retry-After": "1"}
                )
            return super().serve_content(handler)

    fleet.own(Busy(index, DATA))
    fleet.ok("get", sha256(DATA), index=index, cwd=here)
    assert (here / "file.bin").read_bytes() == DATA
