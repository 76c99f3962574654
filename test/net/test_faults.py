# SPDX-License-Identifier: MIT
"""Faults of machines and files: what changes while it is fetched, disks and tables that are full, processes that
are stopped or ended at any moment. Each ends in a right file or a clear word, and nothing is left."""

import os
import pty
import resource
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from chains import sha256
from fleet import SLOW, free_port, has_bytes, left_in, put, wait_until
from holder import Holder
from rawhttp import Closed, Link, ask
from test_watch import offered

MIB = 1 << 20
SLOWLY = ["--transfer.upload_limit", "4M/s"]


def begin_get(fleet, index, here, *words, **how):
    """A get of which some bytes have come."""
    process = fleet.spawn("get", *words, index=index, cwd=here, **how)
    wait_until(lambda: has_bytes(here), what="bytes")
    return process


def ended(process, timeout=60):
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out.decode(), err.decode()


# --- files that change under a get ---


def replace(path, data):
    put(path.with_name(".new"), data, 10)
    os.rename(path.with_name(".new"), path)


def overwrite(path, data):
    path.write_bytes(data)


def shrink(path, data):
    os.truncate(path, len(data))


CHANGES = [
    ("replaced", replace, os.urandom(3 * MIB)),
    ("written anew", overwrite, os.urandom(9 * MIB)),
    ("shorter", shrink, None),
]


@pytest.mark.parametrize("what,change,data", CHANGES, ids=[c[0] for c in CHANGES])
def test_a_file_that_changes_is_fetched_as_it_is_now(fleet, index, here, what, change, data):
    old = os.urandom(12 * MIB)
    data = data or old[: 5 * MIB]
    peer = fleet.peer(index, {"d/moving.bin": old}, *SLOWLY)
    index.wait_file("d/moving.bin", sha256(old))
    process = begin_get(fleet, index, here, "d/moving.bin")
    change(peer.share / "d/moving.bin", data)
    code, out, err = ended(process)
    assert code == 0 and out.startswith(sha256(data)), (code, out, err)
    assert "changed while it was fetched" in err, "it says so"
    assert (here / "moving.bin").read_bytes() == data
    assert left_in(here) == ["moving.bin"]


@pytest.mark.parametrize("by", ["name", "sha256", "folder"])
def test_a_file_that_goes_while_it_is_fetched(fleet, index, here, by):
    data = os.urandom(12 * MIB)
    peer = fleet.peer(index, {"d/going.bin": data, "d/staying": b"stays"}, *SLOWLY)
    index.wait_file("d/going.bin", sha256(data))
    index.wait_file("d/staying", sha256(b"stays"))
    what = {"name": "d/going.bin", "sha256": sha256(data), "folder": "d/"}[by]
    process = begin_get(fleet, index, here, what)
    (peer.share / "d/going.bin").unlink()
    begun = time.monotonic()
    code, out, err = ended(process)
    assert code == 4 and "going.bin" in err, (code, out, err)
    assert "changed while it was fetched" in err and ("nobody offers" in err or "removed" in err)
    assert time.monotonic() - begun < 25, "nobody waits for what is known to be gone"
    kept = [name for name in left_in(here) if not name.endswith(".part")]
    assert kept == (["d/staying"] if by == "folder" else [])
    assert by == "sha256" or left_in(here) == kept, "a part of what is no more is of no use"


@pytest.mark.once
@pytest.mark.parametrize("by", ["name", "sha256"])
def test_a_file_that_is_only_touched_comes(fleet, index, here, by):
    data = os.urandom(12 * MIB)
    peer = fleet.peer(index, {"d/same.bin": data}, *SLOWLY)
    index.wait_file("d/same.bin", sha256(data))
    process = begin_get(fleet, index, here, "d/same.bin" if by == "name" else sha256(data))
    os.utime(peer.share / "d/same.bin")
    code, out, err = ended(process)
    assert code == 0 and out.startswith(sha256(data)), (code, out, err)
    assert left_in(here) == ["same.bin"] and (here / "same.bin").read_bytes() == data


