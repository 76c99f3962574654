# SPDX-License-Identifier: MIT
"""Nodes and commands that are ended or killed while they are at something: they go at once, leave nothing behind, and
the next one of the kind is like any other."""

import fcntl
import os
import pty
import random
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest

from chains import sha256
from fleet import SLOW, below, free_port, left_in, program, run_prefix, wait_until
from holder import BusyIndex
from rawhttp import Link, ask, patience
from test_faults import SLOWLY, begin_get, ended
from wire import Member, ndjson, offer

MIB = 1 << 20
OFFERS = 5000

signals_come_at_once = pytest.mark.skipif(
    Path(program()).parent.name == "tsan", reason="ThreadSanitizer holds a signal back until the write has ended"
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("role", ["index", "peer", "both"])
def test_ended_in_each_phase_of_a_start(fleet, index, role, number):
    """At random moments of its first seconds: it leaves, and the next start is like any other."""
    share = fleet.share("own", {f"d{i % 9}/{i}.bin": os.urandom(2000) for i in range(300)})
    chance = random.Random(number)
    words = {
        "index": [],
        "peer": [share, "-i", index.address],
        "both": [share],
    }[role]
    state = fleet.folder("own-state")
    for _ in range(12):
        process = fleet.spawn(role, *words, "-s", state, "-l", "127.0.0.1:0")
        try:
            process.wait(chance.random() * 0.15)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        code, out, err = ended(process, 10)
        assert code in (0, -number) and err == "", (code, out, err)
        assert "error" not in out.split() and "assert" not in out, out
    how = {"name": "own", "state": state}
    make = {
        "index": lambda: fleet.index(**how),
        "peer": lambda: fleet.peer(index, share=share, **how),
        "both": lambda: fleet.both(share=share, **how),
    }
    node = make[role]()
    if role != "index":
        where = index if role == "peer" else node
        wait_until(lambda: where.offers("own") == 300, what="all files")
    node.stop(number)


@pytest.mark.parametrize("phase", ["waiting", "hashing", "uploading", "moving", "fetching", "leaving"])
def test_a_peer_ended_in_each_phase(fleet, index, here, phase):
    """It leaves at once, whatever it is at; who needs it goes on without, and its next start is like any other."""
    data = os.urandom(8 * MIB)
    how = ["--share.hash_rate", "200K/s"] if phase == "hashing" else SLOWLY
    peer = fleet.peer(f"127.0.0.1:{free_port()}" if phase == "waiting" else index, {"big.bin": data}, *how)
    process = None
    if phase == "hashing":
        wait_until(lambda: index.file("big.bin"), what="its name")
    elif phase != "waiting":
        index.wait_file("big.bin", sha256(data))
    if phase in ("uploading", "moving", "leaving"):
        process = begin_get(fleet, index, here, "big.bin")
    node = peer
    if phase == "fetching":
        node = fleet.peer(index, {"own.txt": b"own"}, name="desk")
        index.wait_file("own.txt")
        process = fleet.spawn("get", "big.bin", "-s", node.state, index=index, cwd=here)
        wait_until(lambda: below(node.share, ".p2p-*.part"), what="bytes")
    if phase == "leaving":  # the index does not hear of it
        index.send(signal.SIGSTOP)
    node.stop()
    index.send(signal.SIGCONT)
    wait_until(lambda: index.node(node.name) is None, what="it has left")
    node.args = ["-i", index.address]
    node.restart(same_port=phase != "moving")
    index.wait_file("big.bin", sha256(data))
    index.wait_node(node.name)
    if phase == "fetching":
        code, out, err = ended(process)
        assert (code == 0 and out.startswith(sha256(data))) or (code == 1 and "went away" in err), (code, out, err)
        fleet.ok("get", "big.bin", "-s", node.state, index=index, cwd=here)
        assert (node.share / "downloads/big.bin").read_bytes() == data
    elif process:
        code, out, err = ended(process)
        assert code == 0 and out.startswith(sha256(data)), err
        assert left_in(here) == ["big.bin"] and (here / "big.bin").read_bytes() == data


@pytest.mark.parametrize("phase", ["finding", "hashing", "fetching", "batch", "ordered"])
def test_a_get_ended_in_each_phase(fleet, index, here, phase):
    """143, nothing under a name that is not whole, and the next get is like any other."""
    data = os.urandom(4 * MIB)
    files = {f"f/{i}.bin": os.urandom(30_000) for i in range(100)} if phase == "batch" else {}
    slow = {"hashing": ["--share.hash_rate", "200K/s"], "fetching": SLOWLY, "batch": SLOWLY}
    how = slow.get(phase, SLOWLY)
    peer = fleet.peer(index, {"big.bin": data, **files}, *how)
    wait_until(lambda: index.offers("kitchen") == 1 + len(files), what="all names")
    if phase != "hashing":
        index.wait_file("big.bin", sha256(data))
    what, where = "f/" if phase == "batch" else "big.bin", here
    args = []
    if phase == "ordered":
        desk = fleet.peer(index, {"own.txt": b"own"}, name="desk")
        index.wait_file("own.txt")
        args, where = ["-s", desk.state], desk.share
    if phase == "finding":
        index.send(signal.SIGSTOP)
    process = fleet.spawn("get", what, *args, index=index, cwd=here)
    wait_until(lambda: is_at(phase, process, index, peer, where), what=phase)
    process.terminate()
    code, out, err = ended(process, 10)
    index.send(signal.SIGCONT)
    assert code == 143, (code, out, err)
    seen = [name for name in left_in(where) if not Path(name).name.startswith(".")]
    assert "big.bin" not in seen
    for name in seen:
        assert name == "own.txt" or (where / name).read_bytes() == files[name]
    result = fleet.run("get", what, *args, index=index, cwd=here, timeout=60)
    assert result.code == 0, result


def is_at(phase, process, index, peer, where):
    """The get is in that phase."""
    if phase == "finding":
        return connections_of(process)
    if phase == "hashing":
        return index.out.matching(r"search big\.bin")
    if phase == "batch":
        return peer.stats()["uploaded"] > 0
    return below(where, ".p2p-*.part")


def connections_of(process):
    links = []
    for path in Path(f"/proc/{process.pid}/fd").iterdir():
        try:
            links.append(os.readlink(path))
        except FileNotFoundError:
            pass  # closed meanwhile
    return [link for link in links if link.startswith("socket:")]


# --- indexes ---


def join_half_way(index, links):
    """The rest of its files never comes."""
    stranger = Member(index, "stranger")
    links.append(stranger)
    lines = ndjson(stranger.node(), *[offer(f"half/{i}") for i in range(100)])
    headers = {**stranger.headers(), "Content-Length": str(len(lines) + 1000)}
    stranger.link.send_request("POST", "/v1/join", headers, lines)


def ask_and_read_no_more(path):
    def ask(index, links):
        links.append(Link(index.address))
        links[-1].send_request("GET", path)
        assert links[-1].head().status == 200

    return ask


def wait_for_a_hint(index, links):
    """A heartbeat whose answer is held."""
    links.append(Member(index, "patient"))
    links[-1].joined(offer("patient/1"))
    links[-1].send_alive()


def half_a_head(index, links):
    links.append(Link(index.address))
    links[-1].send(b"GET /v1/search?q=half HTTP/1.1\r\nHost: ")


INDEX_AT = {
    "joining": join_half_way,
    "holding": wait_for_a_hint,
    "telling": ask_and_read_no_more("/v1/changes"),
    "sending": ask_and_read_no_more("/v1/snapshot"),
    "listing": ask_and_read_no_more("/v1/list?limit=10000"),
    "reading": half_a_head,
    "saving": lambda index, links: (index.state / "snapshot").unlink(missing_ok=True),
}


@pytest.mark.parametrize("phase", INDEX_AT)
def test_an_index_ended_in_each_phase(fleet, phase):
    """It does not wait for those who wait for it, and it has all it knew when it is back."""
    index = fleet.index("--index.snapshot", "1s")
    links = []
    try:
        with Member(index, "steady") as member:
            member.joined(*[offer(f"d/{i}") for i in range(OFFERS)])
            INDEX_AT[phase](index, links)
            begun = time.monotonic()
            index.stop()
            assert time.monotonic() - begun < 4 * SLOW, "somebody held it up"
    finally:
        for link in links:
            link.close()
    index.restart()
    wait_until(lambda: index.stats()["offers"] == OFFERS + (phase == "holding"), what="what it knew")
    with Member(index, "late") as late:
        wait_until(lambda: late.join(offer("late")).status == 200, what="read all that was on disk")
        assert index.file_by_content(offer("late")["sha256"])


def test_a_both_ended_while_it_does_all_at_once(fleet, here):
    """It hashes, sends, and fetches for itself."""
    data = os.urandom(8 * MIB)
    both = fleet.both({"big.bin": data}, *SLOWLY, "--share.hash_rate", "8M/s", name="attic")
    other = fleet.peer(both, {"other.bin": os.urandom(8 * MIB)}, "--transfer.upload_limit", "1M/s")
    for node, name in ((both, "big.bin"), (other, "other.bin")):
        both.wait_file(name, sha256((node.share / name).read_bytes()))
    (both.share / "fresh.bin").write_bytes(os.urandom(20 * MIB))
    getting = begin_get(fleet, both, here, "big.bin")
    ordered = fleet.spawn("get", "other.bin", "-s", both.state, index=both)
    wait_until(lambda: below(both.share, ".p2p-*.part"), what="its own get")
    begun = time.monotonic()
    both.stop()
    assert time.monotonic() - begun < 4 * SLOW
    code, out, err = ended(ordered)
    assert code == 1 and out == "" and "went away" in err, (code, out, err)
    both.restart()
    code, out, err = ended(getting)
    assert code == 0 and out.startswith(sha256(data)) and left_in(here) == ["big.bin"], (code, out, err)
    both.wait_file("other.bin", node="kitchen")
    fleet.ok("get", "other.bin", "-s", both.state, index=both)
    assert not below(both.share, ".p2p-*")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("option", [["-o", "-"], ["--stream"]], ids=["spooled", "stream"])
def test_a_get_to_stdout_leaves_nothing(fleet, index, here, option, number):
    """Not even a spool: it has no name from the beginning."""
    peer = fleet.peer(index, {"big.bin": os.urandom(8 * MIB)}, *SLOWLY)
    index.wait_file("big.bin")
    spool = fleet.folder("tmp")
    process = fleet.spawn("get", "big.bin", *option, index=index, cwd=here, env={"TMPDIR": str(spool)})
    wait_until(lambda: peer.stats()["uploaded"] > MIB, what="bytes")
    assert left_in(spool) == [] and left_in(here) == []
    process.send_signal(number)
    process.communicate(timeout=10)
    assert process.returncode == (143 if number == signal.SIGTERM else -number)
    assert left_in(spool) == [] and left_in(here) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    "words",
    [["list"], ["search", "a"], ["who", "a"], ["get", "a"], ["get", "a/"], ["status"], ["doctor"]],
    ids=" ".join,
)
def test_a_command_that_waits_for_an_index(fleet, index, here, words, number):
    """It is not kept by one that stands still."""
    index.send(signal.SIGSTOP)
    process = fleet.spawn(*words, index=index, cwd=here)
    wait_until(lambda: asks(process, index), what="it has asked")
    process.send_signal(number)
    begun = time.monotonic()
    _, err = process.communicate(timeout=10)
    assert process.returncode == 128 + number, (process.returncode, err)
    assert time.monotonic() - begun < 2 * SLOW
    index.send(signal.SIGCONT)
    assert left_in(here) == []


