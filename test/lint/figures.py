#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures the house figures of the sources and fails where one is left: lengths, parameters, and words that do not
belong in a finished file. Needs universal-ctags. Run from the root of the tree; prints one line per finding."""
import json
import os
import re
import statistics
import subprocess
import sys

FILE_LINES, HEADER_LINES, FUNCTION_LINES, MEDIAN, P90, PARAMETERS, COLUMNS = 700, 120, 80, 12, 40, 5, 100

UNSAFE = re.compile(r"\b(strcpy|strcat|strncat|sprintf|vsprintf|strtok|gets|alloca|setjmp|longjmp)\s*\(")
HEAP = re.compile(r"(?<![.>\w])(malloc|calloc|realloc|free|strdup|strndup|aligned_alloc|posix_memalign)\s*\(")
SYSTEM = re.compile(r"^\s*#\s*(if|ifdef|ifndef|elif)\b.*(__linux__|__linux|__APPLE__|_WIN32|__FreeBSD__|__unix__|__GLIBC__)")
SYSTEM_HEADER = re.compile(r"^\s*#\s*include\s*<(sys/|unistd|fcntl|poll|netinet/|arpa/|netdb|dirent|signal|pthread|linux/|errno)")
TYPEDEF = re.compile(r"^\s*typedef\s+(struct|enum|union)\b|\btypedef\b.*\w_t;")
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b|\b(place" r"holder|for n" r"ow)\b", re.I)
# Addresses of archives: the mirror is the machine's own affair, and nothing else is fetched.
ARCHIVES = re.compile(r"\b(debian|ubuntu|github|gitlab|pypi|npmjs|docker|crates|golang)\.(org|com|io)\b")
FIXED_WAIT = re.compile(r"\b(time\.sleep|usleep|nanosleep|sleep)[ (]+[0-9.]*[1-9]")

findings = []


def find(path, line, text):
    findings.append(f"{path}:{line}: {text}" if line else f"{path}: {text}")


def tracked(*patterns):
    """Files that git knows or would add; a folder that is not git's is walked by hand (make dist)."""
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "--", *patterns],
                         capture_output=True, text=True, check=False)
    return sorted({f for f in out.stdout.splitlines() if os.path.isfile(f)})


def read(path):
    with open(path, encoding="utf-8", errors="replace") as source:
        return source.read().splitlines()


def without_comments(lines):
    """The same lines with comments and the insides of strings blanked, so that words in them are not code."""
    text = "\n".join(lines)
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text).split("\n")


def check_top(path, lines):
    if not lines or lines[0] != "/* SPDX-License-Identifier: MIT */":
        find(path, 1, "the first line is not the SPDX line")
        return
    end = next((i for i, line in enumerate(lines) if i > 0 and "*/" in line), 0)
    if len(lines) < 2 or not lines[1].startswith("/*") or end == 0:
        find(path, 2, "no comment that says what the file does")


def check_source(path):
    lines = read(path)
    limit = HEADER_LINES if path.endswith(".h") and path != "p2p.h" else FILE_LINES
    if len(lines) > limit:
        find(path, 0, f"{len(lines)} lines, more than {limit}")
    check_top(path, lines)
    inside_platform = path.startswith("platform/")
    for number, line in enumerate(without_comments(lines), 1):
        if UNSAFE.search(line):
            find(path, number, "unsafe call: " + line.strip())
        if HEAP.search(line) and path != "src/base/arena.c":
            find(path, number, "heap outside src/base/arena.c: " + line.strip())
        if TYPEDEF.search(line) and not re.search(r"typedef[^;]*\(", line):
            find(path, number, "typedef of a struct, or a name ending in _t")
        if not inside_platform and (SYSTEM.search(line) or SYSTEM_HEADER.search(line)):
            find(path, number, "the operating system outside platform/: " + line.strip())


def check_text(path):
    for number, line in enumerate(read(path), 1):
        if path.endswith((".c", ".h")) and len(line) > COLUMNS:
            find(path, number, f"{len(line)} columns, more than {COLUMNS}")
        if UNFINISHED.search(line) and not path.endswith((".html", ".css")):
            find(path, number, "unfinished: " + line.strip())
        if ARCHIVES.search(line) and not path.endswith(".md"):
            find(path, number, "names an archive's host: " + line.strip())
        if path.startswith("test/") and FIXED_WAIT.search(line):
            find(path, number, "waits for time rather than for an event: " + line.strip())


def parameters(signature):
    inner = signature.strip()[1:-1].strip()
    if inner in ("", "void"):
        return 0
    depth, count = 0, 1
    for c in inner:
        depth += (c == "(") - (c == ")")
        count += c == "," and depth == 0
    return count


def functions(paths):
    if not paths:
        return []
    out = subprocess.run(["ctags", "--languages=C", "--langmap=C:.c.h", "--c-kinds=fp", "--fields=+neSK", "--output-format=json",
                          "-f", "-", *paths], capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def check_functions(paths):
    lengths = []
    for tag in functions(paths):
        count = parameters(tag.get("signature", "()"))
        if count > PARAMETERS:
            find(tag["path"], tag["line"], f"{tag['name']} has {count} parameters, more than {PARAMETERS}")
        if tag["kind"] != "function" or "end" not in tag:
            continue
        length = tag["end"] - tag["line"] + 1
        lengths.append(length)
        if length > FUNCTION_LINES:
            find(tag["path"], tag["line"], f"{tag['name']} has {length} lines, more than {FUNCTION_LINES}")
    if not lengths:
        return "no functions"
    lengths.sort()
    median, p90 = statistics.median(lengths), lengths[int(len(lengths) * 0.9)]
    if median > MEDIAN:
        find("all functions", 0, f"median length {median}, more than {MEDIAN}")
    if p90 > P90:
        find("all functions", 0, f"90th percentile of length {p90}, more than {P90}")
    return f"{len(lengths)} functions, lines: median {median:g}, p90 {p90}, longest {lengths[-1]}"


def main():
    sources = tracked("p2p.c", "p2p.h", "src/*.c", "src/*.h", "platform/*.c", "platform/*.h")
    for path in sources:
        check_source(path)
    texts = [f for f in tracked() if os.path.splitext(f)[1] in
             (".c", ".h", ".py", ".sh", ".js", ".css", ".html", ".mk", ".ini", ".txt", ".md", ".1", "")]
    for path in texts:
        if not path.startswith("test/corpus/") and path != "LICENSE":
            check_text(path)
    summary = check_functions(sources)
    for text in findings:
        print(f"figures: {text}")
    total = sum(len(read(f)) for f in sources)
    print(f"figures: {len(sources)} files, {total} lines; {summary}; {len(findings)} findings")
    sys.exit(bool(findings))


if __name__ == "__main__":
    main()