def test_a_change_at_one_of_two_holders(fleet, index, here):
    """The others have it still: it is fetched from them as it was."""
    data = os.urandom(12 * MIB)
    peers = [fleet.peer(index, {"a.bin": data}, *SLOWLY, name=name) for name in ("one", "two")]
    for peer in peers:
        index.wait_file("a.bin", sha256(data), node=peer.name)
    process = begin_get(fleet, index, here, "a.bin")
    (peers[0].share / "a.bin").write_bytes(b"new")
    code, out, err = ended(process)
    assert code == 0 and out.startswith(sha256(data)), (code, out, err)
    assert left_in(here) == ["a.bin"] and (here / "a.bin").read_bytes() == data


def test_a_folder_that_changes_while_it_is_fetched(fleet, index, here):
    """Each file is as it was or as it is, whole; only what was removed may fail, by its name."""
    old = {f"f/{i:03}.bin": os.urandom(20_000) for i in range(200)}
    old["f/big.bin"] = os.urandom(9 * MIB)
    peer = fleet.peer(index, old, *SLOWLY)
    wait_until(lambda: index.offers("kitchen") == len(old), what="all files")
    index.wait_file("f/big.bin", sha256(old["f/big.bin"]))
    process = fleet.spawn("get", "f/", index=index, cwd=here)
    wait_until(lambda: peer.stats()["uploaded"] > 0, what="bytes")
    new = {name: os.urandom(15_000) for name in list(old)[::3]} | {"f/big.bin": os.urandom(5 * MIB)}
    gone = list(old)[1:200:3]
    for name, data in new.items():
        put(peer.share / name, data, 100)
    for name in gone:
        (peer.share / name).unlink()
    code, out, err = ended(process)
    left = left_in(here)
    for name in left:
        assert (here / name).read_bytes() in (old[name], new.get(name)), name
    missing = set(old) - set(left)
    assert missing <= set(gone) and not [n for n in left if n.endswith(".part")]
    assert code == (4 if missing else 0), (code, out[-300:], err[-300:])
    assert all(name in err for name in missing)


def test_the_index_is_killed_under_a_get(fleet, index, here):
    data = os.urandom(8 * MIB)
    fleet.peer(index, {"big.bin": data}, *SLOWLY)
    index.wait_file("big.bin", sha256(data))
    process = begin_get(fleet, index, here, "big.bin")
    index.kill()
    code, out, err = ended(process)
    assert code == 0 and out.startswith(sha256(data)), err
    assert left_in(here) == ["big.bin"] and (here / "big.bin").read_bytes() == data


# --- holders ---


