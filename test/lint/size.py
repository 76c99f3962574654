#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints where the bytes of each built release are, room by room and library by library, and fails when a binary is
over its budget. usage: size.py BUILD-FOLDER

A symbol belongs to the archive that the linker's map names, else to the source file that ctags finds it in: link-time
optimisation leaves neither a map nor usable line numbers of our own files. What neither knows (string constants that
the linker merged, tables of relocations, padding) stands apart.
"""
import bisect
import collections
import glob
import os
import re
import subprocess
import sys

KIB = 1024
BUDGET = {"armv7": 480 * KIB}
BUDGET_OTHERS = 640 * KIB
TOOLS = {"native": "", "native-posix": "", "aarch64": "aarch64-linux-gnu-", "armv7": "arm-linux-gnueabihf-",
         "armv6": "arm-linux-gnueabi-", "riscv64": "riscv64-linux-gnu-"}
PAGE = "web (the page)"
IN_MEMORY = re.compile(r"\.(text|rodata|data|sdata|srodata|init|fini|ARM\.ex|eh_frame|tdata)")
LIBRARIES = {"libc.a": "musl", "libgcc.a": "libgcc", "libgcc_eh.a": "libgcc", "libllhttp.a": "llhttp"}


def archives(map_path):
    """Sorted (address, end, library) of every input section that came from an archive and lies in memory. A long
    section name stands on a line of its own, before its address."""
    spans = []
    section = ""
    pattern = re.compile(r"^ (\S*)\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+\S*?([^/\s]+\.a)\(")
    with open(map_path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            alone = re.match(r"^ (\.\S+)\s*$", line)
            section = alone.group(1) if alone else section
            match = pattern.match(line)
            if not match:
                continue
            name, begin, size = match.group(1) or section, int(match.group(2), 16), int(match.group(3), 16)
            if begin and size and match.group(4) in LIBRARIES and IN_MEMORY.match(name):
                spans.append((begin, begin + size, LIBRARIES[match.group(4)]))
    return sorted(spans)


def room_of(path):
    if "/deps/src/" in path:
        return path.split("/deps/src/")[1].split("/")[0]
    return os.path.dirname(path) or path


def symbol_rooms(build):
    """{symbol: room} of everything with a name in our sources and in the libraries that are built from source."""
    paths = [p for pattern in ("p2p.c", "src/*/*.c", "platform/*.c") for p in sorted(glob.glob(pattern))]
    paths += glob.glob(os.path.join(build, "deps/src/yyjson/src/*.c")) + glob.glob(
        os.path.join(build, "deps/src/libinih/ini.c"))
    out = subprocess.run(["ctags", "-x", "--languages=C", "--c-kinds=fv", "--_xformat=%N\t%F", *paths],
                         check=True, capture_output=True, text=True).stdout
    table = {name: room_of(path) for name, path in (line.split("\t") for line in out.splitlines())}
    table["web_files"] = PAGE
    return table


def library_at(spans, starts, address):
    at = bisect.bisect_right(starts, address) - 1
    return spans[at][2] if at >= 0 and address < spans[at][1] else None


def rooms(folder, tools, known):
    """{room: bytes} of everything that lies in the file; .bss does not."""
    spans = archives(os.path.join(folder, "p2p.map"))
    starts = [span[0] for span in spans]
    count = collections.Counter()
    last_end = 0
    listing = subprocess.run([tools + "nm", "-n", "-S", "--defined-only", os.path.join(folder, "p2p.debug")],
                             check=True, capture_output=True, text=True).stdout
    for line in listing.splitlines():
        fields = line.split()
        if len(fields) != 4 or fields[2] in "bBaA":
            continue
        begin, size = int(fields[0], 16) & ~1, int(fields[1], 16)
        end = begin + size
        size, last_end = max(0, end - max(begin, last_end)), max(last_end, end)
        name = fields[3].split(".")[0]
        room = PAGE if re.fullmatch(r"file_\d+", name) else known.get(name)
        count[library_at(spans, starts, begin) or room or "names without a room"] += size
    return count


def report(build, target, known):
    folder = os.path.join(build, target)
    total = os.path.getsize(os.path.join(folder, "p2p"))
    budget = BUDGET.get(target, BUDGET_OTHERS)
    count = rooms(folder, TOOLS[target], known)
    count["merged strings, relocations, padding"] = total - sum(count.values())
    print(f"{target}: {total} bytes, {total / KIB:.0f} of {budget // KIB} KiB, "
          + (f"{(budget - total) / KIB:.0f} KiB left" if total <= budget else "OVER THE BUDGET"))
    for name, size in count.most_common():
        print(f"    {size:8d}  {100 * size / total:5.1f} %  {name}")
    return total <= budget


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    targets = [t for t in TOOLS if os.path.exists(os.path.join(sys.argv[1], t, "p2p.map"))
               and os.path.exists(os.path.join(sys.argv[1], t, "p2p.debug"))]
    known = symbol_rooms(sys.argv[1])
    results = [report(sys.argv[1], t, known) for t in targets]
    over = [t for t, fits in zip(targets, results) if not fits]
    print(f"size: {', '.join(targets)}: " + (f"over the budget: {', '.join(over)}" if over else "all within the budget"))
    sys.exit(bool(over))


if __name__ == "__main__":
    main()
