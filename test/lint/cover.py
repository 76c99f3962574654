#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints the lines that the tests reached, room by room, and the files least reached. usage: cover.py BUILD-FOLDER"""
import collections
import json
import os
import subprocess
import sys


def reached(folder):
    """{file: {line: reached}} of every object of ours; counts of one line in several objects are joined."""
    lines = collections.defaultdict(dict)
    notes = [os.path.join(top, f) for top, _, files in os.walk(os.path.join(folder, "obj")) for f in files
             if f.endswith(".gcno") and "/test/" not in top]
    for note in notes:
        out = subprocess.run(["gcov", "--json-format", "--stdout", note], capture_output=True, text=True, check=False)
        for document in out.stdout.splitlines():
            for unit in json.loads(document)["files"]:
                if unit["file"].startswith(("src/", "platform/", "p2p.c")):
                    for line in unit["lines"]:
                        known = lines[unit["file"]].get(line["line_number"], False)
                        lines[unit["file"]][line["line_number"]] = known or line["count"] > 0
    return lines


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    lines = reached(sys.argv[1])
    rooms = collections.defaultdict(lambda: [0, 0])
    files = []
    for path, counts in sorted(lines.items()):
        hit = sum(counts.values())
        files.append((hit / max(1, len(counts)), path, len(counts)))
        for name in (os.path.dirname(path) or path, "all"):
            rooms[name][0] += hit
            rooms[name][1] += len(counts)
    for name, (hit, total) in sorted(rooms.items()):
        print(f"{name:14s} {100 * hit / max(1, total):5.1f} %  {hit} of {total} lines")
    print("least reached:")
    for share, path, total in sorted(files)[:8]:
        print(f"    {100 * share:5.1f} %  {path} ({total} lines)")


if __name__ == "__main__":
    main()
