# SPDX-License-Identifier: MIT
"""A network in namespaces: each node has its own, on one bridge, over a veth pair with a token bucket at both ends (tbf: what
leaves the node is limited at its own end, what comes to it at the bridge's). Nothing of it is in the machine's own namespace,
and all of it goes when the fabric is closed. As root only."""
import os
import signal
import subprocess
import sys

QUEUE = "50ms"  # how long a packet may wait in a bucket
# The bridge's frames are nobody's to filter: that costs a few per cent of all processors where the kernel has it on.
NO_FILTER = "for f in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e $f ] || echo 0 >$f; done"
BURST = 32 << 10  # bytes at once; half a millisecond of a link of 500 Mbit/s
# What a bucket counts: the Ethernet frame without its check sum. A full segment is 1,448 bytes of payload behind 14 bytes of
# Ethernet, 20 of IPv4 and 32 of TCP with time stamps. Acknowledgements of the other direction are not counted off.
FRAME = 14 + 20 + 32 + 1448
PAYLOAD = 1448 / FRAME
PREFIX = "p2p-bench"


def payload_rate(mbit):
    """Bytes a second that TCP can carry over such a link."""
    return mbit * 1e6 / 8 * PAYLOAD


def fluid_bound(size, seed, peers):
    """Kumar and Ross 2006: no way of handing out is faster. All rates in bytes a second."""
    return max(size / seed, size / min(peers), len(peers) * size / (seed + sum(peers)))


def run(*argv, text=None):
    done = subprocess.run(argv, input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


def spaces():
    return [line.split()[0] for line in run("ip", "netns", "list").splitlines() if line.startswith(PREFIX + "-")]


def remove(names):
    for name in names:
        subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)


def remove_left_over():
    """What a bench left that was killed so that it could clean nothing up."""
    remove(name for name in spaces() if not os.path.exists(f"/proc/{name.split('-')[2]}"))


class Fabric:
    """rates: Mbit/s of each node's link, both ways the same; node i is 10.77.i/250.i%250+1."""

    def __init__(self, rates):
        if os.geteuid() != 0:
            sys.exit("namespaces and token buckets need root")
        remove_left_over()
        self.rates = list(rates)
        self.hub = f"{PREFIX}-{os.getpid()}-hub"
        self.names = [f"{PREFIX}-{os.getpid()}-{i}" for i in range(len(self.rates))]

    def __enter__(self):
        # Ctrl-C is a KeyboardInterrupt already; let a plain kill end the bench in the same way.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            self.build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def build(self):
        run("ip", "-batch", "-", text="".join(f"netns add {name}\n" for name in [self.hub, *self.names]))
        hub, qdiscs = ["link add br0 type bridge", "link set br0 up"], []
        for i, (name, mbit) in enumerate(zip(self.names, self.rates)):
            hub += [f"link add v{i} type veth peer name eth0 netns {name}", f"link set v{i} master br0", f"link set v{i} up"]
            qdiscs.append(f"qdisc add dev v{i} root {bucket(mbit)}")
        run("ip", "-n", self.hub, "-batch", "-", text="\n".join(hub) + "\n")
        run("ip", "netns", "exec", self.hub, "sh", "-c", NO_FILTER)
        run("tc", "-n", self.hub, "-batch", "-", text="\n".join(qdiscs) + "\n")
        for i, (name, mbit) in enumerate(zip(self.names, self.rates)):
            run("ip", "-n", name, "-batch", "-",
                text=f"link set lo up\naddress add {self.address(i)}/16 dev eth0\nlink set eth0 up\nroute add default dev eth0\n")
            run("tc", "-n", name, "-batch", "-", text=f"qdisc add dev eth0 root {bucket(mbit)}\n")

    def __exit__(self, *_):
        remove([*self.names, self.hub])

    def address(self, node):
        return f"10.77.{node // 250}.{node % 250 + 1}"

    def inside(self, node):
        """What to put before a command that shall run on that node."""
        return ["ip", "netns", "exec", self.names[node]]

    def sent(self, node):
        """Bytes that left the node so far, as its bucket counts them, and packets that it dropped."""
        words = run("tc", "-n", self.names[node], "-s", "qdisc", "show", "dev", "eth0").replace("(dropped", "").replace(",", "").split()
        return int(words[words.index("Sent") + 1]), int(words[words.index("pkt") + 1])

    def payload(self, node):
        """Bytes of TCP's payload that left the node so far, about, without what TCP had to repeat: a burst into a full bucket
        costs it a tenth of a small file."""
        names, values = (line.split() for line in run(*self.inside(node), "grep", "^Tcp:", "/proc/net/snmp").splitlines())
        return (self.sent(node)[0] - int(values[names.index("RetransSegs")]) * FRAME) * PAYLOAD


def bucket(mbit):
    return f"tbf rate {int(mbit * 1e6)}bit burst {BURST} latency {QUEUE}"


def congestion_control():
    with open("/proc/sys/net/ipv4/tcp_congestion_control") as name:
        return name.read().strip()
