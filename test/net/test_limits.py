# SPDX-License-Identifier: MIT
"""upload_limit and download_limit are exact over ten seconds. Counted is what the downloader
writes, from one byte count to another: the burst at the beginning lies before the first."""

import os
import re
import time
from concurrent.futures import ThreadPoolExecutor

from fleet import wait_until

RATE = 2 << 20
LIMIT = "2M/s"
SECONDS = 10
MOST = 30  # seconds' worth: more than is waited for


def written(process):
    with open(f"/proc/{process.pid}/io", encoding="ascii") as counters:
        return time.monotonic(), int(re.search(r"wchar: (\d+)", counters.read()).group(1))


def check_rate(what, process):
    """Over any ten seconds it is never above the limit. A process that gets no processor for a while
    stays below it: so one of them has to reach it, and mostly does the first."""
    wait_until(lambda: written(process)[1] >= RATE, what="the burst is over")
    seen = []

    def reaches():
        now = written(process)
        seen.append(now)
        past = [one for one in seen if now[0] - one[0] >= SECONDS]
        if not past:
            return False
        rate = (now[1] - past[-1][1]) / (now[0] - past[-1][0]) / RATE
        assert rate <= 1.05, (what, rate)
        return rate >= 0.95

    wait_until(reaches, 3 * SECONDS, f"{what}: ten seconds at the limit")


def test_limits_are_exact(fleet):
    data = os.urandom(RATE) * MOST
    index = fleet.index()
    slow = ("--transfer.upload_limit", LIMIT)
    fleet.peer(index, {"up.bin": data}, *slow, name="slow")
    fleet.peer(index, {"down.bin": data[::-1]}, name="fast")
    index.wait_file("up.bin", node="slow", deadline=30)
    index.wait_file("down.bin", node="fast", deadline=30)
    gets = {
        "upload": fleet.spawn("get", "up.bin", index=index),
        "download": fleet.spawn("get", "down.bin", "--transfer.download_limit", LIMIT, index=index),
    }
    with ThreadPoolExecutor(len(gets)) as pool:
        list(pool.map(check_rate, gets, gets.values()))
    for process in gets.values():
        process.terminate()
        process.communicate(timeout=30)
        assert process.returncode == 143
