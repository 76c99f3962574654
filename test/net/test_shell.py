# SPDX-License-Identifier: MIT
"""The prompt: plain lines from a pipe, line editing on a terminal, beside a role and alone."""

import fcntl
import os
import re
import signal
import subprocess
import termios
import threading
from pathlib import Path

import pytest

from chains import sha256
from fleet import free_port, patience, put, wait_until
from keyboard import Keyboard

FILES = {"a.txt": b"alpha", "sub/b c.txt": b"beta", "it's.txt": b"gamma", "größe.txt": b"delta"}


@pytest.fixture(scope="module")
def net(module_fleet):
    index = module_fleet.index(name="desk")
    module_fleet.peer(index, FILES, name="kitchen")
    for name in FILES:
        index.wait_file(name)
    return index


def piped(fleet, lines, *args, index=None, **how):
    """What a shell says to these lines, and its exit code."""
    process = fleet.spawn("shell", *args, index=index, stdin=subprocess.PIPE, **how)
    data = lines if isinstance(lines, bytes) else lines.encode()
    out, err = process.communicate(data, timeout=30)
    return process.returncode, out.decode(), err.decode()


# ---- in a pipe ----


def test_lines_from_a_pipe(fleet, net):
    code, out, err = piped(fleet, "list\nget a.txt\n", index=net)
    assert code == 0 and err == ""
    listed = fleet.ok("list", index=net).out
    assert out == listed + f"{sha256(b'alpha')}  a.txt\n", "what the commands print, and no more"
    assert (fleet.home / "a.txt").read_bytes() == b"alpha"


@pytest.mark.parametrize(
    "lines,code",
    [
        ("", 0),
        ("\n\n# nothing\n", 0),
        ("list", 0),
        ("list\r\n", 0),
        ("list\nsearch nothing-like-that\n", 4),
        ("search nothing-like-that\nlist\n", 0),
        ("search nothing-like-that\n\n# a comment\n", 4),
        ("lsit\n", 2),
        ("lsit\nlist\n", 0),
        ("get 'a.txt\n", 2),
        ("peer\n", 2),
        ("search nothing-like-that\nexit\nlist\n", 4),
    ],
)
def test_the_exit_status_is_that_of_the_last(fleet, net, lines, code):
    result = piped(fleet, lines, index=net)
    assert result[0] == code, result
    assert "p2p>" not in result[1] + result[2]


def test_a_wrong_line_explains_itself(fleet, net):
    code, out, err = piped(
        fleet, 'lsit\nget\nlist --no-such\nget "x\nindex\nget a\\\nlist\n', index=net
    )
    assert code == 0 and out == fleet.ok("list", index=net).out
    said = err.splitlines()
    assert len(said) == 6 and all(line.startswith("p2p: ") for line in said), said
    for line, word in zip(said, ["list", "p2p help get", "--no-such", '"', "p2p index", "\\"]):
        assert word in line, line


def test_quotes(fleet, net):
    for written in ("'sub/b c.txt'", '"sub/b c.txt"', "sub/b\\ c.txt", "su'b/b 'c.txt"):
        code, out, err = piped(fleet, f"who {written}\n", index=net)
        assert code == 0 and out.split("\t")[4] == "sub/b c.txt\n", (written, out, err)
    assert piped(fleet, "who it\\'s.txt\n", index=net)[0] == 0
    assert piped(fleet, "who größe.txt # here\n", index=net)[0] == 0


def test_every_command(fleet, net):
    index, home = net, fleet.folder("home-of-all")
    for line in ("list", "search a", "who a.txt", "get a.txt", "status", "version", "help"):
        code, out, err = piped(fleet, line + "\n", index=index, cwd=home)
        assert code == 0 and err == "" and out != "", line
    out = piped(fleet, "help\n")[1]
    for word in ("list", "get", "wait", "exit", "refresh", "doctor"):
        assert re.search(rf"^ +{word}\b", out, re.M), word
    for word in ("index", "peer", "both", "shell"):
        assert not re.search(rf"^ +{word}\b", out, re.M), word
    assert "p2p wait" in piped(fleet, "help wait\n")[1]
    assert "p2p get" in piped(fleet, "get --help\n")[1]


