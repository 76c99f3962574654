#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Swarms over limited links in namespaces (fabric.py), beside aria2, transmission and nginx with curl; several sources over
loopback; liars; limits; and what a busy node leaves to others. All parts, or those named: bench_swarm.py [--part NAME,...]
[--rival NAME,...|none] [--rounds N]. The swarms need root."""
import argparse
import hashlib
import json
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

from crowd import ALL, P2PCrowd, race
from fabric import PAYLOAD, Fabric, congestion_control, fluid_bound, payload_rate
from rival import P2P, Bench, Busy, cpu_seconds, in_turn, most, timed, verdict, wait_hashed

sys.dont_write_bytecode = True
MIB = 1 << 20
SWARM = int(os.environ.get("P2P_BENCH_SWARM", 64 * MIB))
CUT_OFF = int(os.environ.get("P2P_BENCH_CUT_OFF", 200))  # seconds that a rival may take


# ---- a and b: equal links ----

def equal(options, leechers, mbit, wanted):
    bound = fluid_bound(SWARM, payload_rate(mbit), [payload_rate(mbit)] * leechers)
    print(f"{leechers} leechers, all links {mbit} Mbit/s both ways (tbf), {SWARM >> 20} MiB; TCP's payload is {PAYLOAD:.4f} of a "
          f"link, so the bound is {bound:.2f} s; congestion control {congestion_control()}")
    last = {}
    for crowd in ALL:
        if crowd is not P2PCrowd and options.rival is not None and crowd.name.split()[0] not in options.rival:
            continue
        if crowd.missing():
            print(f"{crowd.name:16} skipped: {', '.join(crowd.missing())} missing")
            continue
        times = [one_race(crowd, leechers, mbit) for _ in range(options.rounds if crowd is P2PCrowd else 1)]
        last[crowd.name] = report_race(crowd.name, times, leechers, bound)
    most(f"p2p, {leechers} x {mbit} Mbit/s, last done over the bound", last["p2p"] / bound, wanted)
    for name, seconds in last.items():
        if name != "p2p":
            verdict(f"p2p ahead of {name}, {leechers} x {mbit} Mbit/s", seconds / last["p2p"], 1.0)


def one_race(crowd, leechers, mbit):
    """Seconds of each, sorted, cut off after so many; what the seed sent; what the processors did."""
    with Bench(f"swarm of {leechers}, {crowd.name}") as bench, Fabric([mbit] * (leechers + 1)) as fabric:
        path = bench.big_file(bench.path("share", "image"), SWARM)
        one = crowd(bench, fabric, path)
        one.ready()
        (sent, _), busy = fabric.sent(0), Busy()
        took = race(one, range(1, leechers + 1), CUT_OFF)
        sent = (fabric.sent(0)[0] - sent) * PAYLOAD / SWARM
        bench.stop()
        return sorted(took.values()), sent, Busy().since(busy)


def report_race(name, times, leechers, bound):
    done, sent, (busy, network, ours) = sorted(times, key=lambda run: (len(run[0]) < leechers, run[0][-1:]))[len(times) // 2]
    last = done[-1] if len(done) == leechers else CUT_OFF
    all_last = ", ".join(f"{run[0][-1] / bound:.2f}" for run in times if len(run[0]) == leechers)
    text = f"last {last:6.2f} s = {last / bound:.2f} x the bound" if len(done) == leechers else \
        f"cut off after {CUT_OFF} s = {CUT_OFF / bound:.2f} x the bound, {len(done)} of {leechers} done"
    median = f"median {statistics.median(done):6.2f} s, " if len(done) > leechers // 2 else ""
    print(f"{name:16} {median}{text}, the seed sent {sent:.2f} x the file" + (f"; runs {all_last}" if len(times) > 1 else ""))
    print(f"{'':16} the processors were {busy:.0%} busy; these programs had {ours:.0%}, packets {network:.0%} (in part the same)")
    return last


# ---- c: mixed links, late comers, the seed dies ----

def mixed(options):
    size, count = SWARM // 2, 12
    draw = random.Random(7)
    rates = [5, 100] + [draw.uniform(5, 100) for _ in range(count - 2)]
    print(f"{count} leechers with 5 to 100 Mbit/s ({', '.join(f'{r:.0f}' for r in rates)}), joining over 10 s, {size >> 20} MiB; "
          "the seed (25 Mbit/s) is killed when it has sent 1.1 x the file; who has all lingers")
    with Bench("swarm, mixed") as bench, Fabric([100, 25, *rates]) as fabric:
        path = bench.big_file(bench.path("share", "image"), size)
        crowd = P2PCrowd(bench, fabric, path)
        crowd.spawn(0, P2P, "index", "-s", os.path.join(crowd.folder(0), "state"))
        crowd.wait(lambda: crowd.answers(P2P, "status", "-i", fabric.address(0)))
        seed = crowd.spawn(1, P2P, "peer", os.path.dirname(path), "-i", fabric.address(0), "-s", os.path.join(crowd.folder(1), "state"))
        crowd.wait(crowd.is_hashed)
        base, begun, joined, took, killed = fabric.payload(1), time.monotonic(), {}, {}, None
        bound = fluid_bound(size, payload_rate(25), [payload_rate(r) for r in rates])
        while len(took) < count and time.monotonic() - begun < 4 * bound + 80 and not (len(joined) == count and crowd.have_ended()):
            now = time.monotonic() - begun
            for node in range(2, count + 2):
                if node not in joined and now >= (node - 2) * 10 / (count - 1):
                    crowd.leech(node, "--linger", "forever")
                    joined[node] = now
                if node in joined and node not in took and os.path.exists(crowd.result(node)):
                    took[node] = now
            if killed is None and fabric.payload(1) - base >= 1.1 * size:
                seed.kill()
                killed = now
            time.sleep(0.05)
        for node, seconds in sorted(took.items()):
            assert subprocess.run(["cmp", "-s", path, crowd.result(node)]).returncode == 0
            own = size / payload_rate(rates[node - 2])
            print(f"  {rates[node - 2]:5.1f} Mbit/s, joined at {joined[node]:4.1f} s: done after {seconds - joined[node]:5.1f} s, "
                  f"{(seconds - joined[node]) / own:.2f} x its own link's least")
        state = f"killed at {killed:.1f} s" if killed else "alive: it never had to send so much"
        print(f"mixed links: {len(took)} of {count} finished, last at {max(took.values(), default=0):.1f} s (bound {bound:.1f} s); the seed is {state}")
        for node in joined:
            if node not in took:
                with open(os.path.join(crowd.folder(node), "log")) as log:
                    print(f"  node {node} did not finish: {log.read()[-200:].strip() or 'it still waits'}")
        if len(took) < count:
            print("a piece that had left the seed to nobody is lost with it: see docs/simulation.md")
        verdict("mixed links, share that finished", len(took) / count, 1.0)


# ---- d: loopback, four sources ----

def loopback(options):
    size = int(os.environ.get("P2P_BENCH_SIZE", 1 << 30))
    gib = size / (1 << 30)
    with Bench("four sources over loopback") as bench:
        image = bench.big_file(bench.path("share-0", "image"), size)
        alone = bench.big_file(bench.path("share-0", "alone"), size - 1)  # another content, which one has
        bench.warm(size)
        _, index, _ = bench.role("index", name="index")
        peers = []
        for i in range(4):
            if i > 0:
                os.link(image, bench.path(f"share-{i}", "image"))
            process, at, _ = bench.role("peer", bench.path(f"share-{i}"), "-i", f"127.0.0.1:{index}", name=f"peer-{i}", ready="joined")
            wait_hashed(at, 2 if i == 0 else 1)
            peers.append(process.pid)
        out, cpu = bench.path("out", "image"), {}

        def fetch(name, argv, path, senders):
            def run():
                if os.path.exists(out):
                    os.unlink(out)
                before = [cpu_seconds(pid) for pid in senders]
                wall, own = timed(argv, cwd=os.path.dirname(out))
                assert os.path.getsize(out) == os.path.getsize(path)
                sent = sum(cpu_seconds(pid) for pid in senders) - sum(before)
                cpu.setdefault(name, []).append((sent / gib, own / gib))
                return size / wall / 1e6
            return run

        get = [P2P, "get", "-i", f"127.0.0.1:{index}", "-o", out]
        url = f"http://127.0.0.1:{bench.nginx(bench.path('share-0'))}/image"
        worker = bench.worker_of_nginx()
        contenders = {"p2p, 1 source": fetch("p2p, 1 source", [*get, "alone"], alone, peers),
                      "p2p, 4 sources": fetch("p2p, 4 sources", [*get, "image"], image, peers),
                      "curl from nginx": fetch("curl from nginx", ["curl", "-s", "-o", out, url], image, [worker])}
        if shutil.which("aria2c"):
            contenders["aria2c, 4 connections"] = fetch(
                "aria2c, 4 connections", ["aria2c", "-q", "-x4", "-s4", "--file-allocation=none", "--allow-overwrite=true", "-d",
                                          os.path.dirname(out), "-o", "image", url], image, [worker])
        figures = in_turn(options.rounds, contenders)
        for name, rate in figures.items():
            sent, own = (statistics.median(side) for side in zip(*cpu[name]))
            print(f"{name:24} {rate:6.0f} MB/s; CPU s per GiB: {sent:.2f} sender, {own:.2f} receiver")
        verdict("four sources / one", figures["p2p, 4 sources"] / figures["p2p, 1 source"], 1.0)


# ---- e: liars ----

def liars(options):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "test", "net"))
    import chains  # pylint: disable=import-outside-toplevel
    from holder import Holder  # pylint: disable=import-outside-toplevel

    class Liar(Holder):
        """The true chain, and wrong bytes throughout."""

        def bytes_of(self, first, length):
            return bytes(length)

    size, honest, lying, getters = 32 * MIB, 18, 2, 4
    with Bench("liars") as bench:
        path = bench.big_file(bench.path("share-0", "image"), size)
        with open(path, "rb") as file:
            data = file.read()
        sha = hashlib.sha256(data).hexdigest()
        _, index, _ = bench.role("index", name="index")
        for i in range(honest):
            if i > 0:
                os.link(path, bench.path(f"share-{i}", "image"))
            _, at, _ = bench.role("peer", bench.path(f"share-{i}"), "-i", f"127.0.0.1:{index}", "--transfer.upload_limit", "3M/s",
                                  name=f"peer-{i}", ready="joined")
            wait_hashed(at, 1)
        with urllib.request.urlopen(f"http://127.0.0.1:{at}/v1/chain/{sha}") as answer:
            states = answer.read()
        chains.chain = lambda _: states  # in Python it would take minutes

        class Index:
            address = f"127.0.0.1:{index}"

        liar = [Liar(Index, data, name=f"liar-{i}", path="image") for i in range(lying)]
        processes = []
        try:
            for i in range(getters):
                folder = os.path.dirname(bench.path(f"out-{i}", "x"))
                processes.append((subprocess.Popen([P2P, "get", "image", "--json", "-i", Index.address], cwd=folder,
                                                   stdout=subprocess.PIPE, text=True), folder))
            told = []
            for process, folder in processes:
                out, _ = process.communicate(timeout=CUT_OFF)
                assert process.returncode == 0, f"status {process.returncode}"
                assert subprocess.run(["cmp", "-s", path, os.path.join(folder, "image")]).returncode == 0
                told.append(json.loads(out.splitlines()[-1]))
            lied = sum(one.sent for one in liar)
        finally:
            for process, _ in processes:
                process.kill()
            for one in liar:
                one.close()
        wasted = sum(line["wasted"] for line in told)
        named = {source["name"] for line in told for source in line["sources"] if source["blamed"]}
        slowest = max(line["elapsed_ms"] for line in told) / 1000
        print(f"{lying} of {honest + lying} holders send wrong bytes: {getters} of {getters} gets done and right, the last after {slowest:.1f} s; "
              f"lied {lied} bytes, wasted {wasted}; blamed: {', '.join(sorted(named)) or 'nobody'}")
        most("wasted / lied", wasted / max(1, lied), 2)
        assert named <= {"liar-0", "liar-1"} and (named or lied == 0), named


# ---- f: limits, and what a busy node leaves to others ----

def seconds_for(read, rate):
    """Seconds that 10 s worth of bytes take, after the first second's; read() gives the bytes so far."""
    marks = []
    for bytes_ in (rate, 11 * rate):
        while (so_far := read()) < bytes_:
            time.sleep(0.005)
        marks.append((time.monotonic(), so_far))
    (begun, first), (ended, last) = marks
    return (last - first) / (ended - begun) / rate


