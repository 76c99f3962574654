# SPDX-License-Identifier: MIT
"""doctor: a healthy fleet, and one fault after the other, each with its name and its cure."""

import json
import os
import re
import resource
import signal
import subprocess
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fleet import ROOT, free_port, program, put, wait_until
from test_watch import limits_of_inotify
from wire import Member, offer
from wrapped import Page

VERSION = re.search(r'define P2P_VERSION "(.*)"', (ROOT / "p2p.h").read_text(encoding="ascii")).group(1)
LINE = re.compile(r"(ok|info|warn|FAIL) +([a-z ]+): (.+?)(?: — (.+))?")


def examine(fleet, *args, **how):
    """{check: [(level, figure, cure)]} and the exit code."""
    result = fleet.run("doctor", *map(str, args), **how)
    assert result.err == "", result
    found = {}
    for line in result.out.splitlines():
        match = LINE.fullmatch(line)
        assert match, line
        level, what, figure, cure = match.groups()
        assert cure or level in ("ok", "info"), f"no cure: {line}"
        found.setdefault(what, []).append((level, figure, cure))
    wrong = any(level == "FAIL" for rows in found.values() for level, _, _ in rows)
    assert result.code == (1 if wrong else 0), result
    return found, result.code


def only(found, what, level, *words):
    """The one finding of that name."""
    assert len(found[what]) == 1, found[what]
    row = found[what][0]
    assert row[0] == level, row
    for word in words:
        assert word in " ".join(filter(None, row[1:])), (word, row)
    return row


def tree(folder):
    return sorted((p, p.stat().st_size) for p in Path(folder).rglob("*"))


@pytest.fixture
def healthy(fleet):
    index = fleet.index(name="desk")
    peer = fleet.peer(index, {"a.txt": b"a", "sub/deep/b.txt": b"b", ".hidden/c": b"c"})
    index.wait_file("sub/deep/b.txt")
    wait_member(index, "kitchen")
    return index, peer


def wait_member(index, name):
    """Until the node has joined; the index reaches it as long as it has not tried in vain."""
    wait_until(
        lambda: (node := index.node(name)) and node["reachable"], what=f"{name} is a member"
    )


def at(peer):
    return ["-s", peer.state, "--share.path", peer.share]


def test_a_healthy_peer(fleet, healthy):
    index, peer = healthy
    before = tree(peer.share), [p for p, _ in tree(peer.state)]
    found, code = examine(fleet, *at(peer))
    assert code == 0
    only(found, "node", "ok", "kitchen", "peer", f"pid {peer.pid}", f"port {peer.port}")
    only(found, "index", "ok", index.address, "ms", "1 nodes")
    only(found, "way back", "ok", index.address, peer.address)
    only(found, "clock", "ok", "as the index has it")
    only(found, "state folder", "ok", str(peer.state), "free", "/s")
    only(found, "save folder", "ok", f"{peer.share}/downloads (to be made)", "/s")
    only(found, "share", "ok", "2 files in 3 folders")
    only(found, "descriptors", "ok")
    only(found, "hashing", "ok", "/s", "SHA-256 by")
    only(found, "memory", "ok", "2 of at most")
    only(found, "secret", "info", "open network")
    assert found["watching"][0][0] in ("ok", "info")
    assert (tree(peer.share), [p for p, _ in tree(peer.state)]) == before, "nothing is left behind"


def test_index_and_both(fleet):
    index = fleet.index()
    found, code = examine(fleet, "-s", index.state)
    assert code == 0
    only(found, "node", "ok", "index")
    only(found, "memory", "ok", "offers in the index")
    assert "share" not in found and "way back" not in found
    both = fleet.both({"a.txt": b"a"})
    wait_member(both, "attic")
    found, code = examine(fleet, *at(both))
    assert code == 0
    only(found, "way back", "ok", both.address)
    assert len(found["memory"]) == 2


def test_a_node_found_by_its_state_folder_alone(fleet, healthy):
    """It does not share what lies about where doctor runs."""
    index, peer = healthy
    put(fleet.home / "share/other.txt", b"other")
    found, code = examine(fleet, "-s", peer.state, index=index)
    assert code == 0 and "save folder" not in found and "watching" not in found, found
    only(found, "share", "info", "not known here", "--share.path")
    assert "kitchen" in only(found, "node", "ok")[1]
    found, _ = examine(fleet, *at(peer), index=index)
    assert str(peer.share) in only(found, "share", "ok")[1]


