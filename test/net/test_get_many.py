# SPDX-License-Identifier: MIT
"""p2p get of several words, folders, globs and thousands of small files: what lands where, what is
said of each that does not, and the exit status of all."""

import json
import os
import re
import signal

import pytest

from chains import sha256
from fleet import below, left_in, put, wait_until
from holder import Holder
from keyboard import Keyboard


def wait_all(index, count, deadline=60):
    """So many offers are in the index, and the content of each is known."""

    def known():
        if index.stats()["offers"] != count:
            return False
        after = ""
        while after is not None:
            lines, end = index.stream(f"/v1/list?limit=10000&after={after}")
            if not all(line["sha256"] for line in lines):
                return False
            after = end["next"]
        return True

    wait_until(known, deadline, f"{count} offers with a content")


def printed(result):
    """{path: SHA-256} of what get printed."""
    lines = [line.split("  ", 1) for line in result.out.splitlines()]
    return {path: content for content, path in lines}


def test_several_words(fleet, index, here):
    files = {"a/one.txt": b"one", "two.txt": b"two", "three.bin": os.urandom(300_000)}
    fleet.peer(index, files)
    wait_all(index, 3)
    result = fleet.ok("get", "a/one.txt", sha256(b"two"), "three.bin", index=index, cwd=here)
    assert printed(result) == {name.split("/")[-1]: sha256(data) for name, data in files.items()}
    assert left_in(here) == ["one.txt", "three.bin", "two.txt"]
    assert (here / "three.bin").read_bytes() == files["three.bin"]


def test_each_failure_is_named_and_the_rest_goes_on(fleet, index, here):
    fleet.peer(index, {"a.txt": b"alpha", "b.txt": b"beta", "c.txt": b"gamma"})
    wait_all(index, 3)
    put(here / "b.txt", b"mine")
    result = fleet.run("get", "a.txt", "b.txt", "nobody.txt", "c.txt", index=index, cwd=here)
    assert result.code == 4, "a name that nobody has is worse than a file in the way"
    assert sorted(printed(result)) == ["a.txt", "c.txt"]
    assert len(result.err.splitlines()) == 2, result
    assert "b.txt" in result.err and "nobody.txt" in result.err, result
    assert (here / "b.txt").read_bytes() == b"mine"
    assert left_in(here) == ["a.txt", "b.txt", "c.txt"]


TREE = {
    "x/a/one.txt": b"1",
    "x/a/deep/er/two.txt": b"two" * 999,
    "x/a/empty": b"",
    "x/a/same.txt": b"1",
    "x/a/large.bin": bytes(range(256)) * 1000,
    "x/ab.txt": b"not in the folder",
    "x/a.txt": b"nor this",
}


def test_a_folder(fleet, index, here):
    share = fleet.share("tree", TREE)
    (share / "x/a/one.txt").chmod(0o755)
    fleet.peer(index, share=share)
    wait_all(index, len(TREE))
    inside = {n.removeprefix("x/"): data for n, data in TREE.items() if n.startswith("x/a/")}
    result = fleet.ok("get", "x/a/", index=index, cwd=here)
    assert printed(result) == {name: sha256(data) for name, data in inside.items()}
    assert left_in(here) == sorted(inside)
    for name, data in inside.items():
        got, source = here / name, share / "x" / name
        assert got.read_bytes() == data, name
        assert int(got.stat().st_mtime) == int(source.stat().st_mtime), name
    assert (here / "a/one.txt").stat().st_mode & 0o100
    assert not (here / "a/same.txt").stat().st_mode & 0o111
    fleet.ok("get", "x/", "-o", "all/of/it", "-o", "there/", index=index, cwd=here)
    assert left_in(here / "there/x") == sorted(name.removeprefix("x/") for name in TREE)


