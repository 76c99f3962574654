# SPDX-License-Identifier: MIT
"""Downloads that feed each other: one slow seed and several getters, each of which joins as a guest
and serves what it has. What the seed sent tells whether they did."""

import json
import os
import signal
import time

from chains import sha256
from fleet import wait_until
from holder import Holder
from rawhttp import ask

MIB = 1 << 20
PIECE = 65536
GETTERS = 4


def seed_of(fleet, size, limit="2M/s"):
    data = os.urandom(size)
    index = fleet.index(name="desk")
    seed = fleet.peer(index, {"image.bin": data}, "--transfer.upload_limit", limit, name="seed")
    index.wait_file("image.bin", sha256(data))
    return index, seed, data


def getter(fleet, index, number, *args, what="image.bin"):
    folder = fleet.folder(f"getter-{number}")
    line = ["get", what, "--json", "--node.name", f"guest-{number}", *args]
    return folder, fleet.spawn(*line, index=index, cwd=folder)


def ended(process, code=0, deadline=60):
    out, err = process.communicate(timeout=deadline)
    assert process.returncode == code, (process.returncode, out, err)
    return [json.loads(line) for line in out.splitlines()], err.decode()


def right(folder, data):
    names = sorted(path.name for path in folder.iterdir())
    return names == ["image.bin"] and (folder / "image.bin").read_bytes() == data


def end_lingering(gets, data):
    """All come to have the file, and need not linger then."""
    for folder, _ in gets:
        wait_until(lambda folder=folder: right(folder, data), 40, "the file is whole")
    for _, process in gets:
        process.send_signal(signal.SIGINT)
        ended(process)


def holders(index, data):
    return index.stream(f"/v1/sources/{sha256(data)}")[0]


def guests(index, data):
    return [line for line in holders(index, data) if line["name"].startswith("guest")]


def bitmap(address, data):
    """The pieces that are there, as a number; None when there is nothing."""
    path = f"/v1/have/{sha256(data)}"
    reply = ask(address, "GET", path)
    if reply.status != 200:
        return None
    named = ask(address, "GET", path, {"P2P-Chain": reply.header("p2p-chain")})
    return int.from_bytes(named.body, "big") if named.status == 200 else None