@pytest.mark.parametrize("words", [["list"], ["search", "a"], ["get", "a"], ["get", "a/"]], ids=" ".join)
def test_a_command_that_waits_for_a_busy_index(fleet, here, words):
    """Nor by one that tells it to come again."""
    busy = fleet.own(BusyIndex())
    process = fleet.spawn(*words, "-i", busy.address, cwd=here)
    assert b"waiting for the index: all buffers" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130 and b"refused" not in err, (process.returncode, err)
    assert time.monotonic() - begun < 2 * SLOW
    assert left_in(here) == []


@pytest.mark.once
@signals_come_at_once
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("words", [["list"], ["search", "*"], ["get", "d/"], ["shell"]], ids=" ".join)
def test_a_command_whose_reader_stands_still(fleet, index, here, words, number):
    """It waits in a write to a full pipe, and ends all the same."""
    files = {f"d/{i:03}-{'x' * 100}": b"%d" % i for i in range(200)}
    fleet.peer(index, files)
    wait_until(lambda: len([f for f in index.files() if f["sha256"]]) == len(files), what="all files")
    read, write = os.pipe()
    room = fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    process = fleet.spawn(*words, index=index, cwd=here, stdout=write, stdin=subprocess.PIPE)
    os.close(write)
    if words == ["shell"]:
        process.stdin.write(b"list\nlist\n")
        process.stdin.flush()
    wait_until(lambda: filled(read) > room - 1500, what="the pipe is full")
    process.send_signal(number)
    assert process.ended(6) == 128 + number
    os.close(read)
    process.communicate()