def test_a_folder_again_finds_all_there(fleet, index, here):
    """What a get left half done, the same get completes; what has changed stays."""
    fleet.peer(index, TREE)
    wait_all(index, len(TREE))
    first = fleet.ok("get", "x/a/", index=index, cwd=here)
    (here / "a/one.txt").unlink()
    times = {name: (here / name).stat().st_mtime_ns for name in left_in(here)}
    again = fleet.ok("get", "x/a/", index=index, cwd=here)
    assert printed(again) == printed(first)
    assert {name: (here / name).stat().st_mtime_ns for name in times} == times
    (here / "a/one.txt").write_bytes(b"2")
    result = fleet.run("get", "x/a/", index=index, cwd=here)
    assert result.code == 1 and "a/one.txt" in result.err and "--force" in result.err, result
    assert len(printed(result)) == len(printed(first)) - 1
    assert (here / "a/one.txt").read_bytes() == b"2"
    fleet.ok("get", "x/a/", "--force", index=index, cwd=here)
    assert (here / "a/one.txt").read_bytes() == b"1"


def test_obstacles_in_a_folder(fleet, index, here):
    fleet.peer(index, {f"f/{n}/x.txt": n.encode() for n in ("file", "link", "folder", "free")})
    wait_all(index, 4)
    outside = fleet.folder("outside")
    put(here / "f/file", b"a file where a folder is needed")
    os.symlink(outside, here / "f/link")
    (here / "f/folder/x.txt").mkdir(parents=True)
    result = fleet.run("get", "f/", index=index, cwd=here)
    assert result.code == 1 and list(printed(result)) == ["f/free/x.txt"], result
    assert len(result.err.splitlines()) == 3, result
    for name in ("f/file/x.txt", "f/link/x.txt", "f/folder/x.txt"):
        assert name in result.err, result
    assert left_in(outside) == []
    assert left_in(here) == ["f/file", "f/free/x.txt"] and (here / "f/link").is_symlink()


def test_where_o_puts_several(fleet, index, here):
    fleet.peer(index, {"a.txt": b"alpha", "f/b.txt": b"beta", "f/c.txt": b"gamma"})
    wait_all(index, 3)
    fleet.ok("get", "a.txt", "f/b.txt", "-o", "new/", index=index, cwd=here)
    assert left_in(here) == ["new/a.txt", "new/b.txt"]
    for words in (["a.txt", "f/b.txt"], ["f/"], ["*.txt"]):
        result = fleet.fails(2, "get", *words, "-o", "one.txt", index=index, cwd=here)
        assert "one.txt" in result.err
    assert left_in(here) == ["new/a.txt", "new/b.txt"]
    fleet.ok("get", "*a.txt", "-o", "one.txt", index=index, cwd=here)
    assert (here / "one.txt").read_bytes() == b"alpha"


def test_globs(fleet, index, here):
    files = {"a/one.txt": b"1", "b/two.TXT": b"22", "b/three.bin": b"333", "four.txt": b"4444"}
    fleet.peer(index, files)
    wait_all(index, 4)
    table = [
        ("*.txt", ["four.txt", "one.txt", "two.TXT"]),
        ("b/*", ["three.bin", "two.TXT"]),
        ("*.txt size>1 size<3", ["two.TXT"]),
        ("t[hw]*", ["three.bin", "two.TXT"]),
    ]
    for i, (what, names) in enumerate(table):
        fleet.ok("get", what, "-o", f"{i}/", index=index, cwd=here)
        assert left_in(here / str(i)) == names, what
    fleet.fails(4, "get", "*.iso", index=index, cwd=here)


ODD = ["size>1M.txt", "kind:owned", "a ext:txt b", "[x]", "what?", "*", "mail@home", "x@y@kitchen"]


def test_names_of_the_search_syntax_are_names_first(fleet, index, here):
    files = {name: f"this is {name}".encode() for name in ODD}
    fleet.peer(index, {**files, "x": b"not meant", "whatever": b"nor this"})
    wait_all(index, len(ODD) + 2)
    for name, data in files.items():
        result = fleet.ok("get", name, index=index, cwd=here)
        assert printed(result) == {name: sha256(data)}
    assert left_in(here) == sorted(ODD)
    fleet.ok("get", *ODD, "-o", "again/", index=index, cwd=here)
    assert left_in(here / "again") == sorted(ODD)


