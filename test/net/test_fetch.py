# SPDX-License-Identifier: MIT
"""p2p get beside a running peer: the peer fetches into its save folder and offers what came as a
copy; what is in the share already is not fetched. And POST /v1/fetch itself."""

import json
import os
import signal
import threading
import time

import pytest

from chains import sha256
from fleet import SLOW, left_in, put, wait_until
from holder import Holder
from rawhttp import ask
from test_get_many import printed, wait_all
from wire import Member, offer

MIB = 1 << 20


@pytest.fixture
def desk(fleet, index):
    """A folder to work in, with a peer that shares what is in its folder share."""
    work = fleet.folder("desk")
    fleet.share("desk/share", {"own.txt": b"my own"})
    peer = fleet.peer(index, share=work / "share", state=False, cwd=work, name="desk")
    index.wait_file("own.txt", sha256(b"my own"))
    peer.work = work
    return peer


def control_of(fleet):
    """The control key of the one node that keeps its state in the usual place."""
    (identity,) = (fleet.root / "xdg").rglob("identity")
    lines = dict(
        line.split(maxsplit=1) for line in identity.read_text().splitlines() if " " in line
    )
    return lines["control"]


def test_already_here(fleet, index, desk):
    """A get beside a running share finds the file there: nothing is fetched."""
    result = fleet.run("get", "own.txt", cwd=desk.work)
    assert result.code == 0 and "already here" in result.err, result
    assert printed(result) == {str(desk.share / "own.txt"): sha256(b"my own")}
    assert left_in(desk.work) == ["share/own.txt"]
    fleet.ok("get", "own.txt", "-o", "copy.txt", cwd=desk.work)
    assert (desk.work / "copy.txt").read_bytes() == b"my own"


def test_the_peer_fetches_and_offers_a_copy(fleet, index, desk):
    data = os.urandom(3 * MIB + 5)
    kitchen = fleet.peer(index, {"a/big.bin": data, "a/run.sh": b"#!"}, name="kitchen")
    (kitchen.share / "a/run.sh").chmod(0o755)
    index.wait_file("a/big.bin", sha256(data), node="kitchen")
    wait_until(lambda: index.file("a/run.sh", "kitchen").get("mode") == "x", what="the bit")
    result = fleet.ok("get", "a/", cwd=desk.work)
    saved = desk.share / "downloads"
    assert printed(result) == {
        str(saved / "a/big.bin"): sha256(data),
        str(saved / "a/run.sh"): sha256(b"#!"),
    }
    assert left_in(desk.work / "share") == [
        "downloads/a/big.bin",
        "downloads/a/run.sh",
        "own.txt",
    ]
    assert (saved / "a/big.bin").read_bytes() == data
    assert (saved / "a/run.sh").stat().st_mode & 0o100
    source = kitchen.share / "a/big.bin"
    assert int((saved / "a/big.bin").stat().st_mtime) == int(source.stat().st_mtime)
    copy = index.wait_file("downloads/a/big.bin", sha256(data), node="desk")
    assert copy["kind"] == "copy" and copy["origin"] == index.node("kitchen")["node"]
    kitchen.stop()
    here = fleet.folder("here")
    fleet.ok("get", sha256(data), "-o", "again", index=index, cwd=here)
    assert (here / "again").read_bytes() == data, "the copy serves others"


def test_a_download_hardly_writes_to_the_state_folder(fleet, index, desk):
    """A record and the chain of what came, however many pieces it has and however long it takes."""
    data = os.urandom(8 * MIB)
    fleet.peer(index, {"big.bin": data}, "--transfer.upload_limit", "4M/s", name="kitchen")
    index.wait_file("big.bin", sha256(data), node="kitchen")
    before = desk.stats()["state_bytes_written"]
    fleet.ok("get", "big.bin", cwd=desk.work)
    index.wait_file("downloads/big.bin", sha256(data), node="desk")
    wrote = desk.stats()["state_bytes_written"] - before
    assert 0 < wrote < 32 * len(data) / 65536 + 16384, wrote


def test_a_copy_is_one_after_a_restart(fleet, index, desk):
    fleet.peer(index, {"f.bin": b"x" * 1000}, name="kitchen")
    index.wait_file("f.bin", sha256(b"x" * 1000), node="kitchen")
    origin = index.node("kitchen")["node"]
    fleet.ok("get", "f.bin", cwd=desk.work)
    put(desk.share / "downloads/mine.bin", b"mine")
    for _ in range(2):
        copy = index.wait_file("downloads/f.bin", sha256(b"x" * 1000), node="desk")
        assert (copy["kind"], copy.get("origin")) == ("copy", origin)
        assert index.wait_file("downloads/mine.bin", sha256(b"mine"))["kind"] == "owned"
        desk.restart()
    put(desk.share / "downloads/f.bin", b"edited here: my own now")
    own = index.wait_file("downloads/f.bin", sha256(b"edited here: my own now"), node="desk")
    assert own["kind"] == "owned"


