# SPDX-License-Identifier: MIT
"""Machines of their own: network namespaces on one bridge, each with an address that may be any, for
the machine's own namespace sees none of them. Needs root."""

import itertools
import os
import subprocess

COUNT = itertools.count()  # a link that was removed keeps its name for a moment


def sh(*words, **how):
    return subprocess.run(words, check=True, capture_output=True, text=True, **how)


class Island:
    """A namespace for each address (of one /24); a link can be taken down as a cable is pulled."""

    def __init__(self, addresses):
        self.name = f"p{os.getpid() % 1000000}n{next(COUNT)}"
        self.spaces = [f"{self.name}-{i}" for i in range(len(addresses))]
        self.made = []
        try:
            self._make(addresses)
        except (OSError, subprocess.CalledProcessError):
            self.close()
            raise

    def _make(self, addresses):
        self._add("link", self.name, "type", "bridge")
        sh("ip", "link", "set", self.name, "up")
        for i, (space, address) in enumerate(zip(self.spaces, addresses)):
            self._add("netns", space)
            link = f"{self.name}v{i}"
            sh("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", space)
            sh("ip", "link", "set", link, "master", self.name, "up")
            sh("ip", "-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
            for end in ("eth0", "lo"):
                sh("ip", "-n", space, "link", "set", end, "up")

    def _add(self, what, name, *more):
        sh("ip", what, "add", name, *more)
        self.made.append(("ip", what, "del", name))

    def plug(self, i, state):
        sh("ip", "link", "set", f"{self.name}v{i}", state)

    def inside(self, i):
        return ["ip", "netns", "exec", self.spaces[i]]

    def close(self):
        for command in reversed(self.made):
            subprocess.run(command, check=False, capture_output=True)