def filled(pipe):
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]


@signals_come_at_once
def test_a_role_whose_terminal_stands_still(fleet):
    """Nobody reads what a command of its prompt shows; it serves on, and ends when it is told to."""
    master, slave = pty.openpty()
    port = free_port()
    words = ["both", fleet.share("own", {"a.txt": b"alpha"}), "-l", f"127.0.0.1:{port}", "-s", fleet.folder("own-state")]
    line = [*run_prefix(), program(), *map(str, words)]
    process = subprocess.Popen(
        line, stdin=slave, stdout=slave, stderr=slave, env=fleet.environment(), start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(slave)
    try:
        while b"p2p>" not in os.read(master, 4096):
            pass
        os.write(master, b"help get\r" * 20)
        seen = []
        wait_until(lambda: seen.append(filled(master)) or (seen[-1] > 2000 and seen[-1:] * 5 == seen[-5:]), what="it is full")
        for _ in range(200):
            assert ask(f"127.0.0.1:{port}", "GET", "/v1/search?q=a.txt").status == 200
        process.terminate()
        assert process.wait(patience(8)) == 0
    finally:
        process.kill()
        os.close(master)


def asks(process, index):
    """It has a connection to the index."""
    own = connections_of(process)
    with open(f"/proc/{process.pid}/net/tcp", encoding="ascii") as table:
        rows = [row.split() for row in table.readlines()[1:]]
    return any(row[2].endswith(f":{index.port:04X}") and f"socket:[{row[9]}]" in own for row in rows)