def test_as_a_document(fleet, healthy):
    _, peer = healthy
    out = fleet.ok("doctor", *at(peer), "--json").out
    document = json.loads(out)
    assert document["ok"] is True and len(document["checks"]) > 9
    for check in document["checks"]:
        assert set(check) == {"check", "level", "figure", "cure"}
        assert check["level"] in ("ok", "info") or check["cure"]
    result = fleet.run("doctor", "--json", index="127.0.0.1:1", cwd=fleet.folder("empty"))
    assert result.code == 1 and json.loads(result.out)["ok"] is False


def test_without_a_node(fleet):
    """It says so, and checks what a node would find."""
    index = fleet.index()
    share = fleet.share("own", {"a.txt": b"a", "b/c.txt": b"c"})
    found, code = examine(fleet, "--share.path", share, index=index)
    assert code == 0
    only(found, "node", "info", "none runs")
    only(found, "index", "ok", index.address)
    only(found, "share", "ok", "2 files in 2 folders")
    only(found, "state folder", "ok", "to be made")
    assert "way back" not in found and "memory" not in found
    found, code = examine(fleet, index=index, cwd=fleet.folder("empty"))
    assert code == 0
    only(found, "share", "info", "p2p peer DIR")
    assert "save folder" not in found


def test_no_index(fleet):
    peer = fleet.peer("127.0.0.1:1", {"a.txt": b"a"})
    found, code = examine(fleet, *at(peer))
    assert code == 1
    only(found, "node", "FAIL", "not joined")
    only(found, "index", "FAIL", "127.0.0.1:1", "refused", "p2p index")


def test_each_index_is_asked(fleet, healthy):
    index, peer = healthy
    found, code = examine(fleet, *at(peer), index=f"127.0.0.1:1,{index.address}")
    assert code == 1
    assert [row[0] for row in found["index"]] == ["FAIL", "ok"]
    only(found, "way back", "ok")


def test_what_is_no_index(fleet, healthy):
    _, peer = healthy
    found, code = examine(fleet, index=peer.address)
    assert code == 1
    only(found, "index", "FAIL", "a peer")
    other = fleet.own(FakeIndex(server="nginx"))
    found, code = examine(fleet, index=other.address)
    assert code == 1
    only(found, "index", "FAIL", "something else")


def test_another_index(fleet, healthy):
    _, peer = healthy
    other = fleet.index(name="other")
    found, code = examine(fleet, *at(peer), index=other)
    assert code == 0
    only(found, "way back", "warn", other.address, "not")


def test_another_version(fleet):
    """Of a node that was not started again after its program had been replaced, and of an index."""
    version = fleet.ok("version").out.split()[1].encode()
    old = fleet.root / "p2p-of-old"
    old.write_bytes(Path(program()).read_bytes().replace(version, b"0" * len(version)))
    old.chmod(0o755)
    index = fleet.index(name="desk", binary=old)
    peer = fleet.peer(index, {"a.txt": b"a"}, binary=old)
    wait_member(index, "kitchen")
    told = b"0" * len(version)
    found, code = examine(fleet, *at(peer))
    assert code == 0
    only(found, "node", "warn", told.decode(), f"this program is {version.decode()}", "start the node")
    mixed = ["index", "warn", f"index {told.decode()},", f"this program is {version.decode()}", "newer one on both"]
    only(found, *mixed)
    peer.stop()
    peer.binary = None
    peer.start()
    wait_member(index, "kitchen")
    found, code = examine(fleet, *at(peer))
    assert code == 0
    only(found, "node", "ok", version.decode())
    only(found, *mixed)
    only(examine(fleet, index=index)[0], *mixed)


def test_a_node_that_hangs(fleet, healthy):
    index, peer = healthy
    peer.send(signal.SIGSTOP)
    try:
        found, code = examine(fleet, *at(peer), index=index)
    finally:
        peer.send(signal.SIGCONT)
    assert code == 1
    only(found, "node", "FAIL", f"pid {peer.pid}", "start it again")
    only(found, "index", "ok")


def test_it_can_be_interrupted(fleet, healthy):
    _, peer = healthy
    peer.send(signal.SIGSTOP)
    try:
        process = fleet.spawn("doctor", *map(str, at(peer)))
        wait_until(lambda: busy(peer), what="it asks the node")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    finally:
        peer.send(signal.SIGCONT)
    assert process.returncode == 130 and err == b"", (out, err)


def busy(peer):
    """Somebody has connected to the stopped peer and waits."""
    rows = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    fields = [row.split() for row in rows]
    return [f for f in fields if f[2].endswith(f":{peer.port:04X}") and f[3] == "01"]