def test_name_at_node(fleet, index, here):
    peers = {
        n: fleet.peer(index, {"conf": n.encode(), "x@y": b"at"}, name=n) for n in ("one", "two")
    }
    for name in peers:
        index.wait_file("conf", sha256(name.encode()), node=name)
    for name in peers:
        for node in (name, index.node(name)["node"][:8], index.node(name)["node"]):
            result = fleet.ok("get", f"conf@{node}", "--force", index=index, cwd=here)
            assert printed(result) == {"conf": sha256(name.encode())}, (name, node)
    fleet.ok("get", "x@y@two", "-o", "x", index=index, cwd=here)
    fleet.fails(4, "get", "conf@three", index=index, cwd=here)
    fleet.fails(4, "get", f"conf@{index.node('one')['node'][:7]}", index=index, cwd=here)


def small_files(count):
    """Names over several folders, contents of their own but for each tenth."""
    return {
        f"many/{i % 7}/{i:05}.bin": (b"%d" % (i if i % 10 else 0)) * (i % 40) for i in range(count)
    }


def test_more_than_a_portion(fleet, index, here):
    """More than a search answers, more than a page lists, more than a get holds at once."""
    files = small_files(4000)
    share = fleet.folder("share-many")
    for name, data in files.items():
        put(share / name, data)
    fleet.peer(index, share=share)
    wait_all(index, len(files))
    result = fleet.ok("get", "many/", index=index, cwd=here, timeout=60)
    assert printed(result) == {name: sha256(data) for name, data in files.items()}
    assert left_in(here) == sorted(files)
    assert all((here / name).read_bytes() == data for name, data in files.items())
    fleet.ok("get", "many/*3.bin", "-o", "glob/", index=index, cwd=here)
    assert len(left_in(here / "glob")) == 400
    fleet.ok("get", "m*.bin", "-o", "all/", index=index, cwd=here, timeout=60)
    assert len(left_in(here / "all")) == 4000


def test_a_content_of_more_names_than_an_answer_holds(fleet, index, here):
    """The empty file, in a fleet: of a folder none is missing, or the exit status says so."""
    odd = "node:x size>1 [yz]*? " + 50 * "äé" + "/"
    names = [f"own/{i}" for i in range(5)] + [f"{odd}{i}" for i in range(5)]
    fleet.peer(index, {"own/full": b"full"} | dict.fromkeys(names, b""), name="kitchen")
    wait_all(index, len(names) + 1)
    fleet.peer(index, {f"many/{i:04}": b"" for i in range(1100)}, name="attic")
    wait_all(index, len(names) + 1101)
    fleet.ok("get", "own/", index=index, cwd=here)
    assert left_in(here) == ["own/0", "own/1", "own/2", "own/3", "own/4", "own/full"]
    fleet.ok("get", odd, "-o", "odd/", index=index, cwd=here)
    assert left_in(here / "odd") == names[5:]
    result = fleet.run("get", "many/", "-o", "all/", index=index, cwd=here)
    assert result.code == 1 and "in parts, by globs" in result.err, result.err
    assert len(left_in(here / "all")) == 1000
    fleet.ok("get", "many/00*", "-o", "part/", index=index, cwd=here)
    assert len(left_in(here / "part")) == 100


def test_many_from_several_when_one_is_killed(fleet, index, here):
    files = small_files(600)
    peers = []
    for name in ("one", "two"):
        share = fleet.folder(f"share-{name}")
        for path, data in files.items():
            put(share / path, data)
        peers.append(
            fleet.peer(index, None, "--transfer.upload_limit", "20K/s", share=share, name=name)
        )
    wait_all(index, 1200)
    process = fleet.spawn("get", "many/", index=index, cwd=here)
    wait_until(lambda: below(here, "*"), what="the get has begun")
    peers[0].kill()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert len(out.splitlines()) == 600 and left_in(here) == sorted(files)


