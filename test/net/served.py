# SPDX-License-Identifier: MIT
"""The node that the tables of requests are tried on: index and peer in one, with a few files."""

import hashlib

BIG = bytes(range(256)) * 1024 + b"tail"  # five pieces
ODD = 'quo"te; per%cent ü#?.txt'
SHA = hashlib.sha256(BIG).hexdigest()
CONTENT = f"/v1/content/{SHA}"


def start(fleet):
    files = {
        "a.txt": b"alpha",
        "sub/big.bin": BIG,
        "empty": b"",
        "page.html": b"<script>1</script>",
        ODD: b"odd",
    }
    both = fleet.both(files, "--node.hosts", "files.example,other.example")
    for name in files:
        both.wait_file(name)
    return both


def check(node):
    """It lives and serves as before."""
    assert node.running(), node.report()
    assert node.get("/v1/stats").status == 200
    assert node.get("/download/a.txt?own=1").body == b"alpha"
