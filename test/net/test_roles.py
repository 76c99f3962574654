# SPDX-License-Identifier: MIT
"""Roles as processes: what they print, their ports, their state folders, and what they do
without."""

import json
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from chains import sha256
from fleet import free_port, keep_port, wait_until
from rawhttp import ask


@pytest.mark.parametrize("role", ["index", "peer", "both"])
def test_a_role_says_where_it_is(fleet, role):
    made = {
        "index": lambda: fleet.index(name="desk"),
        "peer": lambda: fleet.peer("127.0.0.1:9", {}, name="desk"),
        "both": lambda: fleet.both({}, name="desk"),
    }[role]()
    assert made.out.wait(rf"http://127\.0\.0\.1:{made.port}", 2) or role == "peer", made.report()
    line = re.compile(
        r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|\+?\d+[.:\d]*s?) "
        r"(error|warn|info|debug) +[a-z0-9_]+: \S.*"
    )
    made.stop()
    assert all(line.fullmatch(text) for text in made.out.items), made.out.items
    assert not [t for t in made.out.items if " error " in t]


def test_events_are_logged(fleet):
    index = fleet.index()
    peer = fleet.peer(index, {"a.txt": b"alpha"})
    index.wait_log(r"info +index: .*\bkitchen\b.*joined")
    index.wait_file("a.txt")
    count = len(index.out.items)
    assert fleet.run("search", "needle-in-the-log", index=index).code == 4
    index.wait_log(r"needle-in-the-log", since=count)
    peer.wait_log(r"info +peer: joined")
    peer.stop()
    index.wait_log(r"index: .*\bkitchen\b.*left")


def test_a_log_that_nobody_reads_stops_nothing(fleet):
    """stdout is a full pipe: the node drops lines, it does not stand still."""
    read, write = os.pipe()
    port = free_port()
    process = fleet.spawn(
        "index",
        "-l",
        f"127.0.0.1:{port}",
        "-s",
        fleet.folder("state-mute"),
        "--node.log",
        "debug",
        stdout=write,
    )
    os.close(write)
    try:
        wait_until(lambda: answers(f"127.0.0.1:{port}"), what="the index answers")
        for i in range(1500):
            assert (
                ask(
                    f"127.0.0.1:{port}", "GET", f"/v1/search?q=line-that-fills-the-pipe-{i:060}"
                ).status
                == 200
            )
        process.terminate()
        assert process.ended(10) == 0
        assert process.stderr.read() == b""
    finally:
        os.close(read)


def answers(address):
    try:
        return ask(address, "GET", "/v1/stats").status == 200
    except OSError:
        return False


def test_two_processes_on_one_state_folder(fleet):
    peer = fleet.peer("127.0.0.1:9", {"a.txt": b"alpha"})
    result = fleet.fails(
        1, "peer", peer.share, "-l", "127.0.0.1:0", "-s", peer.state, index="127.0.0.1:9"
    )
    assert re.search(rf"\b{peer.pid}\b", result.err)
    peer.kill()
    peer.start()


def test_a_port_that_is_taken(fleet):
    index = fleet.index()
    result = fleet.fails(1, "index", "-l", index.address, "-s", fleet.folder("other"))
    assert str(index.port) in result.err and (
        "-l" in result.err or "listen" in result.err
    ), "the cure is named"


def test_peers_without_a_port_find_one(fleet):
    """Two peers and an index on one machine need no option but the index's address; where the usual
    port is somebody else's, each has one that stays its own."""
    fleet.own(taken(7751))
    index = fleet.index()
    peers = [
        fleet.peer(index, {f"{name}.txt": name.encode()}, name=name, listen=None)
        for name in ("one", "two")
    ]
    assert peers[0].port != peers[1].port
    for peer in peers:
        index.wait_file(f"{peer.name}.txt", sha256(peer.name.encode()))
        port = peer.port
        peer.restart(same_port=False)
        assert peer.port in (7751, port), "the usual port, else the last one"