def test_a_folder_that_is_not_hashed_yet(fleet, index, here):
    files = {f"f/{i:02}.bin": os.urandom(200_000) for i in range(20)}
    fleet.peer(index, files, "--share.hash_rate", "1M/s")
    found = wait_until(lambda: len(f := index.files()) == 20 and f, what="the names")
    assert any(f["sha256"] is None for f in found)
    result = fleet.ok("get", "f/", index=index, cwd=here)
    assert printed(result) == {name: sha256(data) for name, data in files.items()}


class Liar(Holder):
    def bytes_of(self, first, length):
        return b"\0" * length


def test_wrong_bytes_are_the_worst(fleet, index, here):
    fleet.own(Liar(index, b"the truth", "liar", "f/lie.txt"))
    fleet.peer(index, {"f/good.txt": b"good"})
    wait_all(index, 2)
    result = fleet.run("get", "nobody", "f/", index=index, cwd=here)
    assert result.code == 5 and list(printed(result)) == ["f/good.txt"], result
    assert "f/lie.txt" in result.err and "nobody" in result.err
    assert left_in(here) == ["f/good.txt"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_many_interrupted(fleet, index, here, number):
    share = fleet.folder("share-slow")
    for i in range(200):
        put(share / f"f/{i}", b"x" * (1000 + i))
    fleet.peer(index, None, "--transfer.upload_limit", "20K/s", share=share)
    wait_all(index, 200)
    process = fleet.spawn("get", "f/", index=index, cwd=here)
    wait_until(lambda: below(here, "lock"), what="the get has begun")
    process.send_signal(number)
    process.communicate(timeout=10)
    assert process.returncode == 128 + number
    assert not [p for p in here.iterdir() if p.name.startswith(".")], left_in(here)


def test_room_that_must_stay_free(fleet, index, here):
    fleet.peer(index, {"a.txt": b"alpha", "b.txt": b"beta"})
    wait_all(index, 2)
    words = ["get", "a.txt", "b.txt", "--share.min_free", "1000000G"]
    result = fleet.fails(1, *words, index=index, cwd=here, lines=2)
    assert result.err.count("min_free") == 2
    assert left_in(here) == []


def test_many_as_json(fleet, index, here):
    fleet.peer(index, {"f/a.txt": b"alpha", "f/b.bin": b"b" * 200_000}, name="kitchen")
    wait_all(index, 2)
    put(here / "f/a.txt", b"mine")
    result = fleet.run("get", "f/", "--json", index=index, cwd=here)
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert result.code == 1 and len(lines) == 2, result
    wrong, right = sorted(lines, key=lambda line: line["path"])
    assert wrong["path"] == "f/a.txt" and wrong["status"] == 1 and "--force" in wrong["error"]
    assert right["sha256"] == sha256(b"b" * 200_000) and right["size"] == 200_000
    assert [s["name"] for s in right["sources"]] == ["kitchen"]
    assert sum(s["bytes"] for s in right["sources"]) == 200_000


SIZES = [0, 1, 65536, 65537, 3_000_017, 20 << 20]


@pytest.mark.parametrize("option", [["-o", "-"], ["--stream"]])
def test_to_stdout(fleet, index, here, option):
    files = {f"{size}.bin": os.urandom(size) for size in SIZES}
    for name in ("one", "two"):
        fleet.peer(index, files, name=name)
    wait_all(index, 2 * len(SIZES))
    for name, data in files.items():
        process = fleet.spawn("get", name, *option, index=index, cwd=here)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, b""), (name, err)
        assert out == data, name
    assert left_in(here) == []
    result = fleet.run("get", "1.bin", "0.bin", *option, index=index, cwd=here)
    assert result.code == 2 and result.out == ""
    assert fleet.run("get", "nobody", *option, index=index, cwd=here).code == 4


def test_a_stream_begins_before_it_ends(fleet, index, here):
    """Bytes come while the rest is still on its way, and a reader that pauses holds it up."""
    data = os.urandom(24 << 20)
    fleet.peer(index, {"film.bin": data}, "--transfer.upload_limit", "16M/s")
    wait_all(index, 1)
    process = fleet.spawn("get", "film.bin", "--stream", index=index, cwd=here)
    first = process.stdout.read(1 << 20)
    assert process.poll() is None, "the get is at work still"
    rest, err = process.communicate(timeout=30)
    assert first + rest == data and process.returncode == 0, err


