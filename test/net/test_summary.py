# SPDX-License-Identifier: MIT
"""What a get proves to its user when it is done: time, rate, sources and their shares, waste, the
bound, and who lied; and how much of a file each node has while it comes."""

import os
import re

import chains
from chains import sha256
from fleet import wait_until
from holder import Holder

MIB = 1 << 20
PIECE = 65536


class WrongPieces(Holder):
    """The true chain, and wrong bytes in every other piece."""

    def bytes_of(self, first, length):
        data = bytearray(self.data[first : first + length])
        if first // PIECE % 2 == 0:
            data[length // 2] ^= 1
        return bytes(data)


class WrongFile(Holder):
    """A small file with the wrong bytes."""

    def bytes_of(self, first, length):
        return b"\0" * length


def two_seeds(fleet, index, data, slow="1M/s", fast="3M/s"):
    for name, limit in (("slow", slow), ("fast", fast)):
        fleet.peer(index, {"film.bin": data}, "--transfer.upload_limit", limit, name=name)
        index.wait_file("film.bin", sha256(data), node=name)


def check_figures(line, data):
    """Figures that follow from each other do so."""
    assert line["size"] == len(data) and not line["was_there"]
    assert 0 < line["bound_ms"] <= line["elapsed_ms"]
    assert line["ratio"] == line["elapsed_ms"] * 100 // line["bound_ms"] / 100
    assert line["rate"] == len(data) * 1000 // line["elapsed_ms"]
    right = [source for source in line["sources"] if source["bytes"]]
    assert sum(source["bytes"] for source in right) >= len(data)
    for source in right:
        assert source["share"] == source["bytes"] * 100 // len(data) and source["rate"] > 0


def test_the_figures_of_a_download(fleet, index, here):
    data = os.urandom(8 * MIB)
    two_seeds(fleet, index, data)
    (line,) = fleet.json("get", "film.bin", index=index, cwd=here)
    check_figures(line, data)
    gave = {source["name"]: source for source in line["sources"]}
    assert gave["fast"]["bytes"] > gave["slow"]["bytes"] > 0
    # Each sends no faster than it may, and so no bound can promise more than both together; but
    # what comes late on a busy machine comes at once.
    assert gave["slow"]["rate"] < 2 * MIB and gave["fast"]["rate"] < 6 * MIB
    assert line["bound_ms"] > 1000 * 8 / 8
    (again,) = fleet.json("get", "film.bin", index=index, cwd=here)
    assert again["was_there"] and again["sources"] == [] and "bound_ms" not in again


def test_the_bound_knows_the_own_limit(fleet, index, here):
    """It promises no more than the limit lets through, however fast a burst of it came."""
    data = os.urandom(6 * MIB)
    fleet.peer(index, {"film.bin": data})
    index.wait_file("film.bin", sha256(data))
    limited = ("--transfer.download_limit", "2M/s")
    (line,) = fleet.json("get", "film.bin", *limited, index=index, cwd=here)
    check_figures(line, data)
    assert line["bound_ms"] >= 2700, line  # 3 s but for the burst in the beginning


def test_the_figures_through_a_peer(fleet, index):
    """As a peer's work the same figures come, and its statistics count."""
    data = os.urandom(2 * MIB)
    two_seeds(fleet, index, data, "200K/s", "600K/s")  # so that there is something left for the liar
    liar = fleet.own(WrongPieces(index, data, name="liar", path="film.bin"))
    desk = fleet.peer(index, {}, name="desk")
    (line,) = fleet.json("get", "film.bin", "-s", desk.state, index=index)
    check_figures(line, data)
    assert liar.sent > 0
    (blamed,) = [source for source in line["sources"] if source["blamed"]]
    assert blamed["name"] == "liar" and line["wasted"] > 0 and line["retries"] > 0
    stats = desk.stats()
    assert stats["fetched"] == len(data) and stats["wasted"] == line["wasted"]
    assert stats["blamed"] == 1


def test_the_summary_names_who_lied(fleet, index, here):
    data = os.urandom(2 * MIB)
    fleet.peer(index, {"film.bin": data}, "--transfer.upload_limit", "600K/s", name="honest")
    index.wait_file("film.bin", sha256(data), node="honest")
    fleet.own(WrongPieces(index, data, name="liar", path="film.bin"))
    result = fleet.run("get", "film.bin", "-v", index=index, cwd=here)
    assert result.code == 0 and (here / "film.bin").read_bytes() == data
    first, *rest = result.err.splitlines()
    assert re.fullmatch(
        r"film\.bin: 2\.0 MiB in .+, .+/s, SHA-256 verified; \d+\.\d\d times the bound", first
    ), result.err
    assert any(re.match(r"  honest: .+ \(\d+%\), at best .+/s$", line) for line in rest), rest
    assert any(re.match(r"  liar: .+, sent wrong bytes$", line) for line in rest), rest
    assert re.fullmatch(r"  wasted: .+, \d+ pieces asked for again", rest[-1]), rest


def test_the_summary_of_small_files_names_who_lied(fleet, index, here):
    files = {f"s/{i}.txt": os.urandom(3000 + i) for i in range(20)}
    fleet.peer(index, files, name="honest")
    for name, data in files.items():
        index.wait_file(name, sha256(data))
    path, data = "s/7.txt", files["s/7.txt"]
    liar = fleet.own(WrongFile(index, data, name="liar", path=path))

    def lied():
        """Whom it asks first is left to chance."""
        result = fleet.run("get", "s/", "-v", "--force", index=index, cwd=here)
        assert result.code == 0 and (here / path).read_bytes() == data, result
        assert re.search(r"^20 files, .+ in .+, .+/s, SHA-256 verified$", result.err, re.M), result
        named = re.search(r"^  liar: 0 B \(0%\), sent wrong bytes$", result.err, re.M)
        assert bool(named) == (liar.sent > 0), result
        (here / path).unlink()
        return named

    wait_until(lied, 30, "it asks the liar first")


def test_who_shows_the_per_cent_grow(fleet, index, here):
    data = os.urandom(6 * MIB)
    fleet.peer(index, {"film.bin": data}, name="seed")
    index.wait_file("film.bin", sha256(data))
    limit = ("--transfer.download_limit", "1M/s", "--linger", "forever", "-q")
    process = fleet.spawn("get", "film.bin", *limit, index=index, cwd=here)
    seen = []

    def grows():
        lines = fleet.json("who", sha256(data), index=index)
        assert all({"node", "name", "addresses", "have", "kind"} <= line.keys() for line in lines)
        parts = [line["have"] for line in lines if line["kind"] == "copy"]
        whole = [line["have"] for line in lines if line["kind"] == "owned"]
        assert whole == [100] and len(parts) <= 1
        if parts and parts != seen[-1:]:
            seen.extend(parts)
        return 100 in seen

    wait_until(grows, 40, "the guest has all")
    assert seen == sorted(set(seen)) and len(seen) >= 3, seen
    process.terminate()
    out, err = process.communicate(timeout=10)
    assert process.returncode == 0 and err == b"" and chains.sha256(data) in out.decode(), err
