# SPDX-License-Identifier: MIT
"""What happens around getters that feed each other: the index goes, the owner's file is replaced, a
getter is ended and begins again."""

import os
import signal

import pytest

from chains import sha256
from fleet import left_in, wait_until
from test_faults import replace
from test_swarm import MIB, all_out, end_lingering, ended, getter, guests, right, seed_of
from test_swarm_faults import each_right, have_met


def test_the_index_goes_while_getters_feed_each_other(fleet):
    """Whom they know they go on with."""
    index, seed, data = seed_of(fleet, 6 * MIB, "2M/s")
    gets = [getter(fleet, index, i) for i in range(2)]
    wait_until(lambda: have_met(index, data) == 2, 20, "each has fetched from the other")
    index.kill()
    each_right(gets, data)
    assert seed.stats()["uploaded"] < 2 * len(data)


@pytest.mark.parametrize("by", ["name", "sha256"])
def test_the_file_is_replaced_when_all_pieces_are_out(fleet, by):
    """The owner has it no more, but the getters have it together: it comes as it was."""
    index, seed, data = seed_of(fleet, 3 * MIB, "2M/s")
    what = "image.bin" if by == "name" else sha256(data)
    gets = [getter(fleet, index, i, "--linger", "forever", what=what) for i in range(2)]
    wait_until(lambda: all_out(index, data), 40, "all pieces are with the getters")
    replace(seed.share / "image.bin", os.urandom(MIB))
    end_lingering(gets, data)


def test_the_file_is_replaced_when_a_part_is_out(fleet):
    """Nobody has the rest of what it was, and no getter waits for the other for ever. By its name
    it comes as it is now; its SHA-256 nobody offers any more, or somebody who is gone when he is
    asked, and what came of it stays for another day."""
    index, seed, old = seed_of(fleet, 6 * MIB, "1M/s")
    new = os.urandom(MIB)
    named, hashed = getter(fleet, index, 0), getter(fleet, index, 1, what=sha256(old))
    wait_until(lambda: len(guests(index, old)) == 2, 20, "both have a part")
    replace(seed.share / "image.bin", new)
    (line,), err = ended(named[1], deadline=20)
    assert line["sha256"] == sha256(new) and "changed while it was fetched" in err
    assert right(named[0], new)
    out, err = (text.decode() for text in hashed[1].communicate(timeout=60))
    assert "changed while it was fetched" in err, (out, err)
    reason = {4: "nobody offers it", 1: "none of 1 holders can be reached"}[hashed[1].returncode]
    assert reason in err, (out, err)
    assert left_in(hashed[0]) == [f".p2p-{sha256(old)[:32]}.part"]
    wait_until(lambda: not guests(index, old), what="no guest is left")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_getter_is_ended_and_begins_again(fleet, number):
    """Others go on; the index forgets it; the next one ends right and leaves nothing behind."""
    index, _, data = seed_of(fleet, 4 * MIB, "2M/s")
    other, first = getter(fleet, index, 0), getter(fleet, index, 1)
    wait_until(lambda: len(guests(index, data)) == 2, 20, "both have a part")
    first[1].send_signal(number)
    first[1].communicate()
    assert first[1].returncode == (130 if number == signal.SIGINT else -number)
    names = [name for name in left_in(first[0]) if not name.endswith(".part")]
    assert names == [], "no name before it is whole"
    each_right([other, getter(fleet, index, 1)], data)
    wait_until(lambda: not guests(index, data), what="no guest is left")
