# SPDX-License-Identifier: MIT
"""Ways to bring one file from the node 0 of a fabric to all others: p2p and its rivals. Each is {ready(): everything that
stands before the clock starts; leech(node): starts the download there; is_done(node)}. Index, tracker and web server stand on
node 0, so that all share its link. Who has all goes on giving until the end, except with curl."""
import json
import os
import re
import shutil
import subprocess
import sys
import time

from rival import P2P


class Crowd:
    name, needs = "", ()

    def __init__(self, bench, fabric, path):
        self.bench, self.fabric, self.path = bench, fabric, path
        self.leeches = {}

    @classmethod
    def missing(cls):
        return [command for command in cls.needs if not shutil.which(command)]

    def folder(self, node):
        folder = self.bench.path(self.name.split()[0], str(node), "x")
        return os.path.dirname(folder)

    def result(self, node):
        return os.path.join(self.folder(node), os.path.basename(self.path))

    def spawn(self, node, *argv, log="log"):
        folder = self.folder(node)
        env = {**os.environ, "HOME": folder, "XDG_STATE_HOME": folder, "TR_CURL_SSL_NO_VERIFY": "1"}
        with open(os.path.join(folder, log), "w") as out:
            process = subprocess.Popen([*self.fabric.inside(node), *argv], cwd=folder, env=env, stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=subprocess.STDOUT)
        self.bench.running.append(process)
        return process

    def wait(self, what, seconds=60):
        end = time.monotonic() + seconds
        while not what():
            if time.monotonic() > end:
                sys.exit(f"{self.name}: not ready in {seconds} s; see {self.folder(0)}")
            time.sleep(0.1)

    def answers(self, *argv):
        """What a command prints on node 0; empty while it fails."""
        done = subprocess.run([*self.fabric.inside(0), *argv], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, errors="replace")
        return done.stdout if done.returncode == 0 else ""

    def is_done(self, node):
        """By default: the command has ended well."""
        code = self.leeches[node].poll()
        if code not in (None, 0):
            with open(os.path.join(self.folder(node), "log")) as log:
                sys.exit(f"{self.name} on node {node}: status {code}: {log.read()[-500:]}")
        return code == 0

    def have_ended(self):
        """None of the downloads is under way."""
        return all(leech.poll() is not None for leech in self.leeches.values())

    def marked(self, node):
        return os.path.exists(os.path.join(self.folder(node), "whole"))

    def write(self, node, name, text, mode=0o644):
        path = os.path.join(self.folder(node), name)
        with open(path, "w") as out:
            out.write(text)
        os.chmod(path, mode)
        return path


class P2PCrowd(Crowd):
    name = "p2p"

    def ready(self):
        share = os.path.dirname(self.path)
        self.spawn(0, P2P, "both", share, "-s", os.path.join(self.folder(0), "state"))
        self.wait(self.is_hashed)

    def is_hashed(self):
        lines = self.answers(P2P, "list", "--json", "-i", self.fabric.address(0)).splitlines()
        return any(json.loads(line).get("sha256") for line in lines)

    def leech(self, node, *more):
        self.leeches[node] = self.spawn(node, P2P, "get", os.path.basename(self.path), "--json", "-i", self.fabric.address(0),
                                        "--node.name", f"node-{node}", "-o", self.result(node), *more)

    def told(self, node):
        """What the get said at its end."""
        with open(os.path.join(self.folder(node), "log")) as log:
            return json.loads(log.read().splitlines()[-1])


class CurlCrowd(Crowd):
    name, needs = "curl from nginx", ("curl", "nginx")

    def ready(self):
        os.chmod(self.bench.dir, 0o755)
        conf = self.bench.nginx_conf(os.path.dirname(self.path), f"{self.fabric.address(0)}:80")
        self.spawn(0, "nginx", "-c", conf)
        self.wait(lambda: self.answers("curl", "-sI", self.url()))

    def url(self):
        return f"http://{self.fabric.address(0)}/{os.path.basename(self.path)}"

    def leech(self, node):
        self.leeches[node] = self.spawn(node, "curl", "-s", "-S", "-f", "-o", self.result(node), self.url())


class Torrent(Crowd):
    """Both BitTorrent programs: one tracker, one torrent, a hook that tells when all is there."""

    def ready(self):
        address = self.fabric.address(0)
        self.torrent = os.path.join(self.folder(0), "file.torrent")
        subprocess.run(["transmission-create", "-o", self.torrent, "-t", f"http://{address}:6969/announce", self.path],
                       check=True, stdout=subprocess.DEVNULL)
        shown = subprocess.run(["transmission-show", self.torrent], check=True, stdout=subprocess.PIPE, text=True).stdout
        name = re.search("Hash: ([0-9a-f]{40})", shown).group(1)
        # The tracker is Debian's, which serves only what is on a list; it sees its folder as the root.
        self.write(0, "list", name + "\n")
        self.spawn(0, "opentracker", "-i", address, "-p", "6969", "-P", "6969", "-d", self.folder(0), "-w", "list", log="tracker")
        scrape = f"http://{address}:6969/scrape?info_hash=" + re.sub("(..)", r"%\1", name)
        self.seed()
        self.wait(lambda: "8:completei1e" in self.answers("curl", "-s", scrape))

    is_done = Crowd.marked


class AriaCrowd(Torrent):
    name, needs = "aria2", ("aria2c", "opentracker", "transmission-create", "curl")
    same = ("--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false", "--seed-ratio=0.0", "--file-allocation=none",
            "--summary-interval=0", "--allow-overwrite=true")

    def seed(self):
        self.spawn(0, "aria2c", *self.same, "-V", "-d", os.path.dirname(self.path), self.torrent)

    def leech(self, node):
        hook = self.write(node, "hook", f"#!/bin/sh\n: >{self.folder(node)}/whole\n", 0o755)
        self.leeches[node] = self.spawn(node, "aria2c", *self.same, f"--on-bt-download-complete={hook}", "-d", self.folder(node),
                                        self.torrent)


class TransmissionCrowd(Torrent):
    name, needs = "transmission", ("transmission-cli", "opentracker", "transmission-create", "curl")
    settings = {"dht-enabled": False, "lpd-enabled": False, "utp-enabled": False, "rpc-enabled": False,
                "port-forwarding-enabled": False}

    def run(self, node, folder):
        self.write(node, "settings.json", json.dumps(self.settings))
        hook = self.write(node, "hook", f"#!/bin/sh\n: >{self.folder(node)}/whole\n", 0o755)
        return self.spawn(node, "transmission-cli", "-g", self.folder(node), "-w", folder, "-U", "-D", "-M", "-p", "51413",
                          "-f", hook, self.torrent)

    def seed(self):
        self.run(0, os.path.dirname(self.path))

    def leech(self, node):
        self.leeches[node] = self.run(node, self.folder(node))


ALL = (P2PCrowd, AriaCrowd, TransmissionCrowd, CurlCrowd)


def race(crowd, nodes, seconds):
    """All at once: {node: seconds it took}; without those that were not done in that time."""
    begun, took = time.monotonic(), {}
    for node in nodes:
        crowd.leech(node)
    while len(took) < len(nodes) and time.monotonic() - begun < seconds:
        for node in nodes:
            if node not in took and crowd.is_done(node):
                took[node] = time.monotonic() - begun
        time.sleep(0.01)
    for node in took:
        same = subprocess.run(["cmp", "-s", crowd.path, crowd.result(node)]).returncode == 0
        assert same, f"{crowd.name}: node {node} has another file"
    return took