def all_out(index, data):
    """The guests together have every piece."""
    have = 0
    for guest in guests(index, data):
        have |= bitmap(guest["addresses"][0], data) or 0
    return have == (1 << len(data) // PIECE) - 1


def test_getters_feed_each_other(fleet):
    index, seed, data = seed_of(fleet, 8 * MIB)
    gets = [getter(fleet, index, i) for i in range(GETTERS)]
    from_guests = 0
    for folder, process in gets:
        (line,), err = ended(process)
        assert err == "" and right(folder, data)
        assert {"elapsed_ms", "rate", "retries", "wasted"} <= line.keys()
        assert not any(source["blamed"] for source in line["sources"]), line
        from_guests += sum(s["bytes"] for s in line["sources"] if s["name"] != "seed")
    assert seed.stats()["uploaded"] < 0.7 * GETTERS * len(data)
    assert from_guests > 0.25 * GETTERS * len(data)
    wait_until(lambda: not guests(index, data), what="all guests have left")


def test_the_seed_goes_when_all_pieces_are_out(fleet):
    index, seed, data = seed_of(fleet, 6 * MIB)
    gets = [getter(fleet, index, i, "--linger", "forever", "-q") for i in range(GETTERS)]
    wait_until(lambda: all_out(index, data), 40, "all pieces are with the guests")
    seed.kill()
    end_lingering(gets, data)


def test_a_getter_is_killed(fleet):
    index, _, data = seed_of(fleet, 6 * MIB)
    gets = [getter(fleet, index, i) for i in range(3)]
    wait_until(lambda: len(guests(index, data)) == 3, 20, "all have joined")
    gets[0][1].kill()
    for folder, process in gets[1:]:
        ended(process)
        assert right(folder, data)


class LyingPart(Holder):
    """Says that it has every other piece, and sends garbage."""

    def serve_have(self, handler):
        count = -(-self.size // PIECE)
        handler.answer(200, b"\xaa" * (count // 8), self.common())

    def bytes_of(self, first, length):
        return os.urandom(length)


def test_a_part_that_lies_is_found_out(fleet):
    index, _, data = seed_of(fleet, 2 * MIB, "1M/s")
    liar = fleet.own(LyingPart(index, data, name="liar", path="image.bin", have=50))
    folder, process = getter(fleet, index, 0)
    (line,), _ = ended(process)
    assert right(folder, data)
    gave = {source["name"]: source for source in line["sources"]}
    assert liar.sent > 0 and gave["seed"]["bytes"] == len(data)
    assert line["wasted"] <= 2 * liar.sent


def test_a_guest_serves_what_it_has_to_who_names_the_chain(fleet):
    index, _, data = seed_of(fleet, 8 * MIB, "1M/s")
    folder, process = getter(fleet, index, 0, "--linger", "1m", "-q")
    (guest,) = wait_until(
        lambda: [g for g in guests(index, data) if g["reachable"]], what="the guest joins"
    )
    assert guest["have"] < 100
    address, path = guest["addresses"][0], f"/v1/content/{sha256(data)}"
    chain = ask(address, "GET", f"/v1/chain/{sha256(data)}")
    assert chain.status == 200 and len(chain.body) == 32 * (len(data) // PIECE - 1)
    have = wait_until(lambda: bitmap(address, data))
    count = len(data) // PIECE
    piece = next(i for i in range(count) if have >> (count - 1 - i) & 1)
    missing = next(i for i in range(count) if not have >> (count - 1 - i) & 1)
    named = {"P2P-Chain": chain.header("p2p-chain"), "Range": piece_range(piece)}
    reply = ask(address, "GET", path, named)
    assert reply.status == 206 and reply.body == data[piece * PIECE : (piece + 1) * PIECE]
    reply = ask(address, "GET", path, {**named, "Range": piece_range(missing)})
    assert reply.status == 404 or reply.body == data[missing * PIECE : (missing + 1) * PIECE]
    percents = set()

    def seen():
        rows = fleet.ok("who", "image.bin", index=index).rows()
        percents.update(row[2] for row in rows if row[3] == "copy")
        return "100" in percents

    wait_until(seen, 40, "who says that the guest has all")
    assert len(percents) > 1 and right(folder, data)
    assert ask(address, "GET", path).body == data
    process.send_signal(signal.SIGTERM)
    ended(process)
    wait_until(lambda: not guests(index, data), what="the guest has left")


def piece_range(piece):
    return f"bytes={piece * PIECE}-{(piece + 1) * PIECE - 1}"


def test_a_guest_lingers_for_its_time(fleet):
    """From the moment on at which the file has its name; then it has left."""
    index, _, data = seed_of(fleet, MIB, "100M/s")
    folder, process = getter(fleet, index, 0, "--linger", "2s")
    (line,), _ = ended(process)
    assert line["sha256"] == sha256(data) and right(folder, data)
    assert time.time() - os.stat(folder / "image.bin").st_ctime >= 2
    assert not guests(index, data)


def lingering(fleet, names):
    """A get of these that was done at once, and goes on as a guest with the first; small.bin was
    there."""
    data = os.urandom(MIB)
    index = fleet.index(name="desk")
    seed = fleet.peer(index, {names[0]: data, "small.bin": bytes(1000)}, name="seed")
    index.wait_file(names[0], sha256(data))
    index.wait_file("small.bin", sha256(bytes(1000)))
    (fleet.folder("getter-0") / "small.bin").write_bytes(bytes(1000))
    args = [*names[1:], "--linger", "forever"]
    folder, process = getter(fleet, index, 0, *args, what=names[0])
    (guest,) = wait_until(lambda: guests(index, data), what="the guest has joined")
    wait_until(lambda: guests(index, data)[0]["have"] == 100, what="the guest has all")
    assert (folder / names[0]).read_bytes() == data
    return index, seed, guest["addresses"][0], process, data


def test_a_guest_that_was_fast_lingers_too(fleet):
    """However soon the file was there, and whatever came after it."""
    _, _, _, process, _ = lingering(fleet, ["image.bin", "small.bin"])
    process.send_signal(signal.SIGINT)
    _, err = ended(process)
    assert "image.bin is served on to others" in err


def test_a_guest_lingers_with_a_small_file(fleet):
    """Of one piece, and so found by nobody before. What was there already is not served on, and
    that is said."""
    data = os.urandom(1000)
    index = fleet.index(name="desk")
    seed = fleet.peer(index, {"image.bin": data}, name="seed")
    index.wait_file("image.bin", sha256(data))
    _, process = getter(fleet, index, 0, "--linger", "forever")
    wait_until(lambda: [guest["have"] for guest in guests(index, data)] == [100], what="it joined")
    seed.stop()
    assert ask(index.address, "GET", "/download/image.bin").status == 307
    other = fleet.folder("other")
    for args in (["image.bin"], [sha256(data), "-o", "again.bin"]):
        fleet.ok("get", *args, index=index, cwd=other)
    assert (other / "image.bin").read_bytes() == (other / "again.bin").read_bytes() == data
    result = fleet.run("get", "image.bin", "--linger", "forever", index=index, cwd=other)
    assert result.code == 0 and "nothing is served on" in result.err
    process.send_signal(signal.SIGINT)
    ended(process)


def test_who_is_sent_to_a_guest_gets_the_bytes(fleet):
    """A plain client, by the name under which the index knows the file there."""
    index, seed, guest, process, data = lingering(fleet, ["im age.bin"])
    seed.stop()
    sent = ask(index.address, "GET", "/download/im%20age.bin")
    assert sent.status == 307 and guest in sent.header("location"), sent
    reply = ask(guest, "GET", sent.header("location").split(guest)[1])
    assert reply.status == 200 and reply.body == data
    assert 'filename="im age.bin"' in reply.header("content-disposition")
    assert ask(guest, "GET", "/download/small.bin?own=1").status == 404
    process.send_signal(signal.SIGINT)
    ended(process)


def test_a_peer_serves_what_it_fetches(fleet):
    index, seed, data = seed_of(fleet, 6 * MIB)
    peers = [fleet.peer(index, {}, name=f"guest-{i}") for i in range(3)]
    gets = [
        fleet.spawn("get", "image.bin", "--json", "-s", peer.state, index=index) for peer in peers
    ]
    for process in gets:
        ended(process)
    assert seed.stats()["uploaded"] < 0.75 * 3 * len(data)
    wait_until(lambda: [line["have"] for line in holders(index, data)] == [100] * 4)
