#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the man page to stdout. usage: man.py P2P

Commands, options, exit statuses and examples are what `P2P help` says, settings are what config.ini says, the rest is
docs/p2p.1.in, where a line @NAME@ stands for what is made here. So each fact is written once."""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def helped(p2p, *words):
    return subprocess.run([p2p, "help", *words], check=True, capture_output=True, text=True).stdout


def roff(text):
    """As it is, whatever it begins with."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text)


def wrapped(text):
    """A paragraph as lines of the source."""
    lines, line = [], ""
    for word in text.split():
        if len(line) + len(word) > 98:
            lines.append(line)
            line = ""
        line += " " * bool(line) + word
    return [roff(line) for line in [*lines, line]]


def operand(word):
    """In italics, but for its brackets."""
    return re.sub(r"[A-Z]+", lambda name: rf"\fI{name.group()}\fR", roff(word))


def rows(text, pattern):
    """(head, text) of each row of the help; what is indented further goes on with it."""
    found = []
    for line in text.splitlines():
        row = re.match(pattern, line)
        if row:
            found.append([row.group(1), row.group(2)])
        elif found and re.match(r" {20,}\S", line):
            found[-1][1] += " " + line.strip()
        elif found:
            break
    return found


class Command:
    def __init__(self, p2p, head, summary):
        self.name, _, self.operands = head.partition(" ")
        self.summary = summary
        body = re.match(r"usage: [^\n]*\n\n(.*)\n\nexample: ([^\n]*)\n", helped(p2p, self.name), re.S)
        self.paragraphs, self.example = body.group(1).split("\n\n"), body.group(2)

    def head(self):
        return rf"\fB{self.name}\fR {operand(self.operands)}".rstrip()


def commands_section(commands):
    lines = []
    for command in commands:
        lines += [".TP", command.head()]
        for number, paragraph in enumerate(command.paragraphs):
            lines += [".IP"] * (number > 0) + wrapped(paragraph)
    return lines


def synopsis(commands):
    return "\n.br\n".join(rf"\fBp2p\fR {command.head()} [\fIOPTION...\fR]" for command in commands).split("\n")


def sentence(text):
    return text[0].upper() + text[1:] + "."


def options_section(options):
    lines = []
    for head, text in options:
        names, _, value = head.strip().partition(" ") if "," not in head else head.strip().rpartition(" ")
        if names.endswith(","):
            names, value = f"{names} {value}", ""
        bold = ", ".join(rf"\fB{roff(name)}\fR" for name in names.split(", "))
        lines += [".TP", f"{bold} {operand(value)}".rstrip(), *wrapped(sentence(text))]
    return lines


def settings_section(sample):
    """A key, its comment above it, and its value where that is a default and no example."""
    lines, comment = [], []
    for line in sample.splitlines():
        key = re.match(r"#([a-z_]+) = *(.*)", line)
        if line.startswith("["):
            lines.append(f".SS {line}")
        elif key:
            text = " ".join(comment)
            if not re.search(r"[ ,]", key.group(2)) and "default" not in text:
                text += f" Default: {key.group(2)}."
            lines += [".TP", f".B {roff(key.group(1))}", *wrapped(text)]
        if line.startswith("# "):
            comment.append(line[2:])
        else:
            comment = []
    return lines


def statuses(text):
    """The codes of the last paragraph, and what each means."""
    lines = []
    for code, what in re.findall(r"(\d+) ([^,]+)(?:, |\n|$)", " ".join(text.split("exit status: ")[1].split()) + "\n"):
        lines += [".TP", f".B {code}", *wrapped(sentence(what.strip()))]
    return lines


def main():
    p2p = sys.argv[1]
    text = helped(p2p)
    commands = [Command(p2p, *row) for row in rows(text, r"  ([a-z]+(?: \S+)?) {2,}(\S.*)")]
    made = {
        "VERSION": [helped(p2p).split(":")[0]],
        "SYNOPSIS": synopsis(commands),
        "COMMANDS": commands_section(commands),
        "OPTIONS": options_section(rows(text, r"  ((?:-\w,|   ) --\S+(?: \S+)?) +(\S.*)")),
        "SETTINGS": settings_section((ROOT / "config.ini").read_text(encoding="utf-8")),
        "STATUSES": statuses(text),
        "EXAMPLES": [roff(command.example) for command in commands],
    }
    for line in (ROOT / "docs/p2p.1.in").read_text(encoding="utf-8").splitlines():
        name = re.fullmatch(r"@([A-Z]+)@", line)
        if name:
            print("\n".join(made[name.group(1)]))
        else:
            print(line.replace("@VERSION@", made["VERSION"][0]))


main()