def test_options_hold_for_every_line(fleet, net):
    code, out, _ = piped(fleet, "list\nlist\n", "--json", index=net)
    assert code == 0 and out == 2 * fleet.ok("list", "--json", index=net).out
    code, out, _ = piped(fleet, "list -i 127.0.0.1:1\nlist\n", index=net)
    assert code == 0 and out == fleet.ok("list", index=net).out, "an option is for its line alone"
    assert piped(fleet, "list -i 127.0.0.1:1\n", index=net)[0] == 3


def test_wait_and_refresh_ask_the_local_node(fleet):
    index = fleet.index()
    peer = fleet.peer(index, {"big.bin": bytes(300_000)}, "--share.hash_rate", "200K/s")
    args = ("-s", str(peer.state))
    code, out, err = piped(fleet, "wait\nlist\n", *args)
    assert code == 0 and err == "" and out.startswith(sha256(bytes(300_000))), (out, err)
    code, out, err = piped(fleet, "refresh\n", *args)
    assert code == 0 and "no copies" in out
    assert piped(fleet, "refresh big.bin\n", *args)[0] == 4
    peer.stop()
    for line in ("wait", "refresh"):
        code, out, err = piped(fleet, line + "\n", "-s", str(peer.state), index=index)
        assert code == 1 and out == "" and "-s" in err


@pytest.mark.parametrize(
    "line",
    [b"x" * 5000 + b"\n", b"li\0st\n", b"list '" + b"x" * 4090],
    ids=["long", "NUL", "open and long"],
)
def test_lines_that_are_none(fleet, line):
    code, out, err = piped(fleet, line)
    assert code == 2 and out == "" and len(err.splitlines()) == 1, err


@pytest.mark.parametrize("length", [4097, 5000, 4096 + 4097, 100_000])
def test_a_line_that_is_too_long_is_passed_over(fleet, length):
    code, out, err = piped(fleet, b"x" * length + b"\nversion\n" + b"y" * length + b"\r\nversion")
    assert code == 0 and len(out.splitlines()) == 2, (out, err)
    assert err.splitlines() == 2 * ["p2p: a line is longer than 4096 bytes"]


def test_each_answer_comes_before_the_next_question(fleet, net):
    """And hundreds of commands leave nothing open."""
    process = fleet.spawn("shell", index=net, stdin=subprocess.PIPE, bufsize=0)
    open_files = []
    for i in range(120):
        process.stdin.write(b"who a.txt\nstatus\nversion\n")
        while not process.stdout.readline().startswith(b"p2p "):
            pass
        if i in (10, 119) and Path("/proc/self/fd").exists():
            open_files.append(len(os.listdir(f"/proc/{process.pid}/fd")))
    _, err = process.communicate(timeout=10)
    assert process.returncode == 0 and err == b""
    assert len(set(open_files)) <= 1, open_files


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_shell_that_waits(fleet, net, number):
    process = fleet.spawn("shell", index=net, stdin=subprocess.PIPE, bufsize=0)
    process.stdin.write(b"version\n")
    assert process.stdout.readline().startswith(b"p2p ")
    process.send_signal(number)
    assert process.ended(10) == 128 + number
    process.communicate()


def test_a_signal_ends_the_command_and_the_shell(fleet):
    index = fleet.index()
    peer = slow_peer(fleet, index)
    process = fleet.spawn("shell", "-s", peer.state, stdin=subprocess.PIPE, bufsize=0)
    process.stdin.write(b"version\nwait\nversion\n")
    assert process.stdout.readline().startswith(b"p2p ")
    asked = peer.stats()["connections"]["open"]
    wait_until(lambda: peer.stats()["connections"]["open"] >= asked, what="wait asks the peer")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert process.returncode == 130 and out == b"" and err == b""


