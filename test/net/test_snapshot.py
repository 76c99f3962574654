# SPDX-License-Identifier: MIT
"""The directory as a whole: over HTTP, and on the index's disk over restarts, power cuts and
damage."""

import hashlib
import os
import random
import re
import shutil
import subprocess
import threading

import pytest

from chains import sha256
from feed import Directory, Feed, offered
from fleet import put, wait_until
from wire import Member, del_line, offer, put_line
from wrapped import Page

KEPT = ("--index.snapshot", "100ms")


def snapshot(index, node=None):
    return index.stream("/v1/snapshot" + (f"?node={node}" if node else ""))


def saved(index):
    """The file, once it has everything that has happened."""
    wait_until(
        lambda: index.stats()["snapshot"].get("behind") == 0, what="everything is on the disk"
    )
    return index.state / "snapshot"


def test_nodes_then_offers_then_the_end(fleet):
    index = fleet.index()
    with Member(index, "a") as a, Member(index, "b") as b, Member(index, "c") as c:
        a.joined(*[offer(f"a{i}") for i in range(40)])
        b.joined(offer("b", sha256=None), offer("x", mode="x"))
        b.joined(offer("b", kind="copy", origin=a.id))
        c.joined(offer("c"))
        assert c.leave().status == 200
        lines, end = snapshot(index)
        ops = [line["op"] for line in lines]
        assert ops == sorted(ops, key=lambda op: op == "put"), "nodes stand before offers"
        nodes = {line["name"]: line for line in lines if line["op"] != "put"}
        assert nodes["a"]["op"] == nodes["b"]["op"] == "join" and nodes["c"]["op"] == "leave"
        assert (nodes["a"]["epoch"], nodes["a"]["seq"]) == (1, 1)
        assert nodes["b"]["seq"] == 2 and nodes["c"]["seq"] == 2
        (copy,) = [line for line in lines if line["op"] == "put" and line["node"] == b.id]
        assert copy["kind"] == "copy" and copy["origin"] == a.id
        assert len(lines) == 3 + 40 + 1
        feed, n = index.get("/v1/changes", method="HEAD").header("p2p-feed").rsplit(".", 1)
        assert end == {"end": True, "feed": feed, "n": int(n)}


def test_one_nodes_part(fleet):
    index = fleet.index()
    with Member(index, "a") as a, Member(index, "b") as b:
        a.joined(*[offer(f"a{i}") for i in range(700)])
        b.joined(offer("b"))
        for member, count in ((a, 700), (b, 1)):
            lines, end = snapshot(index, member.id)
            assert lines[0]["op"] == "join" and lines[0]["node"] == member.id
            assert {line["node"] for line in lines} == {member.id}
            assert len({line["path"] for line in lines[1:]}) == len(lines) - 1 == count
            assert end
    assert snapshot(index, "0" * 32)[0] == []
    for bad in ("x", "0" * 31, "0" * 33):
        assert index.get(f"/v1/snapshot?node={bad}").status == 400


def test_a_node_with_very_many_offers(fleet):
    """More than the walk keeps slots for: it goes over all offers then."""
    index = fleet.index("-m", "16M")
    with Member(index, "big") as big, Member(index, "small") as small:
        small.joined(*[offer(f"s{i}") for i in range(300)])
        big.joined(*[offer(f"folder/file-{i}", sha256=None) for i in range(4000)])
        lines, _ = snapshot(index, big.id)
        assert len({line["path"] for line in lines[1:]}) == len(lines) - 1 == 4000
        lines, _ = snapshot(index)
        assert len(lines) == 4302