def taken(port):
    """A socket that has it; anything when somebody else keeps it. Another run of this test has it for
    a moment only."""

    def take():
        holder = keep_port("0.0.0.0", port)
        try:
            if holder.getsockname()[1] == port:
                holder.listen()
                return holder
        except OSError:
            pass
        holder.close()
        return None

    try:
        return wait_until(take, 5)
    except AssertionError:
        return keep_port("127.0.0.1", 0)


def test_state_folders(fleet):
    """Made when missing, closed to others, one for each share."""
    xdg = fleet.root / "xdg-state"
    index = fleet.index()
    peers = [
        fleet.peer(index, {"a.txt": b"x"}, name=name, state=False, env={"XDG_STATE_HOME": str(xdg)})
        for name in ("one", "two")
    ]
    index.wait_file("a.txt", node="one")
    index.wait_file("a.txt", node="two")
    assert index.node("one")["node"] != index.node("two")["node"]
    folders = [p for p in (xdg / "p2p").iterdir() if p.is_dir()]
    assert len(folders) == 2
    for folder in folders:
        assert folder.stat().st_mode & 0o077 == 0
    for peer in peers:
        peer.stop()
    secret = [p for p in index.state.rglob("*") if p.is_file() and p.stat().st_mode & 0o077]
    assert index.state.stat().st_mode & 0o077 == 0 or not secret


def test_a_copied_state_folder_makes_a_new_node(fleet):
    """A cloned card must not make two nodes of one id: another share's path tells."""
    index = fleet.index()
    peer = fleet.peer(index, {"a.txt": b"x"}, name="original")
    first = index.wait_node("original")["node"]
    peer.stop()
    shutil.copytree(peer.state, fleet.root / "state-clone")
    clone = fleet.peer(index, {"a.txt": b"x"}, name="clone", state=fleet.root / "state-clone")
    assert index.wait_node("clone")["node"] != first
    peer.start()
    assert index.wait_node("original")["node"] == first
    assert clone.running()


def test_a_state_folder_that_cannot_be_written(fleet):
    """A fresh token at each start, said once."""
    index = fleet.index()
    peer = fleet.peer(index, {"a.txt": b"x"}, state=Path("/proc/nowhere/state"))
    index.wait_file("a.txt")
    first = index.wait_node("kitchen")["node"]
    assert len(peer.out.matching(r"\bwarn\b.*state")) == 1, peer.report()
    peer.restart()
    assert wait_until(
        lambda: (n := index.node("kitchen")) and n["node"] != first and n, what="another id"
    )


def test_roles_do_not_read_stdin(fleet):
    """Not a terminal: no prompt, and the end of stdin ends nothing."""
    port = free_port()
    process = fleet.spawn(
        "index", "-l", f"127.0.0.1:{port}", "-s", fleet.folder("state-stdin"), stdin=subprocess.PIPE
    )
    process.stdin.write(b"exit\nquit\n")
    process.stdin.close()
    process.stdin = None
    wait_until(lambda: answers(f"127.0.0.1:{port}"), what="the index answers")
    assert process.poll() is None
    process.terminate()
    out, err = process.communicate(timeout=10)
    assert process.returncode == 0 and err == b"" and b"listening on" in out


def test_ipv6(fleet):
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("no IPv6 here")
    index = fleet.index(listen="[::1]:0")
    assert index.host == "[::1]"
    peer = fleet.peer(index, {"a.txt": b"alpha"}, listen="[::1]:0")
    assert index.wait_file("a.txt")["addresses"] == [f"[::1]:{peer.port}"]
    assert fleet.ok("get", "a.txt", "-o", fleet.root / "got", index=index).out.startswith(
        sha256(b"alpha")
    )
    assert (
        json.loads(fleet.ok("search", "a.txt", "--json", index=index).out.splitlines()[0])["path"]
        == "a.txt"
    )
