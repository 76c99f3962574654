# SPDX-License-Identifier: MIT
"""Pieces that are with nobody any more, and what a lone seed does so that none is: it sends each
piece once before it sends any twice."""

import os
import re

import pytest

from chains import chain, chain_id, sha256
from fleet import left_in, wait_until
from keyboard import Keyboard
from rawhttp import Link
from test_swarm import MIB, PIECE, ended, getter, guests, right, seed_of

SPARED = "another asked for it before"


@pytest.mark.once
def test_the_seed_goes_before_all_pieces_are_out(fleet):
    """Who waits for the rest says for what, ends soon, and goes on when it is there again."""
    index, seed, data = seed_of(fleet, 6 * MIB, "1M/s")
    gets = [getter(fleet, index, i) for i in range(2)]
    board = Keyboard(fleet, "get", "image.bin", "--node.name", "guest-2", index=index)
    wait_until(lambda: len(guests(index, data)) == 3, 20, "all have a part")
    seed.kill()
    for folder, process in gets:
        (line,), err = ended(process, 1, 60)
        said = re.search(r"(\d+) of 96 pieces (is|are) with nobody that answers", err)
        assert said and 0 < int(said.group(1)) < 96 and said.group(0) in line["error"], (line, err)
        assert left_in(folder) == [f".p2p-{sha256(data)[:32]}.part"]
    assert board.ended(60) == 1
    drawn = "\n".join(board.screen.drawn)
    assert re.search(r"nobody has \d+ of 96 pieces, waiting \d", drawn), drawn
    seed.restart()
    index.wait_file("image.bin", sha256(data))
    folder, process = gets[0][0], fleet.spawn("get", "image.bin", index=index, cwd=gets[0][0])
    assert process.communicate(timeout=60) and process.returncode == 0 and right(folder, data)


class Downloader:
    """Asks a seed for pieces on one connection as a node does that serves what it gets."""

    def __init__(self, fleet, seed, data, number):
        self.data, self.link = data, fleet.own(Link(seed.address))
        self.path = f"/v1/content/{sha256(data)}"
        self.headers = {
            "P2P-Chain": chain_id(len(data), chain(data)),
            "P2P-Peers": f"{number:032x}@0.0.0.0:{40000 + number}",
        }

    def ask(self, piece):
        """Whether the piece came; if not, it was left to those who have it."""
        place = {"Range": f"bytes={piece * PIECE}-{piece * PIECE + PIECE - 1}"}
        reply = self.link.request("GET", self.path, {**self.headers, **place})
        if reply.status == 503:
            answer = reply.json()
            assert answer["error"] == SPARED and 0 < answer["retry_ms"] <= 1000, answer
            assert int(reply.header("retry-after")) >= 1
            return False
        assert reply.status == 206
        assert reply.body == self.data[piece * PIECE : (piece + 1) * PIECE]
        return True


def test_a_seed_sends_each_piece_once_first(fleet):
    """What another has got is refused while there is something new, and told; when nothing new
    leaves any more, since nobody asks for it, everything is sent again."""
    _, seed, data = seed_of(fleet, 2 * MIB, "1M/s")
    first, second = (Downloader(fleet, seed, data, i) for i in (1, 2))
    assert second.ask(31)
    assert all(first.ask(piece) for piece in range(10))
    assert not second.ask(0) and not second.ask(3)
    assert second.ask(20)
    assert not first.ask(31)
    wait_until(lambda: second.ask(0), 10, "it is sent again")


def test_who_serves_nothing_gets_every_piece(fleet):
    """A node that others cannot fetch from, and any other program, is refused nothing."""
    _, seed, data = seed_of(fleet, 2 * MIB, "1M/s")
    first, second, alone = (Downloader(fleet, seed, data, i) for i in (1, 2, 3))
    del alone.headers["P2P-Peers"]
    assert second.ask(31)
    assert all(first.ask(piece) for piece in range(8))
    assert not second.ask(0)
    assert all(alone.ask(piece) for piece in range(8))
