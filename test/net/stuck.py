# SPDX-License-Identifier: MIT
"""Where a process stands that should have ended: what each of its threads waits for, which signals are on their way to
it or held back, and the stacks if there is a debugger."""

import shutil
import subprocess
from pathlib import Path

SIGNALS = ("SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt")


def line_of(path):
    try:
        return path.read_text().strip()
    except OSError as fault:
        return f"({fault.strerror})"


def thread(task):
    status = dict(line.split(":\t", 1) for line in line_of(task / "status").splitlines() if ":\t" in line)
    signals = " ".join(f"{name} {status[name]}" for name in SIGNALS if name in status)
    where = f"{status.get('State')} in {line_of(task / 'wchan')}, call {line_of(task / 'syscall')}"
    return f"thread {task.name}: {where}\n  {signals}"


def stacks(pid):
    debugger = shutil.which("gdb")
    if debugger is None:
        return "(no gdb, no stacks)"
    words = [debugger, "-p", str(pid), "-batch", "-nx", "-ex", "thread apply all backtrace 24"]
    try:
        out = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False).stdout
    except subprocess.TimeoutExpired:
        return "(gdb did not end)"
    return "\n".join(line for line in out.splitlines() if line.startswith(("Thread", "#")))


def where(pid):
    tasks = sorted(Path(f"/proc/{pid}/task").glob("*"))
    return "\n".join([f"pid {pid} stands still:", *map(thread, tasks), stacks(pid)])
