#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves the house: who includes and who calls whom, read from the sources and from the objects' symbols.

usage: floors.py OBJECT-FOLDER          (objects of all sources, built without optimisation)

Fails on: an include or a call that goes up; a cycle inside a folder; a call of the operating system outside
platform/; printing and ending the process below src/ui. A call by a pointer that was handed down is not seen: that
is the one allowed way up.
"""
import collections
import os
import re
import subprocess
import sys

FLOORS = ["platform", "src/base", "src/wire", "src/run", "src/catalog", "src/node", "src/swarm",
          "src/index", "src/peer", "src/ui", "src/app", "."]
LEVEL = {floor: number for number, floor in enumerate(FLOORS)}

# What any floor may take from libc: memory, text, numbers, nothing that talks to the outside.
PURE = re.compile(r"""^(
    mem(cpy|move|set|cmp|chr|rchr|mem|ccpy)|str(len|nlen|cmp|ncmp|casecmp|ncasecmp|chr|rchr|str|spn|cspn|pbrk|dup)
  | v?snprintf|strto(l|ul|ll|ull|d|f|umax|imax)|__isoc99_.*scanf|__isoc23_strto.*|sscanf
  | getenv|qsort|bsearch|abs|labs|llabs|l?div|is[a-z]+|to(upper|lower)|__ctype_.*_loc
  | gmtime_r|localtime_r|strftime|mktime|timegm
  | sqrt|pow|exp|log|log2|floor|ceil|round|lround|llround|fmod|ldexp|frexp|ntohl|ntohs|htonl|htons
  | __assert_fail|__stack_chk_fail|__errno_location|__atomic_.*|__sync_.*|_GLOBAL_OFFSET_TABLE_|abort
  | ini_parse_(string(_length)?|stream)|yyjson_.*|llhttp_.*
)$""", re.X)
# What only the roof may take: output to a person, the end of the process.
ROOF = re.compile(r"^(printf|vprintf|fprintf|vfprintf|puts|putchar|fputs|fputc|putc|fwrite|fflush|ferror|perror"
                  r"|stdout|stderr|stdin|exit)$")
ROOF_FLOORS = ("src/ui", "src/app", ".")

errors = []


def fail(text):
    errors.append(text)


def floor_of(path):
    folder = os.path.dirname(path) or "."
    return folder if folder in LEVEL else None


def module_of(path):
    return os.path.splitext(path)[0]


def sources():
    found = [f for f in ("p2p.c", "p2p.h") if os.path.exists(f)]
    for top in ("src", "platform"):
        for folder, _, files in sorted(os.walk(top)):
            found += [os.path.join(folder, f) for f in sorted(files) if f.endswith((".c", ".h"))]
    for path in found:
        if floor_of(path) is None:
            fail(f"{path}: this folder is no floor; test/lint/floors.py lists them")
    return [path for path in found if floor_of(path)]


def resolve(name):
    return next((c for c in (name, os.path.join("src", name)) if os.path.exists(c)), None)


def include_edges(paths):
    for path in paths:
        with open(path, encoding="utf-8") as source:
            for number, line in enumerate(source, 1):
                match = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
                if not match:
                    continue
                target = resolve(match.group(1))
                if target is None:
                    if match.group(1) != "web.h":
                        fail(f"{path}:{number}: includes {match.group(1)}, which is not written from the root")
                elif target == "p2p.h":
                    continue
                elif path == "p2p.h":
                    fail(f"{path}:{number}: p2p.h includes only libc")
                else:
                    yield path, target, f"{path}:{number}: includes {target}"


def object_symbols(folder, paths):
    """{path: (defined, wanted)} from nm, for every source that has an object."""
    table = {}
    for path in paths:
        if not path.endswith(".c"):
            continue
        obj = os.path.join(folder, path[:-2] + ".o")
        if not os.path.exists(obj):
            fail(f"{path}: has no object in {folder}")
            continue
        defined, wanted = set(), set()
        for line in subprocess.run(["nm", "-P", obj], check=True, capture_output=True,
                                   text=True).stdout.splitlines():
            name, kind = line.split()[:2]
            if kind in ("U", "w", "v"):
                wanted.add(name)
            elif kind.isupper():
                defined.add(name)
        table[path] = (defined, wanted)
    return table


def call_edges(table):
    home = collections.defaultdict(list)
    for path, (defined, _) in table.items():
        for name in defined:
            home[name].append(path)
    for path, (_, wanted) in sorted(table.items()):
        for name in sorted(wanted):
            for target in home.get(name, []):
                if target != path:
                    yield path, target, f"{path}: calls {name} of {target}"
            if name not in home:
                check_libc(path, name)


def check_libc(path, name):
    floor = floor_of(path)
    if floor == "platform" or PURE.match(name) or name == "web_files":
        return
    if ROOF.match(name):
        if floor not in ROOF_FLOORS:
            fail(f"{path}: uses {name}; only src/ui, src/app and p2p.c print or end the process")
    else:
        fail(f"{path}: uses {name}, which is not in the list of plain functions: ask platform/ for it")


def check_up(edges, node_of):
    """Fails what goes up; returns the graph inside the folders."""
    inside = collections.defaultdict(set)
    for path, target, text in edges:
        mine, other = floor_of(path), floor_of(target)
        if LEVEL[other] > LEVEL[mine]:
            fail(f"{text}: upwards, from {mine} to {other}")
        elif mine == other and node_of(path) != node_of(target):
            inside[node_of(path)].add(node_of(target))
    return inside


def cycles(graph):
    """Tarjan's strongly connected components with more than one member."""
    index, low, stack, on_stack, found = {}, {}, [], set(), []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        on_stack.add(node)
        for other in sorted(graph.get(node, ())):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in on_stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            component = []
            while not component or component[-1] != node:
                component.append(stack.pop())
                on_stack.discard(component[-1])
            if len(component) > 1:
                found.append(sorted(component))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    paths = sources()
    table = object_symbols(sys.argv[1], paths)
    # A header may include another's; what counts for two modules is who calls whom.
    for kind, edges, node_of in (("include", include_edges(paths), str),
                                 ("call", call_edges(table), module_of)):
        edges = list(edges)
        for component in cycles(check_up(edges, node_of)):
            fail(f"cycle of {kind}s inside a folder: {', '.join(component)}")
            for path, target, text in edges:
                if {node_of(path), node_of(target)} <= set(component) \
                        and node_of(path) != node_of(target):
                    fail(f"    {text}")
    for text in errors:
        print(f"floors: {text}")
    if errors:
        sys.exit(1)
    print(f"floors: {len(paths)} files, {len(table)} objects: nothing goes up, no cycle")


if __name__ == "__main__":
    main()