def limits(options):
    rate = 8 * MIB
    with Bench("limits") as bench:
        path = bench.big_file(bench.path("share", "image"), 13 * rate)
        _, index, _ = bench.role("index", name="index")
        for what in ("upload", "download"):
            slow = ["--transfer.upload_limit", "8M/s"] if what == "upload" else []
            peer, at, _ = bench.role("peer", bench.path("share"), "-i", f"127.0.0.1:{index}", *slow, name=f"peer-{what}", ready="joined")
            wait_hashed(at, 1)
            argv = [P2P, "get", "image", "-i", f"127.0.0.1:{index}", "-o", bench.path("out", what)]
            argv += ["--transfer.download_limit", "8M/s"] if what == "download" else []
            get = bench.start(argv, bench.path(f"get-{what}.log"))

            def written():
                with open(f"/proc/{get.pid}/io") as io:
                    return int(re.search(r"wchar: (\d+)", io.read()).group(1))

            ratio = seconds_for(written, rate)
            assert get.wait(60) == 0
            assert subprocess.run(["cmp", "-s", path, bench.path("out", what)]).returncode == 0
            peer.terminate()
            peer.wait()
            print(f"{what}_limit 8M/s over 10 s, after the first: {ratio:.3f} of it "
                  f"{'ok' if abs(ratio - 1) <= 0.05 else 'MISSED'} (0.95 to 1.05)")


