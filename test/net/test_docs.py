# SPDX-License-Identifier: MIT
"""What the documents promise: the examples of docs/protocol.md run as they stand, and the man
page names every command, option and setting."""

import re
import subprocess

import pytest

from chains import sha256
from fleet import ROOT

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


def test_the_man_page_is_complete(fleet):
    page = (ROOT / "docs/p2p.1").read_text(encoding="utf-8").replace("\\-", "-")
    keys = re.findall(r"^#([a-z_]+) =", (ROOT / "config.ini").read_text(encoding="utf-8"), re.M)
    words = fleet.ok("help").out.split()
    options = [word.rstrip(",") for word in words if re.match(r"--?[a-z]", word)]
    commands = re.findall(r"^  ([a-z]+) ", fleet.ok("help").out, re.M)
    assert len(keys) > 20 and len(options) > 15 and len(commands) > 8
    for command in commands:
        assert re.search(rf"^\.TP\n\.B[IR]? {command}\b", page, re.M), command
    for option in options:
        assert re.search(rf"{option}\b", page), option
    for key in keys:
        assert re.search(rf"^\.B {key}\b", page, re.M), key