class DiesInAPiece(Holder):
    """Gives some pieces, and dies in the middle of one: nobody listens there any more."""

    def serve_content(self, handler):
        if self.sent < MIB:
            super().serve_content(handler)
            return
        first, length = handler.asked_range(self.size)
        place = {"Content-Range": f"bytes {first}-{first + length - 1}/{self.size}"}
        handler.answer(206, b"", {**self.common(), **place, "Content-Length": str(length)})
        handler.wfile.write(self.data[first : first + length // 3])
        handler.wfile.flush()
        self.server.socket.close()
        handler.cut()


class Stalls(Holder):
    """Some bytes of an answer, and then nothing for ever, on every connection."""

    def prepare(self):
        self.over = threading.Event()

    def serve_content(self, handler):
        first, length = handler.asked_range(self.size)
        place = {"Content-Range": f"bytes {first}-{first + length - 1}/{self.size}"}
        handler.answer(206, b"", {**self.common(), **place, "Content-Length": str(length)})
        handler.wfile.write(self.data[first : first + 10])
        handler.wfile.flush()
        self.over.wait(60)
        handler.close_connection = True

    def close(self):
        self.over.set()
        super().close()


@pytest.mark.parametrize("kind", [DiesInAPiece, Stalls])
def test_a_holder_that_fails_beside_one_that_does_not(fleet, index, here, kind):
    data = os.urandom(4 * MIB + 5)
    fleet.own(kind(index, data, "failing"))
    fleet.peer(index, {"file.bin": data}, *SLOWLY)
    index.wait_file("file.bin", sha256(data), node="kitchen")
    fleet.ok("get", "file.bin", index=index, cwd=here, timeout=60)
    assert left_in(here) == ["file.bin"] and (here / "file.bin").read_bytes() == data


# --- disks ---

needs_mount = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


class Disk:
    """A small file system of its own."""

    def __init__(self, fleet, name, options):
        self.path = fleet.folder(name)
        line = ["mount", "-t", "tmpfs", "-o", options, "none", str(self.path)]
        if subprocess.run(line, check=False, capture_output=True).returncode != 0:
            pytest.skip("no mounts here")
        fleet.own(self)

    def again(self, options):
        line = ["mount", "-o", f"remount,{options}", str(self.path)]
        subprocess.run(line, check=True, capture_output=True)

    def fill(self):
        """All that is free, but a page or two."""
        with open(self.path / "ballast", "wb", buffering=0) as out:
            try:
                while True:
                    out.write(bytes(4096))
            except OSError:
                pass

    def close(self):
        subprocess.run(["umount", "-l", str(self.path)], check=False, capture_output=True)


NO_RESERVE = ["--share.min_free", "0"]


@needs_mount
def test_a_disk_without_room_for_it(fleet, index):
    """Known before the first byte."""
    disk = Disk(fleet, "small", "size=4m")
    data = os.urandom(6 * MIB)
    peer = fleet.peer(index, {"big.bin": data})
    index.wait_file("big.bin", sha256(data))
    result = fleet.fails(1, "get", "big.bin", *NO_RESERVE, index=index, cwd=disk.path)
    assert "not enough room" in result.err and left_in(disk.path) == []
    assert peer.stats()["uploaded"] == 0


@needs_mount
def test_a_disk_that_fills_up_under_a_get(fleet, index):
    """A clear word; the .part stays, and the next get goes on with it when there is room."""
    disk = Disk(fleet, "small", "size=16m")
    data = os.urandom(8 * MIB)
    peer = fleet.peer(index, {"big.bin": data}, "--transfer.upload_limit", "1M/s")
    index.wait_file("big.bin", sha256(data))
    peer.send(signal.SIGSTOP)
    process = fleet.spawn("get", "big.bin", *NO_RESERVE, index=index, cwd=disk.path)
    wait_until(lambda: list(disk.path.glob(".p2p-*.part")), what="it begins")
    disk.fill()
    peer.send(signal.SIGCONT)
    code, out, err = ended(process)
    assert code == 1 and out == "" and "disk is full" in err and ".part is kept" in err, err
    (disk.path / "ballast").unlink()
    fleet.ok("get", "big.bin", *NO_RESERVE, index=index, cwd=disk.path)
    assert left_in(disk.path) == ["big.bin"] and (disk.path / "big.bin").read_bytes() == data


@pytest.mark.parametrize("output", ["file", "-"])
def test_a_disk_that_takes_no_file_of_that_size(fleet, index, here, output):
    """4 GiB on a stick with FAT; here a limit of the process. Not its holder's fault."""
    data = os.urandom(2 * MIB)
    fleet.peer(index, {"big.bin": data, "small.bin": b"small"})
    index.wait_file("big.bin", sha256(data))
    limit = ["prlimit", f"--fsize={MIB}", "--"]
    result = fleet.fails(1, "get", "big.bin", "-o", output, index=index, cwd=here, prefix=limit)
    assert "takes no file of that size" in result.err and left_in(here) == [], result
    fleet.ok("get", "small.bin", index=index, cwd=here, prefix=limit)


@needs_mount
def test_a_disk_that_fills_up_under_many_files(fleet, index):
    disk = Disk(fleet, "small", "size=64m,nr_inodes=200")
    files = {f"f/{i:03}.bin": os.urandom(100) for i in range(300)}
    fleet.peer(index, files)
    wait_until(lambda: index.offers("kitchen") == 300, what="all files")
    index.wait_file("f/299.bin")
    result = fleet.run("get", "f/", *NO_RESERVE, index=index, cwd=disk.path)
    assert result.code == 1 and "No space left on device" in result.err, result
    assert all((disk.path / name).read_bytes() == files[name] for name in left_in(disk.path))
    disk.again("nr_inodes=1000")
    fleet.run("get", "f/", *NO_RESERVE, index=index, cwd=disk.path)
    assert left_in(disk.path) == sorted(files)


@needs_mount
@pytest.mark.parametrize("how", ["full", "read-only"])
def test_a_state_folder_that_cannot_be_written_any_more(fleet, index, how):
    """The peer goes on: what it cannot note it hashes again after a restart. Said once."""
    disk = Disk(fleet, "state", "size=64k")
    peer = fleet.peer(index, {"a.txt": b"alpha"}, state=disk.path)
    index.wait_file("a.txt")
    if how == "full":
        disk.fill()
    else:
        peer.stop()
        disk.again("ro")
        peer.start()
    data = {f"new{i}.bin": os.urandom(3 * 64 * 1024 + i) for i in range(200)}
    for name, content in data.items():
        put(peer.share / name, content)
    for name, content in data.items():
        index.wait_file(name, sha256(content), deadline=20)
    here = fleet.folder("here")
    fleet.ok("get", "new7.bin", "-o", here / "got", index=index)
    assert (here / "got").read_bytes() == data["new7.bin"]
    told = r"\b(warn|error)\b.*(state|cache|disk)"
    peer.wait_log(told)
    assert len(peer.out.matching(told)) <= 2, peer.report()
    peer.restart()
    index.wait_file("new7.bin", sha256(data["new7.bin"]), deadline=20)


@needs_mount
def test_a_stick_that_is_pulled(fleet, index):
    """Nothing of ours keeps it from being unmounted; its files are back with it."""
    disk = Disk(fleet, "stick", "size=4m")
    put(disk.path / "a.txt", b"alpha")
    put(disk.path / "sub/b.txt", b"beta")
    peer = fleet.peer(index, None, "--share.scan_idle", "500ms", share=disk.path)
    index.wait_file("a.txt", sha256(b"alpha"))
    index.wait_file("sub/b.txt", sha256(b"beta"))
    for _ in range(2):
        unmount = ["umount", str(disk.path)]
        wait_until(
            lambda: subprocess.run(unmount, check=False, capture_output=True).returncode == 0,
            what="it can be unmounted",
        )
        wait_until(lambda: index.files() == [], 15, "its files are withdrawn")
        assert index.node("kitchen") and peer.running()
        line = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(disk.path)]
        subprocess.run(line, check=True)
        put(disk.path / "a.txt", b"alpha")
        put(disk.path / "sub/c.txt", b"gamma")
        index.wait_file("a.txt", sha256(b"alpha"), deadline=15)
        index.wait_file("sub/c.txt", sha256(b"gamma"))


# --- names ---


def test_the_longest_names(fleet, index, here):
    """Parts of 255 bytes and paths of 1,024 go through; longer ones are skipped with a warning."""
    deep = "/".join(["x" * 255] * 3 + ["y" * 254, "z"])
    assert len(deep) == 1024
    wide = "ü" * 127 + "x"
    files = {deep: b"deep", wide: b"wide"}
    share = fleet.folder("share-long")
    for name, data in files.items():
        place = share
        for part in name.split("/")[:-1]:
            place = place / part
            place.mkdir(exist_ok=True)
        fd = os.open(place, os.O_RDONLY)
        for last in [name.split("/")[-1]] + (["zz"] if name == deep else []):
            with open(os.open(last, os.O_WRONLY | os.O_CREAT, dir_fd=fd), "wb") as out:
                out.write(data)
        os.close(fd)
    peer = fleet.peer(index, share=share)
    for name, data in files.items():
        index.wait_file(name, sha256(data))
        fleet.ok("get", name, index=index, cwd=here)
        assert (here / name.split("/")[-1]).read_bytes() == data
    fleet.ok("get", "x" * 255 + "/", index=index, cwd=here)
    find = ["find", ".", "-path", "./x*", "-name", "z", "-size", "4c"]
    found = subprocess.run(find, cwd=here, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "./" + deep
    assert sorted(offered(index)) == sorted(files), "no part of the longer name"
    wait_until(lambda: peer.out.matching(r"\bwarn\b.* 1 .*name"), what="a word on the name that is left out")
    assert len(peer.out.matching(r"\bwarn\b.* name")) == 1, peer.report()


def test_names_that_a_file_system_takes_for_one(fleet, index, here):
    """Equal but for case or normal form: different files here, and never one over the other."""
    files = {
        "Case.txt": b"upper",
        "case.txt": b"lower",
        "caf\u00e9": b"composed",
        "cafe\u0301": b"decomposed",
    }
    fleet.peer(index, {f"f/{name}": data for name, data in files.items()})
    for name, data in files.items():
        index.wait_file(f"f/{name}", sha256(data))
    fleet.ok("get", "f/", index=index, cwd=here)
    assert {p.name: p.read_bytes() for p in (here / "f").iterdir()} == files
    for name, data in files.items():
        assert fleet.ok("get", f"f/{name}", "-o", here / "one", "--force", index=index).out
        assert (here / "one").read_bytes() == data


# --- connections and descriptors ---


@pytest.mark.parametrize("role", ["index", "peer", "both"])
def test_two_thousand_idle_connections(fleet, index, here, role):
    """Of four addresses. Each costs little; nobody who has something to say is kept waiting."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    files = {"a.txt": b"alpha"}
    node = fleet.both(files, name="kitchen") if role == "both" else fleet.peer(index, files, "-m", "64M")
    index = node if role == "both" else index
    index.wait_file("a.txt")
    share, node = node.share, index if role == "index" else node
    before = node.rss_kib()
    links = []
    try:
        for i in range(2000):
            link = socket.socket()
            links.append(link)
            link.bind((f"127.0.0.{10 + i % 4}", 0))
            link.settimeout(10)
            link.connect((node.host, node.port))
        wait_until(lambda: node.stats()["connections"]["open"] >= 2000, what="all are open")
        put(share / "b.txt", b"beta", 0)
        index.wait_file("b.txt", sha256(b"beta"), deadline=3)
        fleet.ok("get", "b.txt", index=index, cwd=here)
        assert node.rss_kib() - before < 4096 * SLOW
        links[7].sendall(b"GET /v1/stats HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert links[7].recv(12) == b"HTTP/1.1 200"
    finally:
        for link in links:
            link.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    wait_until(lambda: node.stats()["connections"]["open"] < 20, what="they are gone")


def cpu_seconds(node):
    fields = Path(f"/proc/{node.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def with_descriptors(count):
    return ["sh", "-c", f'ulimit -n {count} && exec "$@"', "sh"]


@pytest.mark.parametrize("role", ["index", "peer"])
def test_descriptors_run_out(fleet, index, role):
    """Who is there is served; new ones are when others go; nothing spins meanwhile."""
    prefix = with_descriptors(80)
    node = (
        fleet.index(name="poor", prefix=prefix)
        if role == "index"
        else fleet.peer(index, {"a.bin": os.urandom(MIB)}, name="poor", prefix=prefix)
    )
    if role == "peer":
        index.wait_file("a.bin")
    links = []
    with Link(node.address) as first:
        assert first.request("GET", "/v1/stats").status == 200
        for _ in range(300):
            link = socket.socket()
            links.append(link)
            link.setblocking(False)
            link.connect_ex((node.host, node.port))
        for _ in range(20):
            assert first.request("GET", "/v1/stats").status == 200
        used = cpu_seconds(node)
        begun = time.monotonic()
        wait_until(lambda: time.monotonic() - begun > 1, what="a second")
        assert cpu_seconds(node) - used < 0.5, "it does not spin"
        for link in links:
            link.close()
    wait_until(lambda: answers(node), 30, "it serves again")
    if role == "peer":
        assert fleet.run("get", "a.bin", index=index, cwd=fleet.folder("here")).code == 0


def answers(node):
    try:
        return node.get("/v1/stats").status == 200
    except (OSError, Closed):
        return False


@pytest.mark.parametrize("count", [24, 31, 32, 33, 64, 128])
def test_a_get_with_few_descriptors(fleet, index, here, count):
    """It says at once that they are too few, or ends right. Root may take more than its limit."""
    plain = ["setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource"]
    files = {f"f/{i}.bin": os.urandom(200_000) for i in range(30)}
    for name in ("one", "two", "three"):
        fleet.peer(index, files, name=name)
    for name in ("one", "two", "three"):
        wait_until(lambda: index.offers(name) == 30, what="all files")
    prefix = (plain if os.geteuid() == 0 else []) + with_descriptors(count)
    result = fleet.run("get", "f/", index=index, cwd=here, prefix=prefix)
    if count < 32:
        assert result.code == 1 and "descriptors" in result.err, result
        assert left_in(here) == []
    else:
        assert result.code == 0, result
        assert left_in(here) == sorted(files)


# --- processes that stand still, and that end ---


@pytest.mark.parametrize("who", ["index", "holder", "get"])
def test_stopped_and_continued(fleet, index, here, who):
    """For a moment, in the middle of a get."""
    data = os.urandom(8 * MIB)
    peer = fleet.peer(index, {"big.bin": data}, *SLOWLY)
    index.wait_file("big.bin", sha256(data))
    process = begin_get(fleet, index, here, "big.bin")
    target = {"index": index.process, "holder": peer.process, "get": process}[who]
    for _ in range(3):
        target.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        wait_until(lambda: time.monotonic() - begun > 0.3, what="a moment")
        target.send_signal(signal.SIGCONT)
        wait_until(lambda: answers(index), what="the index answers")
    code, out, err = ended(process)
    assert code == 0 and out.startswith(sha256(data)), err
    assert left_in(here) == ["big.bin"] and (here / "big.bin").read_bytes() == data
    wait_until(lambda: index.node("kitchen"), what="the peer is a member")


def test_both_stopped_and_continued(fleet, here):
    both = fleet.both({"a.bin": os.urandom(MIB)}, "--index.lease", "1500ms")
    both.wait_file("a.bin")
    both.send(signal.SIGSTOP)
    begun = time.monotonic()
    wait_until(lambda: time.monotonic() - begun > 2, what="longer than the lease")
    both.send(signal.SIGCONT)
    both.wait_file("a.bin")
    fleet.ok("get", "a.bin", index=both, cwd=here)


def test_a_log_on_a_terminal_that_stands_still(fleet):
    """Ctrl-S: the terminal takes no more bytes. Lines are dropped, nobody waits."""
    master, slave = pty.openpty()
    port = free_port()
    args = ["-l", f"127.0.0.1:{port}", "-s", fleet.folder("mute"), "--node.log", "debug"]
    process = fleet.spawn("index", *args, "--no-prompt", stdout=slave)
    os.close(slave)
    try:
        address = f"127.0.0.1:{port}"
        wait_until(lambda: is_up(address), what="the index answers")
        os.write(master, b"\x13")
        for i in range(1500):
            path = f"/v1/search?q=line-that-fills-the-terminal-{i:060}"
            assert ask(address, "GET", path).status == 200
        process.terminate()
        assert process.ended(10) == 0
        assert process.stderr.read() == b""
    finally:
        os.close(master)


def is_up(address):
    try:
        return ask(address, "GET", "/v1/stats").status == 200
    except OSError:
        return False
