# SPDX-License-Identifier: MIT
"""A shared folder as others see it: files appear, change, move and go; what is not offered; the
folder itself comes and goes; and the hash cache that makes the next start cheap."""

import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from chains import sha256
from fleet import put, wait_until


def paths(index):
    return sorted(f["path"] for f in index.files())


def wait_paths(index, *names, deadline=10):
    wait_until(lambda: paths(index) == sorted(names), deadline, f"{names}, not {paths(index)}")


FILES = {
    "a.txt": b"alpha",
    "empty": b"",
    "deep/er/b.bin": bytes(70000),
    "deep/Ä ö.txt": b"umlaut",
}


def test_files_are_listed_with_their_content(fleet, index):
    peer = fleet.peer(index, FILES)
    for name, data in FILES.items():
        record = index.wait_file(name, sha256(data))
        assert (record["size"], record["kind"], record["have"], record["name"]) == (
            len(data),
            "owned",
            100,
            "kitchen",
        )
        assert record["mtime"] == int((peer.share / name).stat().st_mtime)
        assert record["addresses"] == [peer.address]
    assert paths(index) == sorted(FILES)
    assert sorted(f["path"] for f in peer.files()) == sorted(
        FILES
    ), "a peer answers searches in its own share"
    assert index.node("kitchen")["offers"] == len(FILES)


def test_a_new_file_appears(fleet, index):
    peer = fleet.peer(index, {"a.txt": b"alpha"})
    index.wait_file("a.txt")
    (peer.share / "new.txt").write_bytes(b"new")
    index.wait_file("new.txt", sha256(b"new"))
    (peer.share / "sub").mkdir()
    (peer.share / "sub/deep.txt").write_bytes(b"deep")
    index.wait_file("sub/deep.txt", sha256(b"deep"))


def test_a_changed_file_has_its_new_content(fleet, index):
    peer = fleet.peer(index, {"a.txt": b"alpha"})
    old = index.wait_file("a.txt", sha256(b"alpha"))
    (peer.share / "a.txt").write_bytes(b"beta and longer")
    new = index.wait_file("a.txt", sha256(b"beta and longer"))
    assert new["size"] == 15 and new["mtime"] > old["mtime"]
    assert peer.get("/download/a.txt?own=1").body == b"beta and longer"
    assert not index.stream(f"/v1/search?sha256={sha256(b'alpha')}")[
        0
    ], "the old content is offered no more"


def test_a_changed_file_of_the_same_size(fleet, index):
    peer = fleet.peer(index, {"a.txt": b"one"})
    index.wait_file("a.txt", sha256(b"one"))
    (peer.share / "a.txt").write_bytes(b"two")
    index.wait_file("a.txt", sha256(b"two"))


def test_a_file_replaced_by_rename(fleet, index):
    peer = fleet.peer(index, {"a.txt": b"one"})
    index.wait_file("a.txt", sha256(b"one"))
    put(fleet.root / "outside.txt", b"two")
    os.rename(fleet.root / "outside.txt", peer.share / "a.txt")
    index.wait_file("a.txt", sha256(b"two"))


def test_a_moved_file(fleet, index):
    peer = fleet.peer(index, {"a.txt": b"alpha", "sub/x": b"x"})
    index.wait_file("a.txt")
    os.rename(peer.share / "a.txt", peer.share / "sub/b.txt")
    index.wait_file("sub/b.txt", sha256(b"alpha"))
    index.wait_gone("a.txt")


def test_a_removed_file(fleet, index):
    peer = fleet.peer(index, {"a.txt": b"alpha", "b.txt": b"beta"})
    index.wait_file("a.txt")
    (peer.share / "a.txt").unlink()
    index.wait_gone("a.txt")
    assert paths(index) == ["b.txt"]


def test_folders_move_in_about_and_out(fleet, index):
    peer = fleet.peer(index, {"keep.txt": b"keep"})
    index.wait_file("keep.txt")
    tree = fleet.share("tree", {"one": b"1", "two/three": b"3"})
    os.rename(tree, peer.share / "in")
    index.wait_file("in/two/three", sha256(b"3"))
    os.rename(peer.share / "in", peer.share / "about")
    index.wait_file("about/two/three", sha256(b"3"))
    index.wait_gone("in/one")
    (peer.share / "about/two/four").write_bytes(b"4")
    index.wait_file("about/two/four", sha256(b"4"))
    os.rename(peer.share / "about", fleet.root / "out")
    wait_paths(index, "keep.txt")
    put(fleet.root / "out/five", b"5")
    (peer.share / "last.txt").write_bytes(b"last")
    index.wait_file("last.txt")
    assert paths(index) == ["keep.txt", "last.txt"], "a folder that left is not looked at any more"


def test_many_files_at_once(fleet, index):
    peer = fleet.peer(index)
    index.wait_node("kitchen")
    for i in range(500):
        put(peer.share / f"d{i % 7}/f{i}.txt", b"%d" % i)
    wait_until(lambda: index.offers("kitchen") == 500, 15, "500 offers")
    index.wait_file("d3/f101.txt", sha256(b"101"))