def test_the_copies_among_those_of_a_fleet(fleet, index, desk):
    """Others have more of them, and of more holders, than an answer holds."""
    name = "a [b]: size>1 c.bin"
    fleet.peer(index, {name: b"x" * 1000, "f.bin": b"f"}, name="kitchen")
    index.wait_file(name, sha256(b"x" * 1000), node="kitchen")
    fleet.ok("get", name, "f.bin", cwd=desk.work)
    for file in (name, "f.bin"):
        index.wait_file(f"downloads/{file}", node="desk")
    with Member(index) as member:
        how = {"kind": "copy", "origin": "0" * 32, "sha256": sha256(b"of many")}
        member.joined(*[offer(f"downloads/{i}.bin", **how) for i in range(1001)])
        rows = fleet.run("refresh", cwd=desk.work).rows()
        assert {row[-1] for row in rows} == {f"downloads/{name}", "downloads/f.bin"}
        for file in (name, "f.bin"):
            result = fleet.run("refresh", f"downloads/{file}", cwd=desk.work)
            assert result.code == 0 and result.rows()[0][-1] == f"downloads/{file}", result


def test_many_through_the_peer(fleet, index, desk):
    """More than one order takes."""
    files = {f"m/{i % 5}/{i:03}.bin": os.urandom(i) for i in range(700)}
    fleet.peer(index, files, name="kitchen")
    wait_all(index, len(files) + 1)
    result = fleet.ok("get", "m/", cwd=desk.work, timeout=60)
    saved = desk.share / "downloads"
    assert printed(result) == {str(saved / n): sha256(data) for n, data in files.items()}
    assert all((saved / name).read_bytes() == data for name, data in files.items())
    assert not [p for p in saved.iterdir() if p.name.startswith(".")]
    again = fleet.run("get", "m/", "-q", cwd=desk.work, timeout=60)
    assert again.code == 0 and again.err == "" and len(printed(again)) == 700


class Liar(Holder):
    def bytes_of(self, first, length):
        return b"\0" * length


def test_failures_are_told(fleet, index, desk):
    fleet.own(Liar(index, b"the truth", "liar", "lie.txt"))
    fleet.peer(index, {"b.txt": b"beta", "c.txt": b"gamma"}, name="kitchen")
    wait_all(index, 4)
    put(desk.share / "downloads/b.txt", b"in the way")
    result = fleet.run("get", "b.txt", "lie.txt", "c.txt", cwd=desk.work)
    assert result.code == 5, result
    assert list(printed(result)) == [str(desk.share / "downloads/c.txt")]
    assert "b.txt" in result.err and "--force" in result.err and "lie.txt" in result.err
    assert (desk.share / "downloads/b.txt").read_bytes() == b"in the way"
    fleet.ok("get", "b.txt", "--force", cwd=desk.work)
    assert (desk.share / "downloads/b.txt").read_bytes() == b"beta"


def test_as_json(fleet, index, desk):
    fleet.peer(index, {"c.bin": b"c" * 200_000}, name="kitchen")
    index.wait_file("c.bin", sha256(b"c" * 200_000))
    (line,) = fleet.json("get", "c.bin", cwd=desk.work)
    assert line["path"] == str(desk.share / "downloads/c.bin") and line["size"] == 200_000
    assert [(s["name"], s["bytes"]) for s in line["sources"]] == [("kitchen", 200_000)]


def test_interrupted(fleet, index, desk):
    """The peer stops when the command that ordered it does."""
    data = os.urandom(8 * MIB)
    fleet.peer(index, {"big.bin": data}, "--transfer.upload_limit", "1M/s", name="kitchen")
    index.wait_file("big.bin", sha256(data))
    process = fleet.spawn("get", "big.bin", cwd=desk.work)
    saved = desk.share / "downloads"
    wait_until(lambda: saved.is_dir() and any(saved.glob(".p2p-*.part")), what="bytes arrive")
    assert desk.stats()["fetching"] == 1
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 130
    wait_until(lambda: desk.stats()["fetching"] == 0, what="the order has ended")
    assert all(name.startswith(".p2p-") for name in left_in(saved))
    fleet.ok("get", "big.bin", cwd=desk.work)
    assert left_in(saved) == ["big.bin"] and (saved / "big.bin").read_bytes() == data


def test_two_orders_wait_for_each_other(fleet, index, desk):
    for name in ("one", "two"):
        fleet.peer(index, {f"{name}.bin": os.urandom(400_000)}, name=name)
        index.wait_file(f"{name}.bin")
    wait_all(index, 3)
    gets = [fleet.spawn("get", f"{n}.bin", cwd=desk.work) for n in ("one", "two", "one")]
    for process in gets:
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
    assert left_in(desk.share / "downloads") == ["one.bin", "two.bin"]