def test_a_snapshot_and_what_came_since_are_the_directory(fleet):
    """Taken again and again while nodes change."""
    index = fleet.index()
    seed = random.randrange(1 << 30)
    print("seed", seed)
    going = threading.Event()

    def change(number):
        chance = random.Random(seed + number)
        with Member(index, f"m{number}") as member:
            member.joined(*[offer(f"m{number}/f{i}") for i in range(300)])
            while not going.is_set():
                lines = [
                    (
                        del_line(f"m{number}/f{chance.randrange(400)}")
                        if chance.random() < 0.4
                        else put_line(
                            f"m{number}/f{chance.randrange(400)}",
                            sha256=f"{chance.getrandbits(256):064x}",
                        )
                    )
                    for _ in range(chance.randrange(1, 30))
                ]
                assert member.update(*lines).status == 200
            assert member.leave().status == 200 or number

    threads = [threading.Thread(target=change, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(8):
            directory = Directory()
            lines, end = snapshot(index)
            for line in lines:
                directory.apply(line)
            feed = Feed(index, f"{end['feed']}.{end['n']}")
            feed.close()
            lines, second = snapshot(index)
            later = Directory()
            for line in lines:
                later.apply(line)
            with Feed(index, f"{end['feed']}.{end['n']}") as feed:
                if second["n"] > end["n"]:
                    for line in feed.until(lambda line: line["n"] == second["n"]):
                        directory.apply(line)
            assert directory.known() == later.known()
    finally:
        going.set()
        for thread in threads:
            thread.join()


def test_a_restart_needs_no_upload(fleet):
    index = fleet.index(*KEPT)
    peer = fleet.peer(index, {"a.txt": b"alpha", "b/c.bin": b"beta" * 1000})
    index.wait_file("b/c.bin", sha256(b"beta" * 1000))
    before = offered(index)
    saved(index)
    index.kill()
    index.restart()
    index.wait_log("read 1 nodes with 2 offers from disk")
    assert offered(index) == before
    index.wait_node("kitchen")
    assert index.stats()["joins"] == 0, "it came back with an update, not with all its files"
    put(peer.share / "new.txt", b"new")
    index.wait_file("new.txt", sha256(b"new"))


def test_restored_nodes_are_hearsay_until_they_speak(fleet):
    index = fleet.index(*KEPT, "--index.lease", "3s")
    with Member(index, "speaks") as speaks, Member(index, "silent") as silent:
        speaks.joined(offer("spoken"))
        silent.joined(offer("silence"))
        saved(index)
        index.kill()
    index.restart()
    index.wait_log("read 2 nodes with 2 offers from disk")
    assert {node["state"] for node in index.nodes()} == {"hearsay"}
    assert {file["path"] for file in index.files()} == {"spoken", "silence"}
    with Member(index, "speaks", token=speaks.token) as again:
        again.seq = speaks.seq
        again.send_alive()
        wait_until(lambda: index.node("speaks"), what="its word is taken without an upload")
        assert again.link.reply(timeout=5).status == 200
        while index.file("silence"):
            assert again.alive().status == 200
        assert index.file("spoken") and index.node("speaks")["state"] == "active"


def test_a_word_of_another_state_is_refused(fleet):
    index = fleet.index(*KEPT)
    with Member(index, "m") as member:
        member.joined(offer("a"))
        member.update(put_line("b"))
        saved(index)
    index.kill()
    index.restart()
    index.wait_log("read 1 nodes with 2 offers from disk")
    with Member(index, "m", token=member.token) as again:
        for epoch, seq in ((1, 3), (2, 1), (2, 2)):
            reply = again.alive(epoch=epoch, seq=seq)
            assert reply.status == 409, reply
            assert (reply.json()["epoch"], reply.json()["seq"]) == (1, 2)
        again.seq = 2
        assert again.update(put_line("c")).status == 200
        assert {f["path"] for f in index.files()} == {"a", "b", "c"}


def test_who_has_left_stays_away(fleet):
    index = fleet.index(*KEPT)
    with Member(index, "gone") as member:
        member.joined(offer("a"))
        assert member.leave().status == 200
        saved(index)
        index.kill()
    index.restart()
    index.wait_log("read 0 nodes with 0 offers from disk")
    assert [n["state"] for n in index.nodes()] == ["left"] and index.files() == []
    with Member(index, "gone", token=member.token) as again:
        again.seq = 1
        assert again.update(put_line("b")).status == 409


def test_a_clean_end_keeps_everything(fleet):
    index = fleet.index("--index.snapshot", "1h")
    with Member(index, "m") as member:
        member.joined(*[offer(f"f{i}") for i in range(3000)])
        before = offered(index)
        assert not (index.state / "snapshot").exists()
        index.stop()
    index.restart()
    index.wait_log("read 1 nodes with 3000 offers from disk")
    assert offered(index) == before
    size = (index.state / "snapshot").stat()
    index.restart()
    after = (index.state / "snapshot").stat()
    assert (size.st_mtime_ns, size.st_ino) == (after.st_mtime_ns, after.st_ino), "nothing changed"


@pytest.mark.once
def test_an_idle_index_writes_nothing(fleet):
    index = fleet.index(*KEPT, "--index.lease", "3s")
    with Member(index, "m") as member:
        member.joined(offer("a"))
        saved(index)
        before = index.stats()["state_bytes_written"]
        inode = (index.state / "snapshot").stat().st_ino
        for _ in range(5):
            assert member.alive().status == 200  # each is held for a third of the lease
        assert index.stats()["state_bytes_written"] == before
        assert (index.state / "snapshot").stat().st_ino == inode


def damage_cut(data):
    return data[: len(data) // 2]


def damage_line_cut(data):
    lines = data.splitlines(True)
    return b"".join(lines[:2] + lines[3:])


def damage_line_torn(data):
    lines = data.splitlines(True)
    return b"".join(lines[:2]) + lines[2][:20] + b"".join(lines[3:])


def damage_line_added(data):
    lines = data.splitlines(True)
    return b"".join(lines[:2] + [lines[2]] + lines[2:])


def damage_byte(data):
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def damage_behind(data):
    return data + b'{"op":"put"}\n'


def damage_end_missing(data):
    return b"".join(data.splitlines(True)[:-1])


def damage_newline(data):
    return data[:-1]


def rehashed(lines):
    body = b"".join(lines[:-1])
    old = re.search(rb'"sha256":"([0-9a-f]{64})"', lines[-1]).group(1)
    return body + lines[-1].replace(old, hashlib.sha256(body).hexdigest().encode())


def damage_version(data):
    lines = data.splitlines(True)
    lines[0] = lines[0].replace(b'"v":1', b'"v":2')
    return rehashed(lines)


def damage_other_index(data):
    lines = data.splitlines(True)
    lines[0] = re.sub(rb'"id":"[0-9a-f]{8}', b'"id":"deadbeef', lines[0])
    return rehashed(lines)


def damage_bad_name(data):
    lines = data.splitlines(True)
    lines[-2] = lines[-2].replace(b'"path":"', b'"path":"../')
    return rehashed(lines)


DAMAGES = [
    (damage_cut, "end"),
    (damage_line_cut, "changed"),
    (damage_line_torn, "changed"),
    (damage_line_added, "changed"),
    (damage_byte, "changed"),
    (damage_behind, "end"),
    (damage_end_missing, "end"),
    (damage_newline, "end"),
    (damage_version, "version"),
    (damage_other_index, "another index"),
    (damage_bad_name, "path"),
    (lambda data: b"", "end"),
    (lambda data: b"\n", "end"),
    (lambda data: bytes(1000), "end"),
]


@pytest.mark.parametrize("damage,word", DAMAGES, ids=[d.__name__ for d, _ in DAMAGES])
def test_a_damaged_snapshot_is_set_aside(fleet, damage, word):
    index = fleet.index(*KEPT)
    with Member(index, "m") as member:
        member.joined(*[offer(f"f{i}") for i in range(20)])
        path = saved(index)
        index.kill()
    bad = damage(path.read_bytes())
    path.write_bytes(bad)
    index.restart()
    line = index.wait_log("warn +index: the snapshot .*set aside").string
    assert word in line, line
    assert index.files() == [] and index.nodes() == []
    assert (index.state / "snapshot.bad").read_bytes() == bad
    with Member(index, "m") as member:
        member.joined(offer("a"))
        assert saved(index).exists()


def test_a_damaged_snapshot_that_cannot_be_set_aside(fleet):
    index = fleet.index(*KEPT)
    with Member(index, "m") as member:
        member.joined(offer("a"))
        path = saved(index)
        index.kill()
    path.write_bytes(damage_byte(path.read_bytes()))
    (index.state / "snapshot.bad").mkdir()
    index.restart()
    index.wait_log("warn +index: the snapshot is of no use and could not be set aside as snapshot.bad: .*changed")
    assert index.files() == []
    with Member(index, "m") as member:
        member.joined(offer("b"))
        saved(index)
        index.kill()
    index.restart()
    index.wait_log("read 1 nodes with 1 offers from disk")


@pytest.mark.parametrize("what", ["fifo", "folder", "symlink"])
def test_what_is_no_file_is_not_read(fleet, what):
    """It neither stops the index nor makes it wait."""
    index = fleet.index(*KEPT)
    index.kill()
    path = index.state / "snapshot"
    if what == "fifo":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    else:
        path.symlink_to("/etc/passwd")
    index.restart()
    index.wait_log("warn +index: the snapshot cannot be read")
    with Member(index, "m") as member:
        member.joined(offer("a"))
        assert [f["path"] for f in index.files()] == ["a"]
        if what == "folder":
            index.wait_log("warn +index: the directory cannot be kept on disk")
        else:
            assert saved(index).is_file()


def test_a_snapshot_is_on_the_disk_before_it_has_its_name(fleet):
    """The file is synced, and its folder after the renaming: twice for each snapshot."""
    page = Page(fleet)
    index = fleet.index(*KEPT, **page.how)
    with Member(index, "m") as member:
        for i in range(3):
            before = page.syncs()
            member.joined(offer(f"f{i}"))
            saved(index)
            assert page.syncs() - before == 2
            assert sorted(path.name for path in index.state.iterdir()) == ["identity", "lock", "snapshot"]


def test_a_big_snapshot_is_read_while_it_answers(fleet):
    index = fleet.index(*KEPT, "-m", "64M")
    with Member(index, "m") as member:
        member.joined(*[offer(f"folder-{i % 50}/f{i}") for i in range(30000)])
        saved(index)
        index.kill()
    index.restart()
    assert index.get("/v1/stats").status == 200
    with Member(index, "n") as member:

        def joined():
            reply = member.join(offer("n"))
            assert reply.status in (200, 503), reply
            return reply.status == 200

        wait_until(joined, 30, "joins are taken when all is read")
        assert index.stats()["offers"] == 30001
    assert len(index.stream("/v1/list?limit=1")[0]) == 1


def test_a_disk_that_cannot_be_written(fleet):
    """Something stands where the file is to be: the index goes on, and says so once."""
    index = fleet.index(*KEPT)
    (index.state / "snapshot.new").mkdir()
    with Member(index, "m") as member:
        member.joined(offer("a"))
        index.wait_log("warn +index: the directory cannot be kept on disk")
        for i in range(20):
            assert member.update(put_line(f"f{i}")).status == 200
        wait_until(lambda: "error" in index.stats()["snapshot"])
        (index.state / "snapshot.new").rmdir()
        assert saved(index).exists()
        assert "error" not in index.stats()["snapshot"]
    assert len(index.out.matching("cannot be kept")) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk(fleet):
    state = fleet.folder("small-disk")
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(state)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("no mounts here")
    try:
        index = fleet.index(*KEPT, state=state)
        with Member(index, "m") as member:
            member.joined(offer("a"))
            first = saved(index).read_bytes()
            member.joined(*[offer(f"folder/file-{i}") for i in range(2000)])
            index.wait_log("cannot be kept on disk .the disk is full")
            assert len(index.files("file-")) == 1000
            assert saved_is(state, first), "the old one is whole"
            wait_until(lambda: not (state / "snapshot.new").exists(), what="the torn one is gone")
            member.joined(offer("b"))
            wait_until(lambda: not saved_is(state, first), what="there is room again")
        index.stop()
    finally:
        subprocess.run(["umount", "-l", str(state)], check=True)


def saved_is(state, data):
    return (state / "snapshot").read_bytes() == data


def test_a_state_folder_that_cannot_be_written(fleet):
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("root writes everywhere")
    state = fleet.folder("nowhere")
    state.chmod(0o555)
    how = {"user": 65534} if os.geteuid() == 0 else {}
    index = fleet.index(*KEPT, state=state, **how)
    with Member(index, "m") as member:
        member.joined(offer("a"))
        assert index.stats()["snapshot"]["kept"] is False
    index.stop()
    assert list(state.iterdir()) == []


def test_an_index_that_is_killed_again_and_again(fleet):
    """Peers go on changing files; each time it is up again it knows exactly what they have."""
    index = fleet.index(*KEPT)
    peers = [
        fleet.peer(index, {f"{name}/{i}": f"{name}{i}".encode() for i in range(5)}, name=name)
        for name in ("kitchen", "cellar")
    ]
    chance = random.Random(random.randrange(1 << 30))
    for turn in range(4):
        for peer in peers:
            for _ in range(3):
                path = peer.share / peer.name / str(chance.randrange(8))
                if path.exists() and chance.random() < 0.4:
                    path.unlink()
                else:
                    put(path, os.urandom(50))
        if chance.random() < 0.5:
            wait_until(lambda: index.node("kitchen"))
        index.kill()
        index.restart()
        for peer in peers:
            wanted = {
                str(path.relative_to(peer.share)): sha256(path.read_bytes())
                for path in peer.share.rglob("*")
                if path.is_file()
            }
            wait_until(
                lambda: index.node(peer.name)
                and offered(index).get(index.node(peer.name)["node"], {}) == wanted,
                20,
                f"turn {turn}: what {peer.name} has",
            )