def test_nothing_unproven_to_stdout(fleet, index, here):
    fleet.own(Liar(index, os.urandom(300_000), "liar", "lie.bin"))
    result = fleet.run("get", "lie.bin", "-o", "-", index=index, cwd=here)
    assert result.code == 5 and result.out == ""


def test_a_stream_among_liars(fleet, index, here):
    data = os.urandom(2_000_000)
    fleet.peer(index, {"film.bin": data}, name="honest")
    fleet.own(Liar(index, data, "liar", "film.bin"))
    wait_all(index, 2)
    process = fleet.spawn("get", "film.bin", "--stream", index=index, cwd=here)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0 and out == data, err


def test_a_reader_that_goes(fleet, index, here):
    fleet.peer(index, {"film.bin": os.urandom(8 << 20)})
    wait_all(index, 1)
    for option in (["-o", "-"], ["--stream"]):
        process = fleet.spawn("get", "film.bin", *option, index=index, cwd=here)
        process.stdout.read(1000)
        process.stdout.close()
        assert process.ended(20) == 1 and process.stderr.read() == b""
        process.stderr.close()


def test_a_stream_interrupted(fleet, index, here):
    fleet.peer(index, {"film.bin": os.urandom(8 << 20)}, "--transfer.upload_limit", "1M/s")
    wait_all(index, 1)
    process = fleet.spawn("get", "film.bin", "--stream", index=index, cwd=here)
    process.stdout.read(1000)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 130


def test_on_a_terminal(fleet, index):
    """A line while it runs, which makes room for the result; then who gave how much."""
    fleet.peer(index, {"big.bin": os.urandom(2 << 20)}, "--transfer.upload_limit", "2M/s")
    wait_all(index, 1)
    board = Keyboard(fleet, "get", "big.bin", index=index)
    assert board.ended() == 0
    drawn = "\n".join(board.screen.drawn)
    assert re.search(r"^big\.bin +\d+%  \S+ \S+ of 2\.0 MiB", drawn, re.M), drawn
    rows = [row.rstrip() for row in board.screen.rows if row.strip()]
    assert re.fullmatch(r"[0-9a-f]{64}  big\.bin", rows[0]), rows
    done = r"big\.bin: 2\.0 MiB in .*, SHA-256 verified; \d+\.\d\d times the bound"
    assert re.fullmatch(done, rows[1]), rows
    source = r"  kitchen: 2\.0 MiB \(100%\), at best \S+ \S+/s"
    assert re.fullmatch(source, rows[2]) and len(rows) == 3, rows
    assert board.screen.widest < 80


def test_several_on_a_terminal(fleet, index):
    """A line for the file in flight and one for all; in the end a line for each, and who gave how much."""
    files = {f"f/{i}.bin": os.urandom(2 << 20) for i in range(3)}
    fleet.peer(index, files, "--transfer.upload_limit", "4M/s")
    wait_all(index, 3)
    board = Keyboard(fleet, "get", "f/", index=index)
    board.wait(r"^f/\d\.bin +\d+%  .* of 2\.0 MiB.*\n[012] of 3 files  .* of 6\.0 MiB")
    assert board.ended() == 0
    rows = [row.rstrip() for row in board.screen.rows if row.strip()]
    assert sorted(row.split("  ")[1] for row in rows[:3]) == sorted(files), rows
    assert re.fullmatch(r"3 files, 6\.0 MiB in .*", rows[3]) and "kitchen" in rows[4] and len(rows) == 5, rows
    assert board.screen.widest < 80
    (fleet.home / "f/1.bin").unlink()
    board = Keyboard(fleet, "get", "f/", index=index)
    board.wait(r"^3 files, 2 of them here before, 2\.0 MiB in .*\n  kitchen: 2\.0 MiB \(100%\)")
    assert board.ended() == 0