def test_a_file_written_slowly_is_offered_when_it_is_done(fleet, index):
    peer = fleet.peer(index, {"a.txt": b"alpha"})
    index.wait_file("a.txt")
    with open(peer.share / "slow.bin", "wb") as out:
        for _ in range(20):
            out.write(b"x" * 5000)
            out.flush()
            index.stats()
    index.wait_file("slow.bin", sha256(b"x" * 100000))


@pytest.mark.watch
def test_a_change_shows_within_a_quarter_of_a_second(fleet, index):
    """Unless the machine is busy: not each time, then."""
    peer = fleet.peer(index, {"a.txt": b"alpha"})
    index.wait_file("a.txt")
    took = []

    def shows():
        name = f"quick{len(took)}.txt"
        put(peer.share / name, b"quick")
        began = time.monotonic()
        index.wait_file(name)
        took.append(time.monotonic() - began)
        return took[-1] < 0.25

    wait_until(shows, 20, f"one of {took}")


def test_names_come_before_contents(fleet, index):
    data = os.urandom(5 << 20)
    peer = fleet.peer(index, {"big.bin": data, "small.txt": b"s"}, "--share.hash_rate", "1M/s")
    record = wait_until(lambda: index.file("big.bin"), what="the name")
    assert record["sha256"] is None and record["size"] == len(data)
    reply = peer.get("/download/big.bin?own=1")
    assert reply.status == 503 and int(reply.header("retry-after")) >= 0, reply
    assert reply.error()
    index.wait_file("big.bin", sha256(data))
    assert peer.get("/download/big.bin?own=1").body == data


def test_default_ignore(fleet, index):
    names = ["a.tmp", "b.part", "c~", "sub/d.tmp", "kept.tmp.txt", "part", "kept"]
    fleet.peer(index, {name: b"x" for name in names})
    index.wait_file("kept")
    wait_paths(index, "kept", "kept.tmp.txt", "part")


def test_own_ignore(fleet, index):
    peer = fleet.peer(
        index,
        {"a.log": b"x", "b.tmp": b"x", "sub/c.log": b"x", "d.txt": b"x"},
        "--share.ignore",
        "*.log",
    )
    wait_paths(index, "b.tmp", "d.txt")
    (peer.share / "later.log").write_bytes(b"x")
    (peer.share / "later.txt").write_bytes(b"x")
    wait_paths(index, "b.tmp", "d.txt", "later.txt")


def test_several_patterns_to_ignore(fleet, index):
    """By commas, as every list; one with a slash is for the whole path."""
    names = ["a.log", "b.bak", "cache/c.txt", "sub/cache/d.txt", "e.txt"]
    files = {name: b"x" for name in names}
    fleet.peer(index, files, "--share.ignore", "*.log, *.bak,cache/*")
    wait_paths(index, "e.txt", "sub/cache/d.txt")


def test_hidden_and_special_files_are_not_offered(fleet, index):
    share = fleet.share(
        "odd", {"kept": b"x", ".hidden": b"x", ".folder/file": b"x", "sub/.git/config": b"x"}
    )
    os.mkfifo(share / "fifo")
    os.symlink("kept", share / "link")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(share / "socket"))
    fleet.peer(index, share=share)
    index.wait_file("kept")
    assert paths(index) == ["kept"]


def test_unspeakable_names_are_skipped_with_one_warning(fleet, index):
    share = fleet.share("unspeakable", {"kept": b"x", "sub/kept": b"x"})
    for name in (b"latin\xe9", b"tab\t", b"sub/line\nfeed", b"del\x7f", b"sub/\xff\xfe"):
        Path(os.fsdecode(bytes(share) + b"/" + name)).write_bytes(b"x")
    peer = fleet.peer(index, share=share)
    wait_paths(index, "kept", "sub/kept")
    peer.wait_log(r"\bwarn\b.*\b5\b")
    assert len(peer.out.matching(r"\bwarn\b.*\bname")) == 1, peer.report()
    assert not peer.out.matching(r"[\x00-\x08\x0b-\x1f\x7f]"), "log lines are clean"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give files to another user")
def test_unreadable_files_are_no_obstacle(fleet, index):
    share = fleet.share(
        "locked",
        {"open.txt": b"open", "closed.txt": b"closed", "folder/in.txt": b"in", "z.txt": b"z"},
    )
    (share / "closed.txt").chmod(0)
    (share / "folder").chmod(0)
    state = fleet.folder("state-nobody")
    os.chown(state, 65534, 65534)
    peer = fleet.peer(index, share=share, state=state, user=65534)
    index.wait_file("open.txt", sha256(b"open"))
    index.wait_file("z.txt", sha256(b"z"))
    peer.wait_log(r"\bwarn\b.*(closed\.txt|folder|permission|unreadable|cannot be read)")
    assert not [f for f in index.files() if f["path"] == "closed.txt" and f["sha256"]]
    (share / "closed.txt").chmod(0o644)
    os.utime(share / "closed.txt")
    index.wait_file("closed.txt", sha256(b"closed"), deadline=15)