class FakeIndex:
    """Says what it is told to say: of itself, of nodes, and of the time."""

    def __init__(self, nodes=(), ahead_s=0, server="p2p"):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                lines = [{"role": "index", "version": VERSION, "nodes": len(nodes)}]
                if self.path == "/v1/nodes":
                    lines = [*nodes, {"end": True}]
                body = "".join(json.dumps(line) + "\n" for line in lines).encode()
                self.send_response_only(200)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Date", formatdate(time.time() + ahead_s, usegmt=True))
                if server == "p2p":
                    self.send_header("P2P-Node", "ab" * 16)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def test_a_firewall_on_the_way_back(fleet, healthy):
    _, peer = healthy
    record = {
        "node": peer.stats()["id"],
        "state": "active",
        "reachable": False,
        "addresses": ["10.1.2.3:7751"],
    }
    fake = fleet.own(FakeIndex([{**record, "node": "00" * 16, "reachable": True}, record]))
    found, code = examine(fleet, *at(peer), index=fake.address)
    assert code == 1
    only(found, "way back", "FAIL", "10.1.2.3:7751", "firewall", "advertise")


@pytest.mark.parametrize("ahead,words", [(-7205, "2:00:0"), (605, "10:0"), (30, None)])
def test_clocks_apart(fleet, ahead, words):
    fake = fleet.own(FakeIndex(ahead_s=ahead))
    found, code = examine(fleet, index=fake.address)
    assert code == 0
    if words is None:
        only(found, "clock", "ok")
    else:
        only(found, "clock", "warn", words, "behind" if ahead > 0 else "ahead", "NTP")


def limited(count):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


@pytest.mark.parametrize("count,level", [(4096, "ok"), (1023, "warn"), (120, "FAIL")])
def test_few_descriptors(fleet, healthy, count, level):
    index, _ = healthy
    found, _ = examine(fleet, index=index, preexec_fn=limited(count))
    only(found, "descriptors", level, str(count))


def test_folders_that_cannot_be_written(fleet, healthy):
    index, _ = healthy
    found, code = examine(fleet, "-s", "/proc/nowhere/state", index=index)
    assert code == 1
    only(found, "state folder", "FAIL", "/proc/nowhere/state", "cannot be written")
    share = fleet.share("own", {"a.txt": b"a"})
    args = ["--share.path", share, "--share.save", "/proc/nowhere"]
    found, code = examine(fleet, *args, index=index)
    assert code == 1
    only(found, "save folder", "FAIL", "/proc/nowhere", "cannot be written")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_folders_of_another_user(fleet, healthy):
    index, _ = healthy
    state = fleet.folder("roots-state")
    os.chmod(state, 0o700)
    share = fleet.share("own", {"a.txt": b"a"})
    args = ["-s", state, "--share.path", share]
    found, code = examine(fleet, *args, index=index, user=65534, group=65534, cwd="/")
    assert code == 1
    only(found, "state folder", "FAIL", str(state), "Permission denied", "chown")
    only(found, "save folder", "FAIL", "chown")


def test_no_room(fleet, healthy):
    index, _ = healthy
    share = fleet.share("own", {"a.txt": b"a"})
    args = ["--share.path", share, "--share.min_free", "9000000G"]
    found, code = examine(fleet, *args, index=index)
    assert code == 1
    only(found, "save folder", "FAIL", "make room", "min_free")


def test_no_share(fleet, healthy):
    index, _ = healthy
    found, code = examine(fleet, "--share.path", "/nowhere/at/all", index=index)
    assert code == 1
    only(found, "share", "FAIL", "/nowhere/at/all", "mkdir")


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs another user, or a mount")


@as_root
def test_files_that_cannot_be_read(fleet):
    index = fleet.index()
    share = fleet.share("own", {"a.txt": b"a", "b.txt": b"b"})
    (share / "b.txt").chmod(0)
    state = fleet.folder("nobodys-state")
    os.chown(state, 65534, 65534)
    peer = fleet.peer(index, share=share, state=state, user=65534, cwd="/")
    wait_until(lambda: peer.stats()["unreadable"], what="it has tried")
    wait_member(index, "kitchen")
    found, _ = examine(fleet, *at(peer))
    only(found, "share", "warn", "1 cannot be read")


@as_root
def test_a_share_that_is_closed(fleet, healthy):
    index, _ = healthy
    share = fleet.share("own", {"a.txt": b"a"})
    share.chmod(0o700)
    words = ["--share.path", share, "-s", "/tmp/nowhere"]
    found, code = examine(fleet, *words, index=index, user=65534, group=65534, cwd="/")
    assert code == 1
    only(found, "share", "FAIL", str(share), "Permission denied", "let the user who runs p2p read")


