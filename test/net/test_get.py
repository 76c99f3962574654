# SPDX-License-Identifier: MIT
"""p2p get: a file by name or by SHA-256, verified, from one or many holders; where it lands, what
is printed, and how it ends."""

import json
import os
import signal
import subprocess
import unicodedata

import pytest

from chains import sha256
from fleet import free_port, has_bytes, left_in, put, wait_until

PIECE = 64 * 1024
SIZES = [
    0,
    1,
    63,
    64,
    65,
    PIECE - 1,
    PIECE,
    PIECE + 1,
    2 * PIECE - 1,
    2 * PIECE,
    2 * PIECE + 1,
    5 * PIECE,
    3_000_017,
]


def content(size):
    return (
        (bytes(range(256)) * (size // 256 + 1))[: size - 4] + os.urandom(4)
        if size > 4
        else b"x" * size
    )


@pytest.mark.parametrize("by", ["name", "sha256"])
def test_get(fleet, index, here, by):
    data = content(300_000)
    peer = fleet.peer(index, {"a/b.bin": data})
    index.wait_file("a/b.bin", sha256(data))
    result = fleet.ok("get", "a/b.bin" if by == "name" else sha256(data), index=index, cwd=here)
    assert (here / "b.bin").read_bytes() == data
    assert left_in(here) == ["b.bin"], "nothing else is left behind"
    assert result.out == f"{sha256(data)}  b.bin\n" or result.out == f"{sha256(data)}  ./b.bin\n"
    check = subprocess.run(
        ["sha256sum", "-c"], input=result.out, text=True, cwd=here, capture_output=True, check=True
    )
    assert check.stdout.endswith(": OK\n")
    assert int((here / "b.bin").stat().st_mtime) == int((peer.share / "a/b.bin").stat().st_mtime)


def test_get_of_every_size_about_a_piece(fleet, index, here):
    files = {f"f{size}.bin": content(size) for size in SIZES}
    fleet.peer(index, files)
    for name, data in files.items():
        index.wait_file(name, sha256(data))
        assert fleet.ok("get", name, index=index, cwd=here).out.split()[0] == sha256(data)
        assert (here / name).read_bytes() == data, name
    assert left_in(here) == sorted(files)


def test_get_brings_the_executable_bit(fleet, index, here):
    share = fleet.share("exec", {"run.sh": b"#!/bin/sh\necho ran\n", "plain.txt": b"plain"})
    (share / "run.sh").chmod(0o755)
    fleet.peer(index, share=share)
    for name in ("run.sh", "plain.txt"):
        index.wait_file(name)
        fleet.ok("get", name, index=index, cwd=here)
    assert (
        subprocess.run([here / "run.sh"], capture_output=True, text=True, check=True).stdout
        == "ran\n"
    )
    assert (here / "plain.txt").stat().st_mode & 0o111 == 0
    assert (here / "run.sh").stat().st_mode & 0o6022 == 0, "never setuid, never writable for all"


ODD = [
    "two  spaces.txt",
    " lead",
    "trail ",
    "quo'te\".txt",
    "per%cent%20.txt",
    "ha#sh",
    "what?.txt",
    "a&b;c=d+e.txt",
    "$(touch x)`y`",
    "back\\slash",
    "-dash.txt",
    "--force",
    "[glob]*.txt",
    unicodedata.normalize("NFC", "é.txt"),
    unicodedata.normalize("NFD", "é.txt"),
    "\u202etxt.exe",
    "😀.bin",
    "ünïcödé/名前.txt",
    "a:b|c<d>.txt",
    "x" * 255,
]


def test_get_of_odd_names(fleet, index, here):
    files = {name: name.encode() for name in ODD}
    fleet.peer(index, files)
    printed = ""
    for name, data in files.items():
        index.wait_file(name, sha256(data))
        folder = here / sha256(data)[:8]
        folder.mkdir()
        what = (
            name if not any(c in name for c in "*?[") and not name.startswith("-") else sha256(data)
        )
        result = fleet.ok("get", what, "-o", f"{folder}/", index=index, cwd=here)
        assert left_in(folder) == [name.rsplit("/", 1)[-1]], result
        assert (folder / name.rsplit("/", 1)[-1]).read_bytes() == data
        printed += result.out
    check = subprocess.run(
        ["sha256sum", "-c", "--strict"],
        input=printed.encode(),
        cwd=here,
        capture_output=True,
        check=False,
    )
    assert check.returncode == 0, check.stderr


def test_names_that_look_like_patterns_or_options(fleet, index, here):
    """An exact name comes before a pattern; -- ends the options."""
    files = {"[a]b.txt": b"brackets", "ab.txt": b"plain", "-o": b"dash"}
    fleet.peer(index, files)
    for name, data in files.items():
        index.wait_file(name, sha256(data))
    assert fleet.ok("get", "[a]b.txt", index=index, cwd=here).out.startswith(sha256(b"brackets"))
    result = fleet.run("get", "-i", index.address, "--", "-o", cwd=here)
    assert result.code == 0 and (here / "-o").read_bytes() == b"dash", result


def test_get_to_a_file_and_to_a_folder(fleet, index, here):
    fleet.peer(index, {"a/b.txt": b"beta"})
    index.wait_file("a/b.txt")
    (here / "there").mkdir()
    table = [
        ("other.txt", "other.txt"),
        ("there", "there/b.txt"),
        ("new/", "new/b.txt"),
        (str(fleet.root / "abs.txt"), str(fleet.root / "abs.txt")),
    ]
    for option, place in table:
        result = fleet.ok("get", "a/b.txt", "-o", option, index=index, cwd=here)
        assert (here / place).read_bytes() == b"beta", option
        assert (here / result.out.rstrip("\n").split("  ", 1)[1]).resolve() == (
            here / place
        ).resolve()


def test_get_never_over_another_file(fleet, index, here):
    fleet.peer(index, {"b.txt": b"from the network"})
    index.wait_file("b.txt")
    put(here / "b.txt", b"mine")
    result = fleet.fails(1, "get", "b.txt", index=index, cwd=here)
    assert "b.txt" in result.err and "--force" in result.err, "the cure is named"
    assert (here / "b.txt").read_bytes() == b"mine" and left_in(here) == ["b.txt"]
    put(here / "other.txt", b"mine too")
    fleet.fails(1, "get", "b.txt", "-o", "other.txt", index=index, cwd=here)
    assert (here / "other.txt").read_bytes() == b"mine too"
    fleet.ok("get", "b.txt", "--force", index=index, cwd=here)
    assert (here / "b.txt").read_bytes() == b"from the network"


@pytest.mark.parametrize("obstacle", ["folder", "symlink", "dangling", "missing"])
def test_get_into_obstacles(fleet, index, here, obstacle):
    fleet.peer(index, {"b.txt": b"beta"})
    index.wait_file("b.txt")
    target = put(fleet.root / "target.txt", b"target")
    if obstacle == "folder":
        (here / "b.txt").mkdir()
    elif obstacle in ("symlink", "dangling"):
        os.symlink(target if obstacle == "symlink" else fleet.root / "nowhere", here / "b.txt")
    option = ["-o", "no/such/folder/b.txt"] if obstacle == "missing" else []
    result = fleet.run("get", "b.txt", *option, index=index, cwd=here)
    assert (
        target.read_bytes() == b"target" and not (fleet.root / "nowhere").exists()
    ), "never through a link"
    if result.code == 0:
        assert obstacle == "missing" and (here / "no/such/folder/b.txt").read_bytes() == b"beta"
    else:
        assert result.code == 1 and "b.txt" in result.err, result


def test_get_from_several_holders_at_once(fleet, index, here):
    """Three who may send 2 MB/s each: each gives about a third."""
    data = content(12 << 20)
    for name in ("one", "two", "three"):
        fleet.peer(index, {"big.bin": data}, "--transfer.upload_limit", "2M/s", name=name)
        index.wait_file("big.bin", sha256(data), node=name)
    (line,) = fleet.json("get", "big.bin", index=index, cwd=here)
    assert (here / "big.bin").read_bytes() == data
    gave = {source["name"]: source["bytes"] for source in line["sources"]}
    assert len(gave) == 3 and min(gave.values()) > len(data) // 6, gave


def test_get_from_two_peers_when_one_is_killed(fleet, index, here):
    data = content(4 << 20)
    limit = ["--transfer.upload_limit", "2M/s"]
    peers = [fleet.peer(index, {"big.bin": data}, *limit, name=name) for name in ("one", "two")]
    for peer in peers:
        index.wait_file("big.bin", sha256(data), node=peer.name)
    process = fleet.spawn("get", "big.bin", index=index, cwd=here)
    wait_until(lambda: has_bytes(here), what="bytes arrive")
    peers[0].kill()
    out, err = process.communicate(timeout=40)
    assert process.returncode == 0 and sha256(data) in out.decode(), err
    assert (here / "big.bin").read_bytes() == data


def test_several_gets_at_once(fleet, index):
    data = content(2_000_000)
    fleet.peer(index, {"hot.bin": data})
    index.wait_file("hot.bin", sha256(data))
    folders = [fleet.folder(f"g{i}") for i in range(8)]
    gets = [fleet.spawn("get", "hot.bin", index=index, cwd=folder) for folder in folders]
    for process, folder in zip(gets, folders):
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0 and err == b"", err
        assert (folder / "hot.bin").read_bytes() == data and left_in(folder) == ["hot.bin"]
    wait_until(
        lambda: [n["name"] for n in index.nodes() if n["state"] == "active"] == ["kitchen"],
        what="guests have left",
    )


def test_get_of_an_unhashed_file_waits_for_its_hash(fleet, index, here):
    data = content(4 << 20)
    fleet.peer(index, {"big.bin": data}, "--share.hash_rate", "1M/s")
    record = wait_until(lambda: index.file("big.bin"), what="the name")
    assert record["sha256"] is None
    assert fleet.ok("get", "big.bin", index=index, cwd=here).out.startswith(sha256(data))
    assert (here / "big.bin").read_bytes() == data


def test_a_wanted_file_is_hashed_first(fleet, index, here):
    files = {f"{i:02}.bin": content(1 << 20) for i in range(20)}
    fleet.peer(index, files, "--share.hash_rate", "1M/s")
    wait_until(lambda: len(index.files()) == 20, what="the names")
    last = [f["path"] for f in index.files() if f["sha256"] is None][-1]
    fleet.ok("get", last, index=index, cwd=here, timeout=12)
    assert (here / last).read_bytes() == files[last]
    assert [f for f in index.files() if f["sha256"] is None], "the others are not through yet"


def test_a_name_with_several_contents(fleet, index, here):
    """The newest owned one wins; a time in the future counts as oldest; the others are named."""
    old, new, future = b"old firmware", b"new firmware", b"from the future"
    for name, data, age in (("one", old, 5000), ("two", new, 60), ("three", future, -40 * 86400)):
        put(fleet.folder(f"share-{name}") / "firmware.img", data, age)
        fleet.peer(index, share=fleet.root / f"share-{name}", name=name)
        index.wait_file("firmware.img", sha256(data), node=name)
    result = fleet.run("get", "firmware.img", index=index, cwd=here)
    assert result.code == 0 and (here / "firmware.img").read_bytes() == new, result
    assert (
        sha256(old)[:8] in result.err and sha256(future)[:8] in result.err
    ), "the others are named on stderr"
    assert result.out.startswith(sha256(new))


def test_exit_codes(fleet, index, here):
    fleet.peer(index, {"a.txt": b"alpha"})
    index.wait_file("a.txt")
    table = [
        (2, ["get"], index),
        (2, ["get", "a.txt", "--no-such-option"], index),
        (2, ["get", "a.txt", "-o"], None),
        (3, ["get", "a.txt"], f"127.0.0.1:{free_port()}"),
        (4, ["get", "no-such-file"], index),
        (4, ["get", "f" * 64], index),
        (1, ["get", "a.txt", "-o", "/proc/nowhere/a.txt"], index),
        (1, ["get", "a.txt", "-o", "/dev/full"], index),
    ]
    for code, args, where in table:
        result = fleet.fails(code, *args, index=where, cwd=here, lines=4)
        assert "\x1b" not in result.err
    assert left_in(here) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_get_interrupted(fleet, index, here, number):
    data = content(8 << 20)
    fleet.peer(index, {"big.bin": data}, "--transfer.upload_limit", "1M/s")
    index.wait_file("big.bin", sha256(data))
    process = fleet.spawn("get", "big.bin", index=index, cwd=here)
    wait_until(lambda: has_bytes(here), what="bytes arrive")
    assert not (here / "big.bin").exists(), "nothing unverified under the name"
    process.send_signal(number)
    out, _ = process.communicate(timeout=10)
    assert process.returncode == 128 + number
    assert out == b""
    assert all(name.startswith(".") for name in left_in(here)), left_in(here)
    wait_until(
        lambda: [n["name"] for n in index.nodes() if n["state"] == "active"] == ["kitchen"],
        what="the guest left",
    )


def test_get_as_json(fleet, index, here):
    fleet.peer(index, {"a/b.txt": b"beta"})
    index.wait_file("a/b.txt")
    out = fleet.ok("get", "a/b.txt", "--json", index=index, cwd=here).out
    last = [json.loads(line) for line in out.splitlines()][-1]
    assert last["sha256"] == sha256(b"beta") and last["path"].endswith("b.txt")


def test_get_as_json_of_what_nobody_offers(fleet, index, here):
    fleet.peer(index, {"a/b.txt": b"beta"})
    index.wait_file("a/b.txt")
    words = ["0" * 64, "a/b.txt", "none/", "*.none"]
    done = fleet.run("get", *words, "--json", index=index, cwd=here)
    assert done.code == 4
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [line.get("what") for line in lines] == [words[0], None, words[2], words[3]]
    assert all(line["status"] == 4 and line["error"] for line in lines if "what" in line)


def test_get_as_json_of_what_cannot_begin(fleet, index, here):
    """No index, no folder to write to: a line for each WHAT all the same."""
    words, nobody = ["a.txt", "b/", "*.c"], f"127.0.0.1:{free_port()}"
    for code, where, args in ((3, nobody, []), (1, index, ["-o", "/proc/nowhere/"])):
        done = fleet.run("get", *words, *args, "--json", index=where, cwd=here)
        lines = [json.loads(line) for line in done.out.splitlines()]
        assert done.code == code and [line["what"] for line in lines] == words, done
        assert all(line["status"] == code and line["error"] for line in lines)
        assert len(done.err.splitlines()) == 1, done


@pytest.mark.long
def test_a_file_that_changes_while_it_is_fetched(fleet, index, here):
    """The old content whole, the new one whole, or a clear word: never a mixture."""
    old, new = content(6 << 20), content(6 << 20)
    peer = fleet.peer(index, {"moving.bin": old}, "--transfer.upload_limit", "3M/s")
    index.wait_file("moving.bin", sha256(old))
    process = fleet.spawn("get", "moving.bin", index=index, cwd=here)
    wait_until(lambda: has_bytes(here), what="bytes arrive")
    (peer.share / "moving.bin").write_bytes(new)
    out, err = process.communicate(timeout=100)
    if process.returncode == 0:
        assert sha256((here / "moving.bin").read_bytes()) in (sha256(old), sha256(new)) and out
    else:
        assert process.returncode in (1, 4) and err, (process.returncode, err)
        assert not (here / "moving.bin").exists()


@pytest.mark.long
def test_get_of_a_sparse_file_of_6_gib(fleet, index, here):
    share = fleet.folder("share-sparse")
    with open(share / "sparse.img", "wb") as out:
        out.truncate(6 << 30)
        out.seek((5 << 30) + 12345)
        out.write(b"a needle")
    want = subprocess.run(
        ["sha256sum", share / "sparse.img"], capture_output=True, text=True, check=True
    ).stdout[:64]
    fleet.peer(index, share=share)
    index.wait_file("sparse.img", want, deadline=120)
    fleet.ok("get", "sparse.img", index=index, cwd=here, timeout=240)
    assert (here / "sparse.img").stat().st_size == 6 << 30
    got = subprocess.run(
        ["sha256sum", here / "sparse.img"], capture_output=True, text=True, check=True
    ).stdout[:64]
    assert got == want
