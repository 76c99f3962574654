# SPDX-License-Identifier: MIT
"""What the benches share: roles of p2p and rival servers on loopback, commands timed in turn, medians and ratios. All files
lie in a folder of their own in memory (P2P_BENCH_DIR, default /dev/shm) and are removed at the end."""
import json
import mmap
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

P2P = os.path.abspath(os.environ.get("P2P", "build/native/p2p"))


class Bench:
    def __init__(self, name):
        self.dir = tempfile.mkdtemp(prefix=f"p2p-bench-{re.sub(r'[^a-z0-9]+', '-', name)}-", dir=os.environ.get("P2P_BENCH_DIR", "/dev/shm"))
        self.running = []
        print(f"== {name}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.dir)

    def stop(self):
        """Ends what runs; who does not end when asked is killed."""
        for process in self.running:
            process.terminate()
        for process in self.running:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.running.clear()

    def path(self, *parts):
        path = os.path.join(self.dir, *parts)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def start(self, argv, log):
        process = subprocess.Popen(argv, stdout=open(log, "w"), stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.running.append(process)
        return process

    def role(self, *argv, prefix=(), ready=r"listening on \S*:(\d+)", name="node", cpus=None):
        """Starts a role and waits for a line of its log; returns (process, port, log)."""
        log = self.path(f"{name}.log")
        pin = ["taskset", "-c", cpus] if cpus else []
        process = self.start([*pin, *prefix, P2P, *argv, "-l", "127.0.0.1:0", "-s", self.path(f"state-{name}")], log)
        port = int(wait_line(log, r"listening on \S*:(\d+)").group(1))
        if ready:
            wait_line(log, ready)
        return process, port, log

    def nginx(self, root, cpus=None):
        port = free_port()
        conf = self.nginx_conf(root, f"127.0.0.1:{port}")
        pin = ["taskset", "-c", cpus] if cpus else []
        os.chmod(self.dir, 0o755)
        self.start([*pin, program("nginx"), "-c", conf], self.path("nginx", "log"))
        wait_port(port)
        return port

    def nginx_conf(self, root, listen):
        conf = self.path("nginx", "nginx.conf")
        with open(conf, "w") as out:
            out.write(f"""daemon off; worker_processes 1; pid {self.path('nginx', 'pid')}; error_log {self.path('nginx', 'err')};
events {{ worker_connections 1024; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; open_file_cache max=100;
client_body_temp_path {self.path('nginx', 'b')}; proxy_temp_path {self.path('nginx', 'p')};
fastcgi_temp_path {self.path('nginx', 'f')}; uwsgi_temp_path {self.path('nginx', 'u')}; scgi_temp_path {self.path('nginx', 's')};
server {{ listen {listen}; root {root}; }} }}
""")
        return conf

    def worker_of_nginx(self):
        """Its one worker: the child of the process that was started last."""
        with open(f"/proc/{self.running[-1].pid}/task/{self.running[-1].pid}/children") as children:
            return int(children.read().split()[0])

    def big_file(self, path, size):
        """size bytes that do not repeat; written with a stream cipher, since the system's random source is slow."""
        subprocess.run(f"head -c {size} /dev/zero | openssl enc -aes-128-ctr -pass pass:bench -nosalt 2>/dev/null > {path}",
                       shell=True, check=True)
        return path

    def warm(self, size):
        """First touch of memory is slow: take it once and give it back."""
        path = self.path("warm")
        with open(path, "wb") as out:
            block = bytes(1 << 20)
            for _ in range(size >> 20):
                out.write(block)
        os.unlink(path)


def touch(size):
    """Takes and gives back so much memory: the first touch of it is slow, and no affair of what is measured right after. Huge
    pages and small ones come from different stocks."""
    for advice in (mmap.MADV_HUGEPAGE, mmap.MADV_NOHUGEPAGE):
        with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as room:
            room.madvise(advice)
            for at in range(0, size, mmap.PAGESIZE):
                room[at] = 1


def program(name):
    """Its path, or None; servers lie where a user's PATH does not lead."""
    return shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/local/sbin")


def has(name, package=None):
    """Whether a rival is there; when it is not, what is left out and how to get it."""
    found = program(name) is not None
    if not found:
        print(f"NOT INSTALLED: {name}; nothing is compared with it here (apt-get install {package or name})")
    return found


def need(*names):
    """What a bench makes no sense without: it ends, and the benches behind it go on."""
    if not all([has(name) for name in names]):
        print("this bench is left out")
        sys.exit(0)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Busy:
    """What the machine's processors do: all of it, what is done for packets, and what is ours; while a process of ours has a
    processor, packets are handled in its time, too."""

    def __init__(self):
        with open("/proc/stat") as stat:
            self.spent = [int(word) for word in stat.readline().split()[1:9]]
        self.own = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))

    def since(self, earlier):
        """Parts of the time: (busy, network, ours). The children of that time have ended."""
        spent = [end - begin for end, begin in zip(self.spent, earlier.spent)]
        idle, network, ours = spent[3] + spent[4], spent[5] + spent[6], (self.own - earlier.own) * os.sysconf("SC_CLK_TCK")
        return tuple(part / max(1, sum(spent)) for part in (sum(spent) - idle, network, ours))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_port(port):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    sys.exit(f"nobody listens on {port}")


def wait_line(log, pattern, seconds=600):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with open(log) as text:
            found = re.search(pattern, text.read())
        if found:
            return found
        time.sleep(0.02)
    sys.exit(f"no line {pattern!r} in {log}")


def wait_hashed(port, files, seconds=600):
    """Until the peer that listens there has hashed so many files."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/stats") as answer:
            if json.load(answer)["hashed"] >= files:
                return
        time.sleep(0.02)
    sys.exit(f"{files} files were not hashed in {seconds} s")


def timed(argv, cwd=None):
    """Runs a command that must succeed: (wall seconds, CPU seconds)."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.monotonic()
    done = subprocess.run(argv, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wall = time.monotonic() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"{argv}: status {done.returncode}\n{done.stderr.decode()}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def in_turn(rounds, contenders):
    """contenders: {name: function that returns a figure}. Each round runs all of them; returns the medians."""
    figures = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            figures[name].append(run())
    return {name: statistics.median(values) for name, values in figures.items()}


def verdict(what, ratio, wanted):
    print(f"{what}: {ratio:.2f} x (at least {wanted} x) {'ok' if ratio >= wanted else 'MISSED'}")


def most(what, figure, wanted):
    print(f"{what}: {figure:.2f} (at most {wanted:g}) {'ok' if figure <= wanted else 'MISSED'}")