def slow_peer(fleet, index):
    peer = fleet.peer(index, {"slow.bin": bytes(2_000_000)}, "--share.hash_rate", "10K/s")
    wait_until(lambda: peer.stats()["hashing"]["total"] > 0, what="it hashes")
    return peer


def test_a_reader_that_goes_away_ends_the_shell(fleet, net):
    read, write = os.pipe()
    process = fleet.spawn("shell", index=net, stdin=subprocess.PIPE, stdout=write, bufsize=0)
    os.close(write)
    os.close(read)
    process.stdin.write(b"list\n")
    assert process.ended(10) == 1
    process.communicate()


# ---- on a terminal ----


def test_editing(fleet, net):
    board = Keyboard(fleet, "shell", index=net)
    board.wait_prompt()
    assert board.is_raw()
    shown = board.enter("who a.tt\x1b[Dx")
    assert any("kitchen" in row for row in shown), shown
    board.type("nonsense\x15who a.txt\x01\x1b[3~\x1b[3~\x1b[3~")
    board.wait_prompt(" a.txt")
    board.type("who\x05\r")
    board.wait(r"kitchen(.|\n)*kitchen.*\n *p2p>\Z")
    board.type("\x1b[A\x1b[A")  # it was entered twice in a row, and stands there once
    board.wait_prompt("who a.txt")
    board.type("\x1b[B\x1b[Bgrö\x7f")
    board.wait_prompt("gr")
    board.type("öße.txt\x01who \x05\r")
    board.wait(r"größe\.txt\np2p>\Z")
    board.type("exit\r")
    assert board.ended() == 0


def test_leaving(fleet, net):
    for keys, code in (
        ("exit\r", 0),
        ("\x04", 0),
        ("\x03", 0),
        ("text\x03\x03", 0),
        ("text\x15\x04", 0),
        ("search nothing-like-that\rexit\r", 4),
        ("lsit\r\x04", 2),
    ):
        board = Keyboard(fleet, "shell", index=net)
        board.wait_prompt()
        board.type(keys)
        assert board.ended() == code, keys


def test_ctrl_c_drops_the_line(fleet, net):
    board = Keyboard(fleet, "shell", index=net)
    board.wait_prompt()
    board.type("get nothing\x03")
    board.wait(r"p2p> get nothing\^C\np2p>\Z")
    assert board.enter("version")[0].startswith("p2p ")
    board.type("\x04")
    assert board.ended() == 0


def test_a_paste_of_lines(fleet, net):
    """Each is run, in order; what stands behind the last newline can be edited."""
    board = Keyboard(fleet, "shell", index=net)
    board.wait_prompt()
    board.type("version\nwho\ta.txt\nlsit\nversio")
    board.wait(r"^p2p \d(.|\n)*kitchen(.|\n)*did you mean p2p list(.|\n)*\np2p> versio\Z")
    board.type("n\r\x04")
    assert board.ended() == 0


def test_a_long_line_stays_in_its_row(fleet, net):
    board = Keyboard(fleet, "shell", index=net, cols=40)
    board.wait_prompt()
    board.type("who " + "x" * 100)
    board.wait(r"^p2p> x{33,34}\Z")
    board.type("\x01")
    board.wait(r"^p2p> who x+\Z")
    assert board.screen.widest < 40 and len(board.screen.rows) == 1
    board.resize(60)
    board.wait(r"^p2p> who x{45,}\Z")
    board.resize(30)
    board.wait(r"^p2p> who x{10,20}\Z")
    board.type("\x15\x05\x15\x04")
    assert board.ended() == 0


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGABRT]
)
def test_the_terminal_is_put_back(fleet, net, number):
    board = Keyboard(fleet, "shell", index=net)
    board.wait_prompt()
    assert board.is_raw()
    os.kill(board.process.pid, number)
    assert board.ended() in (128 + number, -number)


