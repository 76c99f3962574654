# SPDX-License-Identifier: MIT
"""Every way in which a shared file changes, seen from the index: by inotify, by scanning, and where
inotify's limits are reached. What the peer says in the end is what sha256sum would say."""

import os
import random
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from chains import sha256
from fleet import put, wait_until

MANNERS = {"watch": [], "scan": ["--share.watch", "scan", "--share.scan_idle", "500ms"]}


def offered(index):
    """{path: content} of all that is offered. What goes while the snapshot is written is told in it."""
    lines, _ = index.stream("/v1/snapshot")
    paths = {}
    for line in lines:
        if line.get("op") == "del":
            paths.pop(line["path"], None)
        elif "path" in line:
            paths[line["path"]] = line["sha256"]
    return paths


def truth(share):
    return {
        path.relative_to(share).as_posix(): sha256(path.read_bytes())
        for path in Path(share).rglob("*")
        if path.is_file() and not path.is_symlink() and "/." not in f"/{path.relative_to(share)}"
    }


def wait_truth(index, share, deadline=20):
    wanted = truth(share)
    wait_until(lambda: offered(index) == wanted, deadline, f"what {share} has")


def edit_in_place(path):
    with open(path, "r+b") as file:
        file.seek(2)
        file.write(b"EDIT")


def append(path):
    with open(path, "ab") as file:
        file.write(b" and more")


def replace_by_rename(path):
    put(path.with_name(".swap"), b"replaced", 500)
    os.rename(path.with_name(".swap"), path)


def touch(path):
    os.utime(path)


def same_size_and_time(path):
    before = path.stat()
    path.write_bytes(bytes(reversed(path.read_bytes())))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def same_size_and_time_by_rename(path):
    before = path.stat()
    new = path.with_name(".swap")
    new.write_bytes(bytes(reversed(path.read_bytes())))
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.rename(new, path)


def clock_set_back(path):
    """Written by a clock that is years behind."""
    path.write_bytes(b"by an old clock")
    os.utime(path, (86400, 86400))


def clock_ahead(path):
    path.write_bytes(b"by a clock of the future")
    then = time.time() + 10 * 365 * 86400
    os.utime(path, (then, then))


CHANGES = {
    "edit": edit_in_place,
    "append": append,
    "truncate": lambda path: os.truncate(path, 5),
    "empty": lambda path: os.truncate(path, 0),
    "rename": replace_by_rename,
    "delete": lambda path: path.unlink(),
    "move": lambda path: path.rename(path.with_name("moved-" + path.name)),
    "move-away": lambda path: path.rename(path.parents[2] / "elsewhere"),
    "touch": touch,
    "same-size-and-time": same_size_and_time,
    "same-by-rename": same_size_and_time_by_rename,
    "clock-back": clock_set_back,
    "clock-ahead": clock_ahead,
    "hidden": lambda path: path.rename(path.with_name(".hidden")),
    "mode": lambda path: path.chmod(0o755),
    "a-folder-instead": lambda path: (path.unlink(), put(path / "deep", b"deep")),
    "a-link-instead": lambda path: (path.unlink(), path.symlink_to("/etc/passwd")),
}


@pytest.mark.parametrize("manner", MANNERS)
def test_each_kind_of_change(fleet, index, manner):
    files = {f"d/{name}.bin": name.encode() * 40 for name in CHANGES}
    peer = fleet.peer(index, files, *MANNERS[manner])
    wait_truth(index, peer.share)
    for name, change in CHANGES.items():
        change(peer.share / f"d/{name}.bin")
    wait_truth(index, peer.share)
    for name, change in CHANGES.items():  # and again, of what is fresh
        path = peer.share / f"d/{name}.bin"
        if path.is_file() and not path.is_symlink():
            change(path)
    wait_truth(index, peer.share)