@as_root
def test_no_home(fleet, healthy):
    index, _ = healthy
    env = {"HOME": "", "XDG_STATE_HOME": ""}
    found, code = examine(fleet, index=index, env=env, user=65534, group=65534, cwd="/")
    assert code == 0
    only(found, "state folder", "warn", "no home folder", "set HOME", "-s")


@as_root
def test_no_room_for_the_state(fleet, healthy):
    index, _ = healthy
    state = fleet.folder("small")
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "none", str(state)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        found, code = examine(fleet, "-s", state, index=index)
    finally:
        subprocess.run(["umount", "-l", str(state)], check=True)
    assert code == 1
    only(found, "state folder", "FAIL", "small", "make room")


def test_a_slow_disk(fleet, healthy):
    """As it looks when time goes 10,000 times as fast."""
    index, _ = healthy
    page = Page(fleet, speed=10000)
    found, _ = examine(fleet, "-s", fleet.folder("own-state"), index=index, **page.how)
    only(found, "state folder", "warn", "slow or worn card")


def test_nearly_all_files_that_fit(fleet):
    """And more than fit."""
    index = fleet.index()
    share = fleet.share("own", {f"{i}.txt": b"" for i in range(100)})
    peer = fleet.peer(index, None, "-m", "6M", share=share)
    size = peer.stats()["files_max"]
    for count, level in ((size * 95 // 100, "warn"), (size + 10, "FAIL")):
        for i in range(100, count):
            (share / f"{i}.txt").touch()
        want = min(count, size)
        wait_until(lambda: peer.stats()["files"] >= want, 30, "it has seen them")
        wait_member(index, "kitchen")
        found, code = examine(fleet, *at(peer))
        assert code == (1 if level == "FAIL" else 0)
        assert found["memory"][0][0] == level and "--memory" in " ".join(found["memory"][0])


def test_a_full_table(fleet):
    index = fleet.index("-m", "4M")
    size = index.stats()["tables"]["offers"]["size"]
    with Member(index) as member:
        member.joined(*[offer(f"file-{i}") for i in range(size + 10)])
        found, code = examine(fleet, "-s", index.state)
    assert code == 1
    only(found, "memory", "FAIL", "offers", "memory")


def test_a_scanning_share(fleet):
    index = fleet.index()
    peer = fleet.peer(index, {"a.txt": b"a"}, "--share.watch", "scan")
    wait_member(index, "kitchen")
    found, code = examine(fleet, *at(peer), "--share.watch", "scan")
    assert code == 0
    assert found["watching"][0][0] in ("ok", "info")
    if found["watching"][0][0] == "ok":
        found, _ = examine(fleet, *at(peer))
        only(found, "watching", "warn", "the node scans", "sysctl")


@pytest.mark.watch
@pytest.mark.parametrize(
    "what,count,cure",
    [("watches", 0, "max_user_watches"), ("instances", 0, "max_user_instances")],
)
def test_inotify_is_exhausted(fleet, what, count, cure):
    index = fleet.index()
    share = fleet.share("own", {"a.txt": b"a"})
    how = {"index": index, "prefix": limits_of_inotify(what, count)}
    found, code = examine(fleet, "--share.path", share, **how)
    assert code == 1
    only(found, "watching", "FAIL", f"sysctl fs.inotify.{cure}=", "scanned")
    found, code = examine(fleet, "--share.path", share, "--share.watch", "scan", **how)
    assert code == 0, "who scans by choice needs none"


def test_a_clock_that_was_never_set(fleet):
    page = Page(fleet, ahead_s=-int(time.time()) + 100)
    found, code = examine(fleet, index=fleet.index(), **page.how)
    assert code == 1
    only(found, "clock", "FAIL", "never set", "NTP")


def test_a_large_share(fleet):
    """Counted whole, but for what takes too long."""
    share = fleet.share("own")
    for i in range(300):
        put(share / f"folder-{i % 100}" / f"deeper-{i}" / "file.txt", b"x")
    found, code = examine(fleet, "--share.path", share, index=fleet.index())
    assert code == 0
    only(found, "share", "ok", "300 files in 401 folders")


def test_in_a_prompt(fleet, healthy):
    """Twice in one process."""
    _, peer = healthy
    process = fleet.spawn("shell", *map(str, at(peer)), stdin=subprocess.PIPE)
    out, err = process.communicate(b"doctor\ndoctor\n", timeout=30)
    assert process.returncode == 0 and err == b""
    assert len(re.findall(rb"^ok +way back: ", out, re.M)) == 2


def test_a_port_that_nobody_has(fleet):
    found, code = examine(fleet, index=f"127.0.0.1:{free_port()}")
    assert code == 1
    only(found, "index", "FAIL", "refused")
    only(found, "clock", "ok")
