# SPDX-License-Identifier: MIT
"""upload_limit and download_limit are exact over ten seconds. Counted is what the downloader
writes, from one byte count to another: the burst at the beginning lies before the first."""

import os
import re
import time
from concurrent.futures import ThreadPoolExecutor

from fleet import SLOW, wait_until

RATE = 2 << 20
LIMIT = "2M/s"
SECONDS = 10


def written(process):
    with open(f"/proc/{process.pid}/io", encoding="ascii") as counters:
        return int(re.search(r"wchar: (\d+)", counters.read()).group(1))


def when(process, count):
    """Waits for so many bytes: (the time, how many it was)."""

    def enough():
        so_far = written(process)
        return (time.monotonic(), so_far) if so_far >= count else None

    return wait_until(enough, 4 * SECONDS, f"{count} bytes written")


def rate_of(process):
    """Bytes/s over ten seconds, after the first."""
    begun, first = when(process, RATE)
    ended, last = when(process, (1 + SECONDS) * RATE)
    return (last - first) / (ended - begun)


def test_limits_are_exact(fleet):
    data = os.urandom((2 + SECONDS) * RATE)
    index = fleet.index()
    slow = ("--transfer.upload_limit", LIMIT)
    fleet.peer(index, {"up.bin": data}, *slow, name="slow")
    fleet.peer(index, {"down.bin": data[::-1]}, name="fast")
    index.wait_file("up.bin", node="slow")
    index.wait_file("down.bin", node="fast")
    gets = {
        "upload": fleet.spawn("get", "up.bin", index=index),
        "download": fleet.spawn("get", "down.bin", "--transfer.download_limit", LIMIT, index=index),
    }
    with ThreadPoolExecutor(len(gets)) as pool:
        rates = dict(zip(gets, pool.map(rate_of, gets.values())))
    for what, rate in rates.items():
        assert 0.95 * RATE <= rate <= 1.05 * RATE, (what, rate / RATE)
    for process in gets.values():
        assert process.communicate(timeout=30 * SLOW)[1] == b"" and process.returncode == 0
