# SPDX-License-Identifier: MIT
"""Whom a download believes, and what it lets others have: pieces that are consistent go to those
who name the chain, proven ones to all; a disagreement is settled from the end of the file; who sent
wrong bytes is found out by proof, left alone and counted."""

import os
import signal

import pytest

import chains
from chains import PIECE_MIN, sha256
from fleet import left_in, wait_until
from holder import Holder
from rawhttp import ask
from test_liars import (
    ForgedBeginning,
    ForgedWhole,
    OneBitAtTheEnd,
    OneBitInTheMiddle,
    RandomChain,
    WrongBytes,
)
from test_liars import DATA as SMALL
from test_swarm import ended, getter, guests, piece_range, right
from test_swarm_faults import content_head

COUNT = 24
DATA = os.urandom(COUNT * PIECE_MIN)
SHA = sha256(DATA)
named = {"ids": lambda kind: getattr(kind, "__name__", None)}


class WithoutEnd(Holder):
    """Never finishes the piece that proves the others, until it is let go."""

    going = False

    def serve_content(self, handler):
        first, length = handler.asked_range(self.size)
        if first + length < self.size or self.going:
            super().serve_content(handler)
            return
        content_head(self, handler)
        wait_until(lambda: self.going or self.ending, 60)
        handler.cut()

    ending = False

    def close(self):
        self.ending = True
        super().close()


def answer_of(address, what, **headers):
    fields = {key.replace("_", "-"): value for key, value in headers.items()}
    return ask(address, "GET", f"/v1/{what}/{SHA}", fields)