def lookups(port, sha, seconds):
    """Look-ups on one connection for some time: their latencies in ms."""
    request = f"GET /v1/sources/{sha} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    times = []
    with socket.create_connection(("127.0.0.1", port)) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end = time.monotonic() + seconds
        while (begun := time.monotonic()) < end:
            link.sendall(request)
            answer = b""
            while b'"end":true' not in answer:
                answer += link.recv(65536)
            times.append((time.monotonic() - begun) * 1000)
            time.sleep(0.001)
    times.sort()
    return statistics.median(times), times[len(times) * 99 // 100]


def curl_rate(url, seconds):
    """What one more client gets in so many seconds, MB/s."""
    done = subprocess.run(["curl", "-s", "-o", "/dev/null", "-m", str(seconds), "-w", "%{size_download} %{time_total}", url],
                          stdout=subprocess.PIPE, text=True)
    size, took = done.stdout.split()
    return int(size) / float(took) / 1e6


def fairness(options):
    size, seconds = 4 << 30, 4
    with Bench("a busy node") as bench:
        bench.warm(size)
        small = bench.big_file(bench.path("mine", "mine"), 1 << 30)
        bench.big_file(bench.path("theirs", "theirs"), size)
        with open(small, "rb") as file:
            sha = subprocess.run(["openssl", "dgst", "-sha256", "-r"], stdin=file, stdout=subprocess.PIPE, text=True).stdout.split()[0]
        state = bench.path("state-both", "x")
        _, port, _ = bench.role("both", bench.path("mine"), name="both")
        wait_hashed(port, 1)
        _, at, _ = bench.role("peer", bench.path("theirs"), "-i", f"127.0.0.1:{port}", name="peer", ready="joined")
        wait_hashed(at, 1)
        url = f"http://127.0.0.1:{port}/download/mine"
        idle = lookups(port, sha, seconds)
        alone = curl_rate(url, 2)
        pair = two_clients(url, seconds)
        stop = threading.Event()
        client = threading.Thread(target=keep_fetching, args=(url, stop), daemon=True)
        client.start()
        get = bench.start([P2P, "get", "theirs", "-s", os.path.dirname(state), "-i", f"127.0.0.1:{port}", "--json"], bench.path("get.log"))
        busy = lookups(port, sha, seconds)
        second = curl_rate(url, 2)
        still = get.poll() is None
        stop.set()
        client.join()
        get.terminate()
        print(f"look-ups at an idle node: median {idle[0]:.2f} ms, p99 {idle[1]:.2f} ms; while it downloads and uploads at full speed: "
              f"median {busy[0]:.2f} ms, p99 {busy[1]:.2f} ms")
        print(f"a client alone {alone:.0f} MB/s; two clients {pair[0]:.0f} and {pair[1]:.0f} MB/s; a second client while the node also "
              f"downloads {second:.0f} MB/s{'' if still else ' (the download had ended)'}")
        most("p99 of look-ups at the busy node, ms", busy[1], 50)
        verdict("the lesser of two clients / the greater", min(pair) / max(pair), 0.5)
        verdict("a second client beside a download / a third of one alone", second / (alone / 3), 0.5)


def keep_fetching(url, stop):
    while not stop.is_set():
        curl_rate(url, 1)


def two_clients(url, seconds):
    rates = []
    both = [threading.Thread(target=lambda: rates.append(curl_rate(url, seconds))) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    return rates


PARTS = {"8": lambda options: equal(options, 8, 50, 1.10), "24": lambda options: equal(options, 24, 20, 1.15), "mixed": mixed,
         "loopback": loopback, "liars": liars, "limits": limits, "fairness": fairness}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--rival", help="of aria2, transmission, curl; none: p2p alone")
    parser.add_argument("--rounds", type=int, default=3, help="of p2p; rivals run once")
    options = parser.parse_args()
    options.rival = options.rival and options.rival.split(",")
    for name in options.part.split(","):
        if os.geteuid() != 0 and name in ("8", "24", "mixed"):
            print(f"== part {name}: skipped, it needs root")
            continue
        PARTS[name](options)


if __name__ == "__main__":
    main()
