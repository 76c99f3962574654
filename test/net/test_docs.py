# SPDX-License-Identifier: MIT
"""What the documents promise: the examples of docs/protocol.md run as they stand, and the man
page names every command, option and setting."""

import re
import shlex
import subprocess
import sys

import pytest

from chains import sha256
from fleet import ROOT, program

TEXT = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```", TEXT, re.M | re.S)


def settings():
    """The variables that the examples use, as the document sets them."""
    lines = [block.partition("curl ")[0] for block in BLOCKS if re.match(r"INDEX=|TOKEN=", block)]
    return "".join(lines)


def examples():
    return [block[block.index("curl ") :] for block in BLOCKS if "curl " in block]


@pytest.fixture(scope="module")
def node(module_fleet):
    index = module_fleet.index("--index.lease", "1500ms", name="desk")
    peer = module_fleet.peer(index, {"a/b.bin": b"hello"})
    index.wait_file("a/b.bin", sha256(b"hello"))
    return index, peer


def test_every_path_has_an_example():
    paths = set(re.findall(r"^### (?:GET|POST) (/\S*?)(?:[?,]|:| |$)", TEXT, re.M))
    assert len(paths) >= 13
    for path in paths:
        bare = re.sub(r"(SHA256|NAME)$", "", path)
        assert any(f"INDEX{bare}" in e or f"PEER{bare}" in e for e in examples()), path


@pytest.mark.parametrize("number", range(len(examples())))
def test_examples_work(node, tmp_path, number):
    index, peer = node
    script = settings().replace("127.0.0.1:7750", index.address) + examples()[number]
    script = script.replace("127.0.0.1:7751", peer.address)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, capture_output=True, timeout=30
    )
    assert done.returncode == 0 and done.stderr == b"", done
    assert done.stdout or list(tmp_path.iterdir()), done
    assert b'"error"' not in done.stdout and b" 404 " not in done.stdout, done


PAGE = (ROOT / "docs/p2p.1").read_text(encoding="utf-8").replace("\\-", "-")


def plain(text):
    """A piece of the page without its fonts."""
    text = re.sub(r"^\.[BIR]+ ", "", text, flags=re.M)
    return re.sub(r"\s+", " ", re.sub(r"\\f[BIRP]|\\ ", " ", text)).strip()


def section(name):
    return re.search(rf"^\.SH {name}\n(.*?)(?=^\.SH |\Z)", PAGE, re.M | re.S).group(1)


def tagged(text):
    """The heads of a list of definitions."""
    return [plain(head) for head in re.findall(r"^\.TP\n(.*)", text, re.M)]


def bare(text):
    return re.sub(r"[\s,]", "", text)


def test_help_and_man_page_name_the_same(fleet):
    """Commands with their operands, options with their values, and exit statuses, both ways."""
    text = fleet.ok("help").out
    commands = re.findall(r"^  ([a-z]+(?: [][A-Z.]+)?)  ", text, re.M)
    assert sorted(map(bare, tagged(section("COMMANDS")))) == sorted(map(bare, commands))
    synopsis = [plain(x) for x in section("SYNOPSIS").split(".br")]
    named = [re.match(r"p2p ([a-z]+)", line).group(1) for line in synopsis]
    assert named == [command.split()[0] for command in commands]
    for line, command in zip(synopsis, commands):
        assert bare(command) in bare(line), (line, command)
    options = re.findall(r"^  (?:(-.), |    )(--\S+(?: \S+)?)  ", text, re.M)
    assert sorted(bare(a + b) for a, b in options) == sorted(map(bare, tagged(section("OPTIONS"))))
    codes = {int(x) for x in re.findall(r"\b(\d+)\b", text[text.index("exit status") :])} - {256}
    assert {int(x) for x in re.findall(r"\b(\d+)\b", section("EXIT STATUS"))} == codes


def test_every_command_has_an_example(fleet):
    """It stands in the page, too, and is a line that the program takes."""
    shown = section("EXAMPLES")
    for command in re.findall(r"^  ([a-z]+) ", fleet.ok("help").out, re.M):
        text = fleet.ok("help", command).out
        assert f"usage: p2p {command}" in text
        example = re.search(r"^example: (.*)$", text, re.M).group(1)
        assert example in shown.replace("\\e", "\\"), f"{command}: the page lacks {example!r}"
        takes(fleet, example)


def takes(fleet, line):
    """What the line gives to p2p is no wrong usage: help is asked for behind it."""
    for part in re.split(r"[|;]", line):
        words = shlex.split(part, comments=True)
        at = {"ssh": 2, "xargs": 1}.get(words[0] if words else "", 0)
        if len(words) > at and words[at].rsplit("/", 1)[-1] == "p2p":
            result = fleet.run(*words[at + 1 :], "--help")
            assert result.code == 0 and result.err == "", (line, result)


def test_the_recipes_are_lines_that_the_program_takes(fleet):
    """README's and the page's."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    recipes = readme[readme.index("## Recipes") : readme.index("## Figures")]
    lines = [
        re.split(r"   +", line)[0]
        for block in re.findall(r"^```\n(.*?)^```", recipes, re.M | re.S)
        for line in block.splitlines()
    ]
    lines += re.findall(r"^p2p .*$", section("EXAMPLES"), re.M)
    assert len([line for line in lines if "p2p" in line]) > 12
    for line in lines:
        takes(fleet, line)


def test_the_page_is_what_the_program_says(fleet):
    """As make docs wrote it: the program's help and config.ini are the only source."""
    line = [sys.executable, str(ROOT / "toolchains/man.py"), program()]
    made = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    assert made == (ROOT / "docs/p2p.1").read_text(encoding="utf-8"), "make docs"
    for key in re.findall(r"^#([a-z_]+) =", (ROOT / "config.ini").read_text(encoding="utf-8"), re.M):
        assert re.search(rf"^\.B {key}$", PAGE, re.M), key