def test_a_share_that_vanishes_is_back_when_it_is_back(fleet, index):
    files = {"a.txt": b"alpha", "sub/b.txt": b"beta"}
    peer = fleet.peer(index, files, "--share.scan_idle", "1s")
    index.wait_file("a.txt")
    index.wait_file("sub/b.txt")
    os.rename(peer.share, fleet.root / "pulled")
    wait_paths(index, deadline=15)
    assert index.node("kitchen"), "the node itself stays"
    os.rename(fleet.root / "pulled", peer.share)
    index.wait_file("a.txt", sha256(b"alpha"), deadline=15)
    index.wait_file("sub/b.txt", sha256(b"beta"))
    (peer.share / "c.txt").write_bytes(b"gamma")
    index.wait_file("c.txt", sha256(b"gamma"), deadline=15)


def test_a_share_that_is_replaced(fleet, index):
    peer = fleet.peer(index, {"a.txt": b"alpha"}, "--share.scan_idle", "1s")
    index.wait_file("a.txt")
    os.rename(peer.share, fleet.root / "old")
    fleet.share("share-kitchen", {"b.txt": b"beta"})
    wait_until(lambda: paths(index) == ["b.txt"], 15, "the new folder's files")
    index.wait_file("b.txt", sha256(b"beta"))


def read_so_far(node):
    text = Path(f"/proc/{node.pid}/io").read_text(encoding="ascii")
    return int(re.search(r"rchar: (\d+)", text).group(1))


def test_an_unchanged_share_is_not_read_again(fleet, index):
    files = {f"f{i}.bin": os.urandom(4 << 20) for i in range(8)}
    peer = fleet.peer(index, files)
    for name, data in files.items():
        index.wait_file(name, sha256(data))
    assert read_so_far(peer) > 32 << 20
    peer.stop()
    wait_paths(index)
    peer.start()
    for name, data in files.items():
        index.wait_file(name, sha256(data))
    assert read_so_far(peer) < 4 << 20, "the second start reads no file"
    assert peer.get("/download/f3.bin?own=1").body == files["f3.bin"]
    chain = peer.get(f"/v1/chain/{sha256(files['f3.bin'])}")
    assert len(chain.body) == 63 * 32, "the chain is in the cache as well"


def test_a_change_while_the_peer_was_away(fleet, index):
    peer = fleet.peer(index, {"same.txt": b"same", "new.txt": b"before", "gone.txt": b"gone"})
    index.wait_file("gone.txt")
    index.wait_file("new.txt")
    peer.stop()
    before = (peer.share / "new.txt").stat()
    (peer.share / "new.txt").write_bytes(b"behind")
    os.utime(peer.share / "new.txt", ns=(before.st_atime_ns, before.st_mtime_ns))
    (peer.share / "gone.txt").unlink()
    peer.start()
    index.wait_file("new.txt", sha256(b"behind"))
    wait_paths(index, "new.txt", "same.txt")


def test_a_damaged_state_folder_is_no_obstacle(fleet, index):
    files = {f"f{i}.bin": b"%d" % i for i in range(20)}
    peer = fleet.peer(index, files)
    wait_until(lambda: index.offers("kitchen") == 20)
    index.wait_file("f19.bin")
    peer.stop()
    for path in peer.state.rglob("*"):
        if path.is_file() and path.stat().st_size > 200:
            data = bytearray(path.read_bytes())
            for i in range(0, len(data), 7):
                data[i] ^= 0x55
            path.write_bytes(data)
    peer.start()
    for name, data in files.items():
        index.wait_file(name, sha256(data))


def test_sighup_reads_the_settings_again(fleet, index):
    config = put(fleet.root / "p2p.ini", b"# p2p\n[share]\nignore = *.log\n")
    peer = fleet.peer(index, {"a.log": b"log", "b.txt": b"txt"}, config=config)
    wait_paths(index, "b.txt")
    config.write_text("# p2p\n[share]\nignore = *.txt\n", encoding="utf-8")
    peer.send(signal.SIGHUP)
    wait_paths(index, "a.log")
    config.write_text("# p2p\n[share]\nignore = *.txt\nnonsense = 1\n", encoding="utf-8")
    count = len(peer.out.items)
    peer.send(signal.SIGHUP)
    peer.wait_log(r"\b(error|warn)\b.*p2p\.ini.*4.*nonsense", since=count)
    assert paths(index) == ["a.log"] and peer.running(), "a bad file changes nothing"


@pytest.mark.parametrize("watch", ["auto", "scan"])
def test_scanning_sees_what_watching_sees(fleet, index, watch):
    peer = fleet.peer(
        index,
        {"a.txt": b"alpha", "gone.txt": b"gone"},
        "--share.watch",
        watch,
        "--share.scan_idle",
        "500ms",
    )
    index.wait_file("gone.txt")
    (peer.share / "a.txt").write_bytes(b"beta")
    (peer.share / "gone.txt").unlink()
    put(peer.share / "sub/new.txt", b"new")
    index.wait_file("a.txt", sha256(b"beta"))
    index.wait_file("sub/new.txt", sha256(b"new"))
    wait_paths(index, "a.txt", "sub/new.txt")