def test_ctrl_c_ends_a_command_but_not_the_shell(fleet):
    peer = slow_peer(fleet, fleet.index())
    board = Keyboard(fleet, "shell", "-s", peer.state)
    board.wait_prompt()
    board.type("wait\r")
    board.wait(r"hashing: ")
    assert not board.is_raw()
    board.type("\x03")
    board.wait_prompt()
    assert board.enter("version")[0].startswith("p2p ")
    board.type("wait\r")
    board.wait(r"hashing: ")
    board.type("\x03")
    board.wait_prompt()
    board.type("exit\r")
    assert board.ended() == 130


def test_ctrl_z(fleet, net):
    """Stopped, the terminal is as it was; continued, the line is there again."""
    line = f"{os.environ.get('P2P_RUN', '')} {shell_word(net)}; echo stopped; fg; echo left $?"
    board = Keyboard(fleet, line, shell=True)
    board.wait_prompt()
    board.type("who a.t")
    board.wait_prompt("who a.t")
    board.type("\x1a")
    board.wait(r"^stopped$")
    board.wait(r"^p2p> who a\.t\Z")
    board.type("xt\r")
    board.wait(r"kitchen(.|\n)*\np2p>\Z")
    board.type("\x04")
    board.wait("left 0")
    board.ended()


def shell_word(net):
    from fleet import program

    return f"{program()} shell -i {net.address}"


def test_without_a_prompt(fleet, net):
    board = Keyboard(fleet, "shell", "--no-prompt", index=net)
    board.type("version\n")
    board.wait(r"^p2p \d")
    assert "p2p>" not in board.screen.text() and not board.is_raw()
    board.type("\x04")
    assert board.ended() == 0


# ---- beside a role ----


def role_board(fleet, role, share, *args, **how):
    args = (*args, "-l", "127.0.0.1:0", "-s", fleet.folder(f"state-{role}"))
    return Keyboard(fleet, role, share, *args, "--node.name", "desk", **how)


def test_the_prompt_of_a_peer(fleet, net):
    share = fleet.share("own", {"own.txt": b"own"})
    board = role_board(fleet, "peer", share, index=net)
    board.wait(r"joined")
    net.wait_file("own.txt", node="desk")
    assert any("own.txt" in row for row in board.enter("search own.txt"))
    assert any("a.txt" in row for row in board.enter("list a."))
    assert any(row.endswith(" peer") for row in board.enter("status"))
    assert board.enter("wait") == []
    rows = board.enter("get a.txt")
    assert any(row.startswith(sha256(b"alpha")) for row in rows), rows
    assert any("did you mean" in row for row in board.enter("lsit"))
    assert any("does not run within" in row for row in board.enter("both"))
    board.type("exit\r")
    assert board.ended() == 0
    net.wait_gone("own.txt", deadline=2)
    net.wait_log(r"\bdesk\b.*left")


@pytest.mark.parametrize("keys", ["exit\r", "\x04", "\x03", "text\x03\x03"])
def test_leaving_the_prompt_ends_the_role(fleet, keys):
    board = role_board(fleet, "both", fleet.share("own", {"a.txt": b"a"}))
    board.wait(r"joined")
    board.wait_prompt()
    board.type(keys)
    assert board.ended() == 0
    assert board.screen.rows[-1] == "" and "stopping" in board.screen.text()


def test_a_role_that_is_ended_gives_the_terminal_back(fleet):
    board = role_board(fleet, "both", fleet.share("own", {"a.txt": b"a"}))
    board.wait(r"joined")
    board.type("half a li")
    board.wait_prompt("half a li")
    os.kill(board.process.pid, signal.SIGTERM)
    assert board.ended() == 0


def test_a_role_that_is_ended_while_a_command_runs(fleet):
    share = fleet.share("own", {"slow.bin": bytes(2_000_000)})
    board = role_board(fleet, "both", share, "--share.hash_rate", "10K/s")
    board.wait(r"joined")
    board.enter("version")
    board.type("wait\r")
    board.wait(r"hashing: ")
    board.type("\x03")
    board.wait_prompt()
    assert board.process.poll() is None, "Ctrl-C is for the command"
    board.type("wait\r")
    board.wait(r"hashing: .*\Z")
    os.kill(board.process.pid, signal.SIGTERM)
    assert board.ended() == 0


