# SPDX-License-Identifier: MIT
"""The command line: help, options, settings, faults in one line with their cure, the formats in a
pipe, as JSON and on a terminal."""

import fcntl
import os
import pty
import re
import select
import socket
import struct
import subprocess
import termios
import threading
import time

import pytest

from chains import sha256
from fleet import ROOT, free_port, patience, program, put, run_prefix, wait_until
from wire import Member, offer

COMMANDS = ["index", "peer", "both", "list", "search", "get", "who", "status"]
COMMANDS += ["refresh", "shell", "doctor", "help", "version"]
FILES = {"a.txt": b"alpha", "sub/b.bin": bytes(70000), "same.txt": b"alpha"}


@pytest.fixture(scope="module")
def net(module_fleet):
    """An index, two peers with some files in common; the files are hashed."""
    index = module_fleet.index(name="desk")
    kitchen = module_fleet.peer(index, FILES, name="kitchen")
    cellar = module_fleet.peer(index, {"a.txt": b"alpha", "c.txt": b"cellar's"}, name="cellar")
    for node, names in ((kitchen, FILES), (cellar, ["a.txt", "c.txt"])):
        for name in names:
            index.wait_file(name, node=node.name)
    return index


def on_terminal(fleet, *args, index=None, rows=24, cols=80, deadline=15):
    """What a command shows on a terminal until nobody has it open any more, and its exit code."""
    main, side = pty.openpty()
    os.set_blocking(main, False)
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
    line = [*run_prefix(), program(), *args, *(["-i", index.address] if index else [])]
    process = subprocess.Popen(
        line,
        stdin=side,
        stdout=side,
        stderr=side,
        cwd=fleet.home,
        env=fleet.environment(),
        start_new_session=True,
    )
    os.close(side)
    shown, end = b"", time.monotonic() + patience(deadline)
    while select.select([main], [], [], max(0, end - time.monotonic()))[0]:
        try:
            part = os.read(main, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(main)
    try:
        process.wait(patience(2))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError(f"{args} did not end; {shown!r}") from None
    return shown.decode("utf-8", "backslashreplace"), process.returncode


def test_version(fleet):
    out = fleet.ok("version").out
    assert re.match(r"p2p \d+\.\d+\.\d+", out)
    assert fleet.ok("--version").out == out and fleet.ok("-V").out == out


def test_help_names_every_command(fleet):
    out = fleet.ok("help").out
    for command in COMMANDS:
        assert re.search(rf"^ *p2p {command}\b|^ +{command}\b", out, re.M), command
    assert fleet.ok("--help").out == out and fleet.ok("-h").out == out
    assert all(len(line) <= 100 for line in out.splitlines())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(fleet, command):
    out = fleet.ok("help", command).out
    assert f"p2p {command}" in out
    assert fleet.ok(command, "--help").out == out


@pytest.mark.parametrize(
    "args,named",
    [
        ([], ""),
        (["nonsense"], "nonsense"),
        (["lst"], "list"),
        (["get"], "get"),
        (["search"], "search"),
        (["who"], "who"),
        (["list", "--no-such"], "--no-such"),
        (["list", "-Z"], "-Z"),
        (["index", "-l"], "-l"),
        (["help", "nonsense"], "nonsense"),
        (["help", "gat"], "p2p get?"),
        (["get", "a", "--outptu", "b"], "--output?"),
        (["list", "--jsn"], "--json?"),
        (["list", "--section.key", "1"], "section.key"),
        (["index", "--index.lease", "5"], "index.lease"),
        (["index", "--index.lease", "banana"], "banana"),
        (["index", "--index.lease", "-3s"], "index.lease"),
        (["index", "--index.lease", "1ms"], "index.lease"),
        (["index", "--index.laese", "5s"], "index.lease"),
        (["index", "-l", "127.0.0.1:99999"], "99999"),
        (["index", "-l", "nowhere:x"], "nowhere:x"),
        (["index", "-m", "12Q"], "12Q"),
        (["list", "-i", "127.0.0.1:x"], "127.0.0.1:x"),
        (["peer", "--share.watch", "maybe"], "maybe"),
        (["index", "--node.name", "a/b"], "a/b"),
        (["version", "surplus"], "surplus"),
        (["index", "surplus"], "surplus"),
        (["peer", "one", "two"], "two"),
        (["--", "list"], ""),
    ],
    ids=" ".join,
)
def test_wrong_usage(fleet, args, named):
    result = fleet.run(*args, timeout=5)
    assert result.code == 2 and result.out == "", result
    assert named in result.err, result
    assert args == [] or len(result.err.splitlines()) <= 2, "a line and its cure, not a page"


def config_fault(fleet, text, *args):
    path = put(fleet.root / "bad.ini", text.encode())
    result = fleet.fails(2, "index", "-l", "127.0.0.1:0", "-c", path, *args, lines=1)
    return result.err


@pytest.mark.parametrize(
    "text,line,words",
    [
        ("# p2p\n[index]\nleese = 5s\n", 3, ["leese", "lease"]),
        ("# p2p\n[index]\nlease = soon\n", 3, ["lease", "soon"]),
        ("# p2p\n[index]\nlease = 5\n", 3, ["lease", "5", "s"]),
        ("# p2p\n[index]\nlease = 1000d\n", 3, ["lease", "1000d"]),
        ("# p2p\n[index]\nlease = 5s\nlease = 6s\n", 4, ["lease", "repeated"]),
        ("# p2p\n[nowhere]\nkey = 1\n", 3, ["nowhere"]),
        ("# p2p\nkey = 1\n", 2, ["key"]),
        ("# p2p\n[share]\nwatch = sometimes\n", 3, ["watch", "sometimes", "auto", "scan"]),
        ("# p2p\n[node]\nmemory = 1\n", 3, ["memory"]),
        ("# p2p\n[node]\nlisten = 70000\n", 3, ["listen", "70000"]),
        ("# p2p\n[transfer]\nupload_limit = 5\n", 3, ["upload_limit", "/s"]),
        ("# p2p\n[transfer]\nuploads = -1\n", 3, ["uploads", "-1"]),
        ("# p2p\nno equals sign\n", 2, []),
        ("# p2p\n[node\nname = x\n", 2, []),
        ("# p2p\n[node]\nname = " + "x" * 5000 + "\n", 3, []),
        ("# p2p\n[node]\nname = two words\n", 3, ["name", "two words"]),
        ("# p2p\n[index]\nlease = 5s ; a comment\n", 3, ["lease"]),
        ("\x00\x01\x02", 1, []),
    ],
    ids=lambda v: repr(v)[:30],
)
def test_faults_in_a_config_file(fleet, text, line, words):
    err = config_fault(fleet, text)
    assert re.search(rf"bad\.ini:{line}\b", err), err
    for word in words:
        assert word in err, err


def test_a_config_file_that_is_not_there(fleet):
    result = fleet.fails(2, "index", "-c", fleet.root / "none.ini", "-l", "127.0.0.1:0", lines=1)
    assert "none.ini" in result.err
    result = fleet.fails(
        2, "index", "-l", "127.0.0.1:0", env={"P2P_CONFIG": str(fleet.root / "none.ini")}, lines=1
    )
    assert "none.ini" in result.err


def test_a_share_that_is_not_there(fleet):
    result = fleet.fails(2, "peer", fleet.root / "no-share", "-l", "127.0.0.1:0", lines=1)
    assert "no-share" in result.err
    put(fleet.root / "file", b"x")
    assert "file" in fleet.fails(2, "peer", fleet.root / "file", "-l", "127.0.0.1:0", lines=1).err


def test_the_state_folder_never_lies_in_the_share(fleet):
    share = fleet.share("outer", {"a.txt": b"x"})
    result = fleet.fails(2, "peer", share, "-l", "127.0.0.1:0", "-s", share / "state", lines=1)
    assert "state" in result.err
    assert not (share / "state").exists()


def test_where_settings_come_from(fleet):
    """An option beats the file; the file is -c, $P2P_CONFIG, ./config.ini when it begins with #
    p2p."""
    here = fleet.folder("here")
    chosen = put(fleet.root / "chosen.ini", b"# p2p\n[share]\nignore = *.chosen\n")
    by_env = put(fleet.root / "env.ini", b"# p2p\n[share]\nignore = *.env\n")
    put(here / "config.ini", b"# p2p settings\n[share]\nignore = *.here\n")
    names = ["x.chosen", "x.env", "x.here", "x.option"]
    table = [
        (dict(config=chosen, env={"P2P_CONFIG": str(by_env)}, cwd=here), [], "x.chosen"),
        (dict(env={"P2P_CONFIG": str(by_env)}, cwd=here), [], "x.env"),
        (dict(cwd=here), [], "x.here"),
        (dict(config=chosen, cwd=here), ["--share.ignore", "*.option"], "x.option"),
    ]
    for i, (how, args, left_out) in enumerate(table):
        both = fleet.both({name: b"x" for name in names}, *args, name=f"n{i}", **how)
        both.wait_file("x.env" if left_out != "x.env" else "x.here")
        wait_until(lambda: len(both.files()) == 3, what="three of the four files")
        assert left_out not in {f["path"] for f in both.files()}
        both.stop()


def test_a_strange_config_file_in_the_folder_is_left_alone(fleet):
    here = fleet.folder("here")
    put(here / "config.ini", b"[core]\nsome = other program's\n")
    fleet.index(cwd=here).stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file to another user")
def test_somebody_elses_config_file_is_left_alone(fleet):
    here = fleet.folder("here")
    put(here / "config.ini", b"# p2p\n[nonsense]\nx = 1\n")
    os.chown(here / "config.ini", 12345, 12345)
    fleet.index(cwd=here).stop()


def test_the_sample_config_is_complete_and_right(fleet):
    """It can be used as it is, and with every line of it switched on."""
    sample = (ROOT / "config.ini").read_text(encoding="utf-8")
    assert sample.startswith("# p2p")
    keys = re.findall(r"^#\s?([a-z_]+) =", sample, re.M)
    promised = """name listen advertise state memory index known discover network secret
        secret_file secret_old user hosts per_address log
        path save ignore watch scan scan_idle hash_rate min_free
        lease snapshot mirrors super_peers topology ttl wait
        consistency ttr on_stale follow on_fetched
        uploads connections upload_limit download_limit linger
        password stats"""
    assert set(keys) <= set(promised.split()) and len(keys) == len(set(keys))
    assert not re.search(r"^[a-z_]+ =", sample, re.M), "every key is commented out"
    fleet.index(config=ROOT / "config.ini", name="sample").stop()
    on = re.sub(r"^#\s?([a-z_]+ =[ \t]*\S.*)$", r"\1", sample, flags=re.M)
    path = put(fleet.root / "on.ini", on.encode())
    fleet.index(config=path, name="switched-on").stop()


def test_list_in_a_pipe(fleet, net):
    result = fleet.ok("list", index=net)
    rows = sorted(result.rows(), key=lambda r: r[-1])
    assert all(len(row) == 4 for row in rows)
    by_content = {row[0]: row for row in rows}
    assert len(by_content) == len(rows) == 3, "one line per content"
    assert by_content[sha256(FILES["sub/b.bin"])] == [
        sha256(FILES["sub/b.bin"]),
        "70000",
        "1",
        "sub/b.bin",
    ]
    assert by_content[sha256(b"alpha")][1:3] == ["5", "2"]
    assert fleet.ok("list", "sub/", index=net).rows() == [
        [sha256(bytes(70000)), "70000", "1", "sub/b.bin"]
    ]


def test_list_of_what_is_not_hashed(fleet):
    index = fleet.index()
    with Member(index) as member:
        member.joined(offer("unhashed.bin", size=7, sha256=None))
        assert fleet.ok("list", index=index).out == "-\t7\t1\tunhashed.bin\n"


def test_search_in_a_pipe(fleet, net):
    assert (
        fleet.ok("search", "B.BIN", index=net).out
        == f"{sha256(bytes(70000))}\t70000\t1\tsub/b.bin\n"
    )
    assert {r[3] for r in fleet.ok("search", "*.txt", index=net).rows()} >= {"c.txt"}
    assert fleet.ok("search", "sub/?.bin", index=net).rows()[0][3] == "sub/b.bin"
    assert fleet.run("search", "no-such-thing", index=net).code == 4


def test_an_answer_that_is_cut_short_says_so(fleet):
    """Also where only a script reads it."""
    index = fleet.index()
    with Member(index) as member:
        names = [f"many/{i:04}" for i in range(1001)]
        member.joined(*[offer(name) for name in names], offer("many", sha256=sha256(b"many")))
        for form in ([], ["--json"]):
            result = fleet.run("search", "many/", *form, index=index)
            assert result.code == 0 and len(result.out.splitlines()) == 1000, result
            assert result.err.startswith("p2p: more files match") and result.err.count("\n") == 1
        assert len(fleet.ok("search", "-q", "many/", index=index).rows()) == 1000
        assert len(fleet.ok("search", "many/0*", index=index).rows()) == 1000
        assert [row[-1] for row in fleet.ok("who", "many", index=index).rows()] == ["many"]
        member.joined(*[offer(name, sha256=sha256(b"one")) for name in names])
        result = fleet.run("who", sha256(b"one"), index=index)
        assert result.code == 0 and len(result.rows()) == 1000, result
        assert result.err == "p2p: there are more holders than are shown\n"


@pytest.mark.parametrize(
    "text,found",
    [
        ("size>60000", {"sub/b.bin"}),
        ("size>1K", {"sub/b.bin"}),
        ("txt size<6", {"a.txt"}),
        ("size>5 size<100", {"c.txt"}),
        ("ext:bin", {"sub/b.bin"}),
        ("ext:txt node:cellar", {"a.txt", "c.txt"}),
        ("node:kitchen ext:bin", {"sub/b.bin"}),
        ("kind:owned c.txt", {"c.txt"}),
        ("kind:copy", set()),
        ("size>1G", set()),
    ],
)
def test_search_filters(fleet, net, text, found):
    result = fleet.run("search", text, index=net)
    assert result.code == (0 if found else 4), result
    names = {"a.txt" if row[3] == "same.txt" else row[3] for row in result.rows()}
    assert names == found


def test_who_in_a_pipe(fleet, net):
    nodes = {n["name"]: n["addresses"][0] for n in net.nodes() if n["name"] != "desk"}
    rows = fleet.ok("who", "a.txt", index=net).rows()
    for name in ("kitchen", "cellar"):
        assert [name, nodes[name], "100", "owned", "a.txt"] in rows
    assert {row[4] for row in rows} <= {"a.txt", "same.txt"}, "holders of the content, by any name"
    by_content = fleet.ok("who", sha256(b"cellar's"), index=net).rows()
    assert by_content == [["cellar", nodes["cellar"], "100", "owned", "c.txt"]]
    assert fleet.run("who", "nothing-like-that", index=net).code == 4


def test_status(fleet, net):
    out = fleet.ok("status", index=net).out
    assert "desk" in out or net.address in out
    values = fleet.json("status", index=net)
    assert isinstance(values[0], dict) and values[0]


def test_json(fleet, net):
    lines = fleet.json("list", index=net)
    assert {x["path"] for x in lines if "path" in x} >= {"sub/b.bin", "c.txt"}
    lines = fleet.json("search", "b.bin", index=net)
    found = [x for x in lines if "path" in x]
    assert (
        found[0]["path"] == "sub/b.bin"
        and found[0]["size"] == 70000
        and found[0]["sha256"] == sha256(bytes(70000))
    )
    lines = [x for x in fleet.json("who", "a.txt", index=net) if "name" in x]
    assert {x["name"] for x in lines} == {"kitchen", "cellar"}


@pytest.mark.parametrize(
    "command", [["list"], ["search", "a"], ["get", "a.txt"], ["who", "a.txt"], ["status"]]
)
def test_no_index_answers(fleet, command):
    port = free_port()
    result = fleet.fails(3, *command, index=f"127.0.0.1:{port}", lines=3)
    assert f"127.0.0.1:{port}" in result.err


@pytest.mark.once
def test_something_else_answers(fleet):
    """A server that is no index costs no crash and no wait without end."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        result = fleet.run("list", index=f"127.0.0.1:{port}", timeout=25)
        assert result.code == 3 and result.err, result


def test_the_next_index_is_asked(fleet, net):
    assert (
        fleet.ok("search", "c.txt", index=f"127.0.0.1:{free_port()},{net.address}").rows()[0][3]
        == "c.txt"
    )


@pytest.mark.parametrize("lines", [0, 1, 3])
def test_an_index_that_goes_in_the_middle_of_its_answer(fleet, net, lines):
    """What it had said is forgotten; the next one is asked, and each result is there once."""
    whole = fleet.ok("search", ".txt", index=net).rows()
    line = (
        b'{"path":"gone.txt","size":5,"mtime":1,"sha256":null,"mode":"","kind":"owned","node":"%s",'
        b'"addresses":["127.0.0.1:9"],"index":"%s"}\n' % (b"a" * 32, b"b" * 32)
    )

    def answer(server):
        end, _ = server.accept()
        server.close()
        with end:
            end.recv(65536)
            end.sendall(
                b"HTTP/1.1 200 OK\r\nP2P-Node: %s\r\nContent-Type: application/x-ndjson\r\n"
                b"Content-Length: 100000\r\n\r\n" % (b"b" * 32) + line * lines
            )

    server = socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{server.getsockname()[1]}"
    thread = threading.Thread(target=answer, args=(server,))
    thread.start()
    assert fleet.ok("search", ".txt", index=f"{address},{net.address}").rows() == whole
    thread.join(patience(5))
    assert not thread.is_alive()


def test_a_local_node_is_found_without_options(fleet):
    """In the folder of a running share no address is needed."""
    work = fleet.folder("work")
    share = fleet.share("work/share", {"a.txt": b"alpha"})
    index = fleet.index()
    fleet.peer(index, share=share, state=False, cwd=work)
    index.wait_file("a.txt")
    assert fleet.ok("list", cwd=work).rows()[0][3] == "a.txt"
    assert fleet.ok("list", cwd=share).rows()[0][3] == "a.txt"
    assert "a.txt" in fleet.ok("search", "a.txt", "-s", index.state, cwd=fleet.home).out


@pytest.mark.parametrize("command", [["list"], ["search", "sub"], ["who", "a.txt"], ["status"]])
def test_on_a_terminal(fleet, net, command):
    shown, code = on_terminal(fleet, *command, index=net)
    assert code == 0, shown
    assert "\t" not in shown and len(shown) > 20
    width = max(
        len(re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line)) for line in re.split(r"\r?\n|\r", shown)
    )
    assert width <= 80, f"{width} columns: {shown}"


@pytest.mark.parametrize(
    "command",
    [["help"], ["help", "get"], ["list"], ["search", "a"], ["who", "a.txt"], ["doctor"], ["status"],
     ["get", "sub/b.bin", "c.txt", "nobody has it"], ["list", "-i", "127.0.0.1:9"], ["list", "--jsn"]],
    ids=" ".join,
)
@pytest.mark.parametrize("columns", [40, 80])
def test_nothing_is_wrapped_by_the_terminal(fleet, net, command, columns):
    """Lines are broken between words, and narrow terminals get fewer columns; but for a word that is too long, and a
    line that is there to be copied."""
    shown, _ = on_terminal(fleet, *command, index=None if command[0] == "help" or "-i" in command else net, cols=columns)
    lines = [line for line in re.split(r"\r?\n|\r|\x1b\[.", shown) if not line.startswith("example: ")]
    assert len(lines) >= 2
    for line in lines:
        assert len(line) <= columns or any(len(word) > columns for word in line.split()), line


def test_get_on_a_terminal_shows_progress(fleet, net):
    shown, code = on_terminal(fleet, "get", "sub/b.bin", index=net)
    assert code == 0, shown
    assert "b.bin" in shown and ("100" in shown or "68" in shown)
    assert (fleet.home / "b.bin").stat().st_size == 70000


def test_names_cannot_drive_a_terminal(fleet):
    index = fleet.index()
    names = ["bidi\u202etxt.exe", "c1\u009b31mred", "iso\u2066late", "mark\u200f"]
    with Member(index) as member:
        member.joined(*[offer(name) for name in names])
        for command in (["list"], ["search", "*"], ["who", content_of(names[0])]):
            shown, code = on_terminal(fleet, *command, index=index)
            assert code == 0, shown
            assert not re.search(
                "[\u0080-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]", shown
            ), shown
        assert "\\u202e" in on_terminal(fleet, "list", index=index)[0].lower()


def content_of(name):
    return offer(name)["sha256"]


def test_a_reader_that_goes_away(fleet, net):
    """p2p list | head -0: no noise, no hanging."""
    read, write = os.pipe()
    process = fleet.spawn("list", index=net, stdout=write)
    os.close(write)
    os.close(read)
    _, err = process.communicate(timeout=10)
    assert err == b"" or process.returncode == 1
    assert process.returncode in (0, 1, -13, 141)


def test_a_full_disk_behind_stdout(fleet, net):
    with open("/dev/full", "wb") as full:
        process = fleet.spawn("list", index=net, stdout=full)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 1 and err