def test_consistent_pieces_go_to_those_who_name_the_chain(fleet, index):
    """And to nobody else, before the end of the file has come."""
    seeds = [fleet.own(WithoutEnd(index, DATA, name, "image.bin")) for name in ("one", "two")]
    folder, process = getter(fleet, index, 0, "--linger", "1m", "-q")
    chain = chains.chain_id(len(DATA), seeds[0].states)
    (guest,) = wait_until(lambda: guests(index, DATA), what="the guest joins")
    address = guest["addresses"][0]

    def has_some():
        reply = answer_of(address, "have", P2P_Chain=chain)
        assert reply.header("p2p-chain") in (chain, None)
        return reply.body if reply.status == 200 and any(reply.body) else None

    bits = int.from_bytes(wait_until(has_some), "big")
    piece = next(i for i in range(COUNT) if bits >> (COUNT - 1 - i) & 1)
    place = piece_range(piece)
    other = chain[:-1] + ("0" if chain[-1] != "0" else "1")
    reply = answer_of(address, "content", P2P_Chain=chain, Range=place)
    assert reply.status == 206 and reply.header("etag") is None
    assert reply.body == DATA[piece * PIECE_MIN : (piece + 1) * PIECE_MIN]
    for stranger in ({}, {"P2P_Chain": other}, {"P2P_Chain": "no chain"}):
        assert answer_of(address, "have", **stranger).body == bytes(COUNT // 8), stranger
        assert answer_of(address, "content", Range=place, **stranger).status == 404, stranger
    assert ask(address, "GET", "/download/image.bin").status == 404
    assert answer_of(address, "chain").body == seeds[0].states
    for seed in seeds:
        seed.going = True
    wait_until(lambda: right(folder, DATA), 30, "the file is whole")
    wait_until(lambda: answer_of(address, "content").body == DATA, what="all is proven now")
    assert answer_of(address, "have").body == b"\xff" * (COUNT // 8)
    process.send_signal(signal.SIGINT)
    ended(process)


class Forged(Holder):
    """A beginning of garbage in a chain that fits it, and the true end: one link does not close.
    Nothing of the garbage comes before two have the end, and offer it to each other."""

    at = COUNT // 2

    def prepare(self):
        self.garbage = os.urandom(self.at * PIECE_MIN)
        states = chains.chain(self.garbage + bytes(PIECE_MIN))
        self.states = states[: 32 * (self.at - 1)] + self.states[32 * (self.at - 1) :]

    def bytes_of(self, first, length):
        return (self.garbage + self.data[len(self.garbage) :])[first : first + length]

    def serve_content(self, handler):
        if handler.asked_range(self.size)[0] < len(self.garbage):
            wait_until(lambda: self.going or self.two_guests(), 30)
        super().serve_content(handler)

    going = False

    def two_guests(self):
        if len(guests(self.member.index, self.data)) > 1:
            self.going = True
        return self.going

    def close(self):
        self.going = True
        super().close()


def test_two_getters_and_nobody_but_a_liar(fleet, index):
    """They have the end, which is right, and offer it to each other; the rest is not to be had."""
    liar = fleet.own(Forged(index, DATA, "liar", "image.bin"))
    gets = [getter(fleet, index, i) for i in range(2)]
    for folder, process in gets:
        (line,), err = ended(process, 5)
        assert line["status"] == 5 and "SHA-256" in err and left_in(folder) == []
    wait_until(lambda: not guests(index, DATA), what="nobody offers anything of it")
    assert liar.sent < 3 * len(DATA)


class Link(Forged):
    """Has the end and the link that does not close."""

    pieces = range(Forged.at - 1, COUNT)
    given = False

    def serve_have(self, handler):
        bits = sum(1 << COUNT - 1 - piece for piece in self.pieces)
        handler.answer(200, bits.to_bytes(COUNT // 8, "big"), self.common())

    def serve_content(self, handler):
        Holder.serve_content(self, handler)
        self.given |= handler.asked_range(self.size)[0] // PIECE_MIN == self.at - 1


class Below(Link):
    """In the same chain the end and a piece of the garbage, which it does not give before the other
    has given the link."""

    pieces = (Forged.at - 3, *range(Forged.at, COUNT))
    link = None

    def serve_content(self, handler):
        if handler.asked_range(self.size)[0] // PIECE_MIN == self.at - 3:
            wait_until(lambda: self.link.given or self.going, 30)
            handler.close_connection = True
        else:
            super().serve_content(handler)


def test_what_may_not_be_asked_for_is_not_waited_for(fleet, index, here):
    """Below a link that does not close there is a piece, with a holder that waits for the rest as
    we do, maybe. It is not asked for, and two such getters do not wait for each other for ever."""
    link = fleet.own(Link(index, DATA, "link", "image.bin", have=50))
    below = fleet.own(Below(index, DATA, "below", "image.bin", have=50))
    below.garbage, below.states, below.link = link.garbage, link.states, link
    fleet.fails(5, "get", "image.bin", index=index, cwd=here, lines=4)
    assert link.given and left_in(here) == []


class Late(Holder):
    """Honest, but shows nothing until somebody else has sent something."""

    other = None

    def serve_have(self, handler):
        wait_until(lambda: not self.other or self.other.sent > 0, 30)
        super().serve_have(handler)


def late(fleet, index, other, path="file.bin"):
    holder = fleet.own(Late(index, DATA, "honest", path))
    holder.other = other
    return holder


def test_garbage_is_not_passed_on(fleet, index):
    """Getters of a liar and of an honest holder at the same time: all end right, and what a getter
    sent was never wrong."""
    liar = fleet.own(Forged(index, DATA, "liar", "image.bin"))
    honest = late(fleet, index, liar, "image.bin")
    gets = [getter(fleet, index, i) for i in range(3)]
    for folder, process in gets:
        (line,), _ = ended(process)
        assert right(folder, DATA)
        blamed = {source["name"] for source in line["sources"] if source["blamed"]}
        assert blamed <= {"liar"}, line
    assert honest.sent > 0


@pytest.mark.parametrize("kind", [WrongBytes, OneBitInTheMiddle, OneBitAtTheEnd], **named)
def test_blame_is_by_proof(fleet, index, here, kind):
    """The liar gives the true chain first, and wrong bytes: another's bytes prove it. It costs a
    few pieces, and it is not asked again."""
    liar = fleet.own(kind(index, DATA, "liar"))
    late(fleet, index, liar)
    (line,) = fleet.json("get", SHA, index=index, cwd=here)
    assert (here / "file.bin").read_bytes() == DATA and left_in(here) == ["file.bin"]
    sources = {source["name"]: source for source in line["sources"]}
    assert sources["honest"]["bytes"] > 0 and not sources["honest"]["blamed"]
    if kind is WrongBytes:
        assert sources["liar"]["blamed"] and sources["liar"]["bytes"] == 0
        assert sources["honest"]["bytes"] == len(DATA)
        assert liar.sent <= 8 * PIECE_MIN and line["wasted"] <= liar.sent


@pytest.mark.parametrize("kind", [ForgedBeginning, ForgedWhole, RandomChain], **named)
def test_an_honest_holder_is_never_blamed(fleet, index, here, kind):
    """Whoever states another chain is refuted from the end; nobody is blamed for a disagreement."""
    for i in range(3):
        fleet.own(kind(index, SMALL, f"liar{i}"))
    fleet.own(Holder(index, SMALL, "honest"))
    (line,) = fleet.json("get", sha256(SMALL), index=index, cwd=here)
    assert (here / "file.bin").read_bytes() == SMALL
    assert "honest" not in {s["name"] for s in line["sources"] if s["blamed"]}, line


def test_a_peer_counts_liars(fleet, index):
    """What it fetched for nothing and who was found out is in its figures."""
    desk = fleet.peer(index, {}, name="desk")
    before = desk.stats()
    assert before["wasted"] == before["blamed"] == 0
    liar = fleet.own(WrongBytes(index, DATA, "liar"))
    late(fleet, index, liar)
    fleet.ok("get", SHA, "-s", desk.state, index=index)
    after = desk.stats()
    assert after["blamed"] == 1 and 0 < after["wasted"] <= liar.sent