@pytest.mark.parametrize("end", ["killed", "stopped"])
def test_the_peer_ends_while_it_fetches(fleet, index, desk, end):
    data = os.urandom(8 * MIB)
    fleet.peer(index, {"big.bin": data}, "--transfer.upload_limit", "1M/s", name="kitchen")
    index.wait_file("big.bin", sha256(data))
    process = fleet.spawn("get", "big.bin", cwd=desk.work)
    saved = desk.share / "downloads"
    wait_until(lambda: saved.is_dir() and any(saved.glob(".p2p-*.part")), what="bytes arrive")
    desk.kill() if end == "killed" else desk.stop()
    out, err = process.communicate(timeout=10)
    assert process.returncode == 1 and out == b"" and b"went away" in err, (process.returncode, out, err)


def test_a_save_folder_elsewhere(fleet, index):
    work = fleet.folder("desk")
    fleet.share("desk/share", {"own.txt": b"my own"})
    save = fleet.root / "elsewhere/deep"
    fleet.peer(
        index, None, "--share.save", save, share=work / "share", state=False, cwd=work, name="desk"
    )
    fleet.peer(index, {"a/b.txt": b"beta"}, name="kitchen")
    index.wait_file("a/b.txt", sha256(b"beta"))
    result = fleet.ok("get", "a/b.txt", cwd=work)
    assert printed(result) == {str(save / "a/b.txt"): sha256(b"beta")}
    assert left_in(work) == ["share/own.txt"]


def test_the_role_both_fetches_too(fleet):
    work = fleet.folder("desk")
    fleet.share("desk/share", {"own.txt": b"my own"})
    both = fleet.both(share=work / "share", state=False, cwd=work, name="desk")
    fleet.peer(both, {"a.txt": b"alpha"}, name="kitchen")
    both.wait_file("a.txt", sha256(b"alpha"))
    result = fleet.ok("get", "a.txt", cwd=work)
    assert printed(result) == {str(work / "share/downloads/a.txt"): sha256(b"alpha")}


def test_a_get_leaves_room_for_others(fleet):
    """A node that fetches as fast as it can still answers as an index and gives its own files."""
    mine, theirs = os.urandom(4 * MIB), bytes(128 * MIB)
    both = fleet.both({"mine.bin": mine}, state=False, name="desk")
    fleet.peer(both, {"theirs.bin": theirs}, name="kitchen")
    both.wait_file("mine.bin", sha256(mine))
    both.wait_file("theirs.bin", sha256(theirs), deadline=60)
    stop, fetched, waits = threading.Event(), [], []

    def fetch():
        while not stop.is_set():
            result = fleet.run("get", "theirs.bin", "--force", "-q", cwd=both.share, timeout=120)
            fetched.append(result.code)
            (both.share / "downloads/theirs.bin").unlink(missing_ok=True)

    fetching = threading.Thread(target=fetch)
    fetching.start()
    try:
        wait_until(lambda: [*both.share.glob("downloads/.p2p-*.part")], 30, "it fetches")
        for _ in range(5):
            for path in 20 * [f"/v1/sources/{sha256(mine)}"] + ["/download/mine.bin"]:
                began = time.monotonic()
                reply = both.get(path)
                waits.append(time.monotonic() - began)
                assert reply.status == 200 and (reply.body == mine or b"desk" in reply.body)
    finally:
        stop.set()
        fetching.join()
    assert set(fetched) == {0} and max(waits) < 2 * SLOW, (fetched, max(waits))


def test_only_the_control_key_opens(fleet, index, desk):
    line = {
        "path": "x.txt",
        "size": 1,
        "mtime": 0,
        "sha256": sha256(b"x"),
        "kind": "owned",
        "have": 100,
        "node": "0" * 32,
        "name": "x",
        "addresses": [],
        "hops": 0,
        "index": "0" * 32,
    }
    body = json.dumps(line).encode() + b"\n"
    key = control_of(fleet)
    good = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    table = [
        (401, {"Content-Type": "application/json"}, body),
        (401, {**good, "Authorization": f"Basic {key}"}, body),
        (403, {**good, "Authorization": "Bearer " + "0" * 64}, body),
        (403, {**good, "Authorization": f"Bearer {key[:63]}"}, body),
        (403, {**good, "Origin": "http://evil.example"}, body),
        (403, {**good, "Sec-Fetch-Site": "cross-site"}, body),
        (415, {**good, "Content-Type": "text/plain"}, body),
        (400, good, b'{"path":"../x"}\n'),
        (400, good, b'{"path":"x.txt"}\n'),
        (400, good, b"what\n"),
        (200, good, body),
    ]
    for status, headers, sent in table:
        reply = ask(desk.address, "POST", "/v1/fetch", headers, sent)
        assert reply.status == status, (headers, sent, reply)
    lines = reply.lines()
    assert lines[-1] == {"end": True, "synced": True}
    (told,) = [item for item in lines if "error" in item]
    assert told["path"].endswith("/downloads/x.txt") and told["result"] != 0