def test_the_log_does_not_garble_the_line(fleet):
    share = fleet.share("own", {"a.txt": b"a"})
    board = role_board(fleet, "both", share)
    board.wait(r"joined")
    board.wait_prompt()
    typed = "who 'no such file'"
    stop = threading.Event()

    def disturb():
        for i in range(20_000):
            if stop.wait(0.01):
                return
            put(share / f"new-{i}.txt", b"new")

    other = threading.Thread(target=disturb)
    other.start()
    try:
        for key in typed:
            rows = len(board.screen.rows)
            board.type(key)
            board.wait(r"\binfo +index: ", since=rows - 1)
    finally:
        stop.set()
        other.join()
    board.wait_prompt(typed)
    for row in board.screen.rows[:-1]:
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (info|warn) +[a-z]+: \S", row), row
    board.type("\r")
    board.wait(r"^p2p> who 'no such file'$(.|\n)*^p2p>\Z")
    board.type("\x04")
    assert board.ended() == 0


def test_no_prompt_beside_a_role(fleet):
    share = fleet.share("own", {"a.txt": b"a"})
    board = role_board(fleet, "both", share, "--no-prompt")
    board.wait(r"joined")
    board.type("exit\n")
    board.wait(r"^exit$")  # the terminal's own echo
    put(share / "later.txt", b"x")
    board.wait(r"index: .*changed")
    assert board.process.poll() is None and "p2p>" not in board.screen.text()
    board.type("\x03")
    assert board.ended() == 0


def test_no_prompt_in_the_background(fleet):
    """What was started with & leaves the keys to others."""
    from fleet import program

    share = fleet.share("own", {"a.txt": b"a"})
    run = f"{os.environ.get('P2P_RUN', '')} {program()} both {share} -l 127.0.0.1:{free_port()}"
    board = Keyboard(fleet, f"{run} -s {fleet.folder('s')} & read line; kill $!; wait", shell=True)
    board.wait(r"joined")
    assert "p2p>" not in board.screen.text() and not board.is_raw()
    board.type("a line for read\n")
    board.wait(r"stopping")
    board.ended()


def test_a_prompt_that_goes_to_the_background(fleet):
    """Ctrl-Z and bg: the role goes on, and the keys are others'."""
    from fleet import program

    share = fleet.share("own", {"a.txt": b"a"})
    run = f"{os.environ.get('P2P_RUN', '')} {program()} both {share} -l 127.0.0.1:{free_port()}"
    line = f"{run} -s {fleet.folder('s')}; bg; read line; echo got $line; fg; echo left $?"
    board = Keyboard(fleet, line, shell=True)
    board.wait(r"joined")
    board.wait_prompt()
    board.type("\x1a")
    board.wait(r"\[1\] ")
    assert not board.is_raw()
    put(share / "later.txt", b"x")
    board.wait(r"index: .*changed")
    board.type("a line for read\n")
    board.wait(r"^got a line for read$")
    board.type("\r")
    board.wait_prompt()
    board.type("\x04")
    board.wait(r"^left 0")
    board.ended()


def test_a_terminal_that_is_taken_away(fleet):
    """Nobody says so by a signal (it is ignored here, as nohup does): the prompt ends, and the role with it."""
    from fleet import program

    share = fleet.share("own", {"a.txt": b"a"})
    ours, theirs = os.openpty()

    def become_its_own():
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    process = subprocess.Popen(
        [*program().split(), "both", str(share), "-l", "127.0.0.1:0", "-s", str(fleet.folder("s"))],
        stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=become_its_own)
    os.close(theirs)
    shown = b""
    while b"p2p>" not in shown:
        shown += os.read(ours, 4096)
    os.close(ours)
    try:
        assert process.wait(patience(20)) == 0
    finally:
        process.kill()
        process.wait()