@pytest.mark.once
@pytest.mark.parametrize("manner", MANNERS)
def test_a_checkout_of_thousands_of_files(fleet, index, manner):
    """git writes, replaces and removes thousands of files and folders within a second."""
    share = fleet.folder("share-tree")
    chance = random.Random(1)

    def git(*args):
        line = ["git", "-c", "user.name=x", "-c", "user.email=x@x", "-c", "gc.auto=0", *args]
        subprocess.run(line, cwd=share, check=True, capture_output=True)

    git("init", "-q")
    for branch in ("one", "two"):
        for i in range(3000):
            if chance.random() < 0.7:
                put(share / f"d{i % 40}/s{i % 7}/f{i}.txt", f"{branch} {chance.random()}".encode())
            else:
                (share / f"d{i % 40}/s{i % 7}/f{i}.txt").unlink(missing_ok=True)
        git("add", "-A")
        git("commit", "-qm", branch)
        git("branch", branch)
    peer = fleet.peer(index, None, *MANNERS[manner], share=share)
    wait_truth(index, share)
    for branch in ("one", "two", "one"):
        git("checkout", "-q", branch)
    wait_truth(index, share, 40)
    assert peer.running()


@pytest.mark.parametrize("manner", MANNERS)
def test_a_file_that_changes_all_the_time(fleet, index, manner):
    """Its name is there at once, its content when it rests; the others are not held up."""
    peer = fleet.peer(index, {"calm.txt": b"calm"}, *MANNERS[manner])
    index.wait_file("calm.txt", sha256(b"calm"))
    over = threading.Event()

    def write():
        with open(peer.share / "restless.log", "wb") as file:
            while not over.wait(0.005):
                file.write(b"one more line\n")
                file.flush()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        wait_until(lambda: index.file("restless.log"), what="its name")
        put(peer.share / "late.txt", b"late")
        index.wait_file("late.txt", sha256(b"late"))
    finally:
        over.set()
        writer.join()
    wait_truth(index, peer.share)


def test_two_files_that_change_places_again_and_again(fleet, index):
    peer = fleet.peer(index, {"a": b"first", "b": b"second"})
    wait_truth(index, peer.share)
    for _ in range(101):
        (peer.share / "a").rename(peer.share / ".c")
        (peer.share / "b").rename(peer.share / "a")
        (peer.share / ".c").rename(peer.share / "b")
    wait_truth(index, peer.share)
    assert truth(peer.share) == {"a": sha256(b"second"), "b": sha256(b"first")}


def limits_of_inotify(what, count):
    """Of a user namespace of its own, so that nobody else is."""
    if subprocess.run(["unshare", "-Ur", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("no user namespaces here")
    script = f'echo {count} >/proc/sys/user/max_inotify_{what} && exec "$@"'
    return ["unshare", "-Ur", "sh", "-c", script, "sh"]


@pytest.mark.watch
@pytest.mark.parametrize(
    "what,count,cure",
    [("watches", 5, "max_user_watches"), ("instances", 0, "max_user_instances")],
)
def test_the_limits_of_inotify(fleet, index, what, count, cure):
    """Said once, with the sysctl that cures it; scanning takes over, and misses nothing."""
    files = {f"d{i}/f.txt": b"%d" % i for i in range(20)}
    prefix = limits_of_inotify(what, count)
    peer = fleet.peer(index, files, "--share.scan_idle", "500ms", prefix=prefix)
    wait_truth(index, peer.share)
    peer.wait_log(rf"\bwarn\b.*{cure}=\d+.*scanning")
    put(peer.share / "d7/new.txt", b"new", 0)
    (peer.share / "d3/f.txt").unlink()
    (peer.share / "d5/f.txt").write_bytes(b"other")
    put(peer.share / "d99/deep/er.txt", b"deep", 0)
    wait_truth(index, peer.share)
    assert len(peer.out.matching(r"inotify")) == 1, peer.report()


@pytest.mark.watch
def test_more_events_than_the_queue_holds(fleet, index):
    """A stopped peer loses events; it looks at all of the share when it goes on."""
    peer = fleet.peer(index, {"a.txt": b"alpha"})
    wait_truth(index, peer.share)
    count = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text(encoding="ascii"))
    if count > 70000:
        pytest.skip("the queue is too long to be filled")
    peer.send(signal.SIGSTOP)
    try:
        (peer.share / "b").mkdir()
        for i in range(count // 2 + 500):
            (peer.share / "x").touch()
            (peer.share / "x").unlink()
        put(peer.share / "b/last.txt", b"last", 0)
        (peer.share / "a.txt").write_bytes(b"beta")
    finally:
        peer.send(signal.SIGCONT)
    wait_truth(index, peer.share)
