# SPDX-License-Identifier: MIT
"""Starts and watches the program as a user would: roles as processes with their own folders and
ports, commands that run to their end. What a process prints is collected by threads; tests wait
for lines or for the HTTP API, never for time to pass. Nothing here knows the program's
insides."""

import collections
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import quote

import stuck
from rawhttp import SLOW, ask, patience, split_address

ROOT = Path(__file__).resolve().parents[2]
LISTENING = re.compile(r"listening on (\S+):(\d+)")


def program():
    return os.environ.get("P2P", str(ROOT / "build/native/p2p"))


def run_prefix():
    return shlex.split(os.environ.get("P2P_RUN", ""))


def below(folder, pattern):
    """What fits below a folder in which things come and go."""
    try:
        return list(folder.rglob(pattern))
    except FileNotFoundError:
        return below(folder, pattern)


def left_in(folder):
    """The files below a folder, hidden ones too."""
    return sorted(p.relative_to(folder).as_posix() for p in below(folder, "*") if not p.is_dir())


def has_bytes(folder, pattern=".p2p-*.part"):
    """Some file there is not empty."""
    for path in below(folder, pattern):
        try:
            if path.stat().st_size > 0:
                return True
        except FileNotFoundError:
            pass
    return False


def wait_until(condition, deadline=10.0, what=""):
    """The first true value of condition(). Only for what announces itself by no event."""
    end = time.monotonic() + patience(deadline)
    pause = 0.01
    while True:
        late = time.monotonic() > end
        value = condition()
        if value:
            return value
        if late:
            within = f"not within {patience(deadline)} s"
            raise AssertionError(f"{within}: {what or condition}; last: {value!r}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def workspace():
    """A folder that other users can enter, in memory where there is room."""
    shm = "/dev/shm"
    roomy = os.access(shm, os.W_OK) and shutil.disk_usage(shm).free > 1 << 30
    path = tempfile.mkdtemp(prefix="p2p-test-", dir=shm if roomy else None)
    os.chmod(path, 0o755)
    return Path(path)


class Lines:
    """The lines of one stream, as they come."""

    def __init__(self, stream):
        self.items = []
        self.ended = False
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._collect, args=(stream,), daemon=True)
        self.thread.start()

    def _collect(self, stream):
        for raw in iter(stream.readline, b""):
            with self.changed:
                self.items.append(raw.decode("utf-8", "backslashreplace").rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()
        stream.close()

    def wait(self, pattern, deadline, since=0):
        """The first match among the lines from number since on; None when the stream ends or time
        is up."""
        end = time.monotonic() + patience(deadline)
        regex = re.compile(pattern)
        with self.changed:
            while True:
                for line in self.items[since:]:
                    match = regex.search(line)
                    if match:
                        return match
                since = len(self.items)
                left = end - time.monotonic()
                if self.ended or left <= 0:
                    return None
                self.changed.wait(left)

    def matching(self, pattern):
        with self.changed:
            return [line for line in self.items if re.search(pattern, line)]

    def text(self):
        self.thread.join(patience(5))
        return "\n".join(self.items)


class Result:
    """A command that has ended."""

    def __init__(self, args, code, out, err):
        self.args, self.code, self.out, self.err = args, code, out, err

    def rows(self):
        return [line.split("\t") for line in self.out.splitlines()]

    def __repr__(self):
        return f"{self.args}\n exit {self.code}\n stdout: {self.out!r}\n stderr: {self.err!r}"


class Node:
    """One role in a process of its own."""

    def __init__(
        self, fleet, role, name, args, share=None, state=None, listen="127.0.0.1:0", **how
    ):
        self.fleet, self.role, self.name, self.share, self.listen = fleet, role, name, share, listen
        self.state = fleet.folder(f"state-{name}") if state is None else state
        self.args = list(args)
        self.prefix = how.pop("prefix", None)
        self.binary = how.pop("binary", None)
        self.stderr_may = how.pop("stderr", None)
        self.env = how.pop("env", {})
        self.config = how.pop("config", None)
        self.how = how
        self.process = self.out = self.err = None
        self.host, self.port = "", 0
        self.start()

    def command(self):
        line = self.prefix if self.prefix is not None else run_prefix()
        line = [*line, str(self.binary or program()), self.role]
        line += [str(self.share)] if self.share is not None else []
        line += ["-s", str(self.state)] if self.state else []
        line += ["-l", self.listen] if self.listen else []
        line += ["-c", str(self.config)] if self.config else []
        return [*line, "--node.name", self.name, *map(str, self.args)]

    def start(self):
        self.process = subprocess.Popen(
            self.command(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.how.get("cwd", self.fleet.home),
            env=self.fleet.environment(self.env),
            user=self.how.get("user"),
            group=self.how.get("user"),
            start_new_session=True,
        )
        self.out, self.err = Lines(self.process.stdout), Lines(self.process.stderr)
        match = self.out.wait(LISTENING.pattern, 15)
        assert match, f"{self.name} never said where it listens; {self.report()}"
        self.host, self.port = match.group(1), int(match.group(2))
        assert self.port > 0

    @property
    def pid(self):
        return self.process.pid

    @property
    def address(self):
        host = {"0.0.0.0": "127.0.0.1", "[::]": "127.0.0.1"}.get(self.host, self.host)
        return f"{host}:{self.port}"

    def report(self):
        told = [line for line in self.out.items if "search * from" not in line]
        tail = "\n  ".join(told[-60:])
        code = self.process.poll()
        line = " ".join(self.command())
        return f"{line}\n exit {code}\n stdout:\n  {tail}\n stderr: {self.err.items}"

    def running(self):
        return self.process is not None and self.process.poll() is None

    def send(self, number):
        self.process.send_signal(number)

    def wait_log(self, pattern, deadline=10, since=0):
        match = self.out.wait(pattern, deadline, since)
        assert match, f"{self.name} never logged {pattern!r}; {self.report()}"
        return match

    def ended(self, deadline=10):
        """Waits for the end; the exit code. Nothing may be on stderr and no child may be left."""
        try:
            code = self.process.wait(patience(deadline))
        except subprocess.TimeoutExpired:
            still = stuck.where(self.pid)
            self.process.kill()
            self.process.wait()
            raise AssertionError(
                f"{self.name} did not end within {patience(deadline)} s; {self.report()}\n{still}"
            ) from None
        self.keep_port()
        text = self.err.text()
        if self.stderr_may is None or not re.fullmatch(self.stderr_may, text, re.S):
            assert text == "", f"{self.name} wrote to stderr; {self.report()}"
        assert not group_lives(self.pid), f"{self.name} left a child behind"
        return code

    def stop(self, number=signal.SIGTERM, code=0):
        if self.running():
            self.send(number)
        ended = self.ended()
        assert ended == code, f"{self.name} exited {ended}, not {code}; {self.report()}"

    def kill(self):
        """As a power cut would."""
        self.process.kill()
        self.process.wait()
        self.keep_port()
        assert self.err.text() == "", self.report()

    def keep_port(self):
        """Nobody else gets its port by chance before it is started again."""
        if self.port not in self.fleet.kept:
            kept = keep_port(*split_address(self.address))
            self.fleet.kept[self.port] = self.fleet.own(kept)

    def restart(self, same_port=True):
        if self.running():
            self.stop()
        if same_port:
            self.listen = f"{self.host}:{self.port}"
        self.start()

    # The HTTP API, each call on a connection of its own.
    def get(self, path, headers=None, method="GET"):
        return ask(self.address, method, path, headers)

    def stream(self, path):
        """The lines of an NDJSON answer: records and the end line (None when there is none). Of an
        index that has just begun when it has asked its mirrors."""

        def settled():
            reply = self.get(path)
            return not (reply.status == 503 and b"asks its mirrors" in reply.body) and reply

        reply = wait_until(settled, what=f"{self.name} has asked its mirrors")
        assert reply.status == 200, reply
        lines = reply.lines()
        end = lines.pop() if lines and lines[-1].get("end") is True else None
        return lines, end

    def stats(self):
        return self.get("/v1/stats").json()

    def nodes(self):
        return self.stream("/v1/nodes")[0]

    def node(self, name):
        """The living node of that name, or None."""
        found = [n for n in self.nodes() if n["name"] == name and n["state"] == "active"]
        return found[0] if found else None

    def offers(self, name):
        """How many files a living node offers; 0 when it is not there."""
        found = self.node(name)
        return found["offers"] if found else 0

    def files(self, text="*"):
        return self.stream(f"/v1/search?q={quote(text, safe='')}")[0]

    def file(self, path, node=None):
        found = [f for f in self.files("*") if f["path"] == path and node in (None, f["name"])]
        return found[0] if found else None

    def file_by_content(self, sha256):
        found = self.stream(f"/v1/search?sha256={sha256}")[0]
        return found[0] if found else None

    def wait_file(self, path, sha256=None, node=None, deadline=10):
        def there():
            record = self.file(path, node)
            return (
                record
                if record and (record["sha256"] == sha256 if sha256 else record["sha256"])
                else None
            )

        return wait_until(
            there, deadline, f"{path} in {self.name} with content {sha256 or 'known'}"
        )

    def wait_gone(self, path, node=None, deadline=10):
        return wait_until(
            lambda: self.file(path, node) is None, deadline, f"{path} gone from {self.name}"
        )

    def wait_node(self, name, deadline=10):
        return wait_until(lambda: self.node(name), deadline, f"node {name} in {self.name}")

    def rss_kib(self):
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii", errors="replace")
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1))


def group_lives(pid):
    try:
        os.killpg(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


class Fleet:
    """All processes and folders of one test."""

    def __init__(self):
        self.root = workspace()
        self.home = self.folder("home")
        self.nodes, self.others, self.kept = [], [], {}

    def folder(self, name):
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def share(self, name, files=()):
        """A folder of files {path: bytes}; one whose times are old enough for the hash cache to
        trust."""
        path = self.folder(name)
        for name_, data in dict(files).items():
            put(path / name_, data)
        return path

    def environment(self, more=()):
        keep = ("PATH", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LD_LIBRARY_PATH")
        env = {key: os.environ[key] for key in keep if key in os.environ}
        env.update(
            HOME=str(self.home),
            XDG_STATE_HOME=str(self.root / "xdg"),
            LC_ALL="C.UTF-8",
            TERM="xterm",
        )
        env.update(dict(more))
        return env

    def own(self, thing):
        """A fake whose close() is called at the end."""
        self.others.append(thing)
        return thing

    def index(self, *args, name="index", **how):
        return self._node("index", name, args, **how)

    def peer(self, index, files=None, *args, name="kitchen", share=None, **how):
        """index: a Node, an address, or None for no option at all."""
        share = share or self.share(f"share-{name}", files or {})
        return self._node("peer", name, [*to_index(index), *args], share=share, **how)

    def both(self, files=None, *args, name="attic", share=None, **how):
        share = share or self.share(f"share-{name}", files or {})
        return self._node("both", name, args, share=share, **how)

    def _node(self, role, name, args, **how):
        node = Node.__new__(Node)
        self.nodes.append(node)
        node.process = None
        node.__init__(self, role, name, args, **how)
        return node

    def spawn(self, *args, index=None, cwd=None, stdin=subprocess.DEVNULL, **how):
        line = [*how.pop("prefix", run_prefix()), str(how.pop("binary", program()))]
        line += [*map(str, args), *to_index(index)]
        env = self.environment(how.pop("env", {}))
        process = Command(
            line,
            cwd=cwd or self.home,
            env=env,
            stdin=stdin,
            start_new_session=True,
            stdout=how.pop("stdout", subprocess.PIPE),
            stderr=subprocess.PIPE,
            **how,
        )
        self.others.append(Ending(process))
        return process

    def run(self, *args, timeout=30, **how):
        """A command to its end."""
        process = self.spawn(*args, **how)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(
                f"{args} did not end within {patience(timeout)} s; {out!r} {err!r}"
            ) from None
        text = [(part or b"").decode("utf-8", "backslashreplace") for part in (out, err)]
        return Result(args, process.returncode, *text)

    def ok(self, *args, **how):
        """A command that must succeed and be silent on stderr."""
        result = self.run(*args, **how)
        assert result.code == 0 and result.err == "", result
        return result

    def fails(self, code, *args, lines=2, **how):
        """A command that must end with that code, say why on stderr in so many lines at most, and
        nothing on stdout."""
        result = self.run(*args, **how)
        assert result.code == code, result
        assert result.out == "", result
        assert 1 <= len(result.err.splitlines()) <= lines and result.err.endswith("\n"), result
        return result

    def json(self, *args, **how):
        """The values of a --json command: NDJSON or one document."""
        out = self.ok(*args, "--json", **how).out
        try:
            value = json.loads(out)
            return value if isinstance(value, list) else [value]
        except ValueError:
            return [json.loads(line) for line in out.splitlines()]

    def close(self):
        faults = []
        for thing in reversed(self.others):
            faults += attempt(thing.close)
        for node in reversed(self.nodes):
            if node.process is not None and node.process.returncode is None:
                print(node.report())
                faults += attempt(node.stop)
        shutil.rmtree(self.root, ignore_errors=True)
        assert not faults, "\n".join(faults)


class Command(subprocess.Popen):
    """Its end is waited for with patience."""

    def communicate(self, input=None, timeout=None):
        try:
            return super().communicate(input, timeout and patience(timeout))
        except subprocess.TimeoutExpired as late:
            raise AssertionError(
                f"{self.args} did not end within {patience(timeout)} s; it said {late.output}, "
                f"{late.stderr}\n{stuck.where(self.pid)}"
            ) from None

    def ended(self, deadline=10):
        """The exit code."""
        return self.wait(patience(deadline))


class Ending:
    """Sees to it that a command has ended."""

    def __init__(self, process):
        self.process = process

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
            raise AssertionError(f"still running at the end of the test: {self.process.args}")
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()


def attempt(action):
    try:
        action()
    except AssertionError as fault:
        return [str(fault)]
    return []


def to_index(index):
    if index is None:
        return []
    return ["-i", index if isinstance(index, str) else index.address]


def put(path, data, age_s=3600):
    """Writes a file as if it had lain there for a while."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    then = time.time() - age_s
    os.utime(path, (then, then))
    return path


def keep_port(host, port):
    """A socket that is bound, so that the kernel gives its port to nobody who leaves the choice to
    it. It does not listen: who names the port can have it, and who connects is refused."""
    kept = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        kept.bind((host, port))
    except OSError:
        pass  # of another network, or somebody was quicker
    return kept


chosen = collections.deque(maxlen=100)


def free_port():
    """A port for what has to be named before it listens."""
    chosen.append(keep_port("127.0.0.1", 0))
    return chosen[-1].getsockname()[1]
