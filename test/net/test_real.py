# SPDX-License-Identifier: MIT
"""Real input: the machine's own folders, as they are, shared read-only; a hundred random files
fetched by name and by SHA-256 and compared."""

import hashlib
import os
import random
import stat
import subprocess
from pathlib import Path

import pytest

from fleet import wait_until

IGNORED = (".tmp", ".part", "~")
GIB = 1 << 30


def is_name(path):
    """The rule for names, as the design has it."""
    try:
        raw = path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    if not 0 < len(raw) <= 1024 or any(byte < 0x20 or byte == 0x7F for byte in raw):
        return False
    return all(
        part and not part.startswith(".") and len(part.encode()) <= 255 for part in path.split("/")
    )


def expected(folder):
    """What a peer offers of a folder: path to size."""
    found = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith(".")]
        for name in files:
            path = os.path.join(place, name)
            info = os.lstat(path)
            relative = os.path.relpath(path, folder)
            if stat.S_ISREG(info.st_mode) and is_name(relative) and not name.endswith(IGNORED):
                found[relative] = info.st_size
    return found


def listed(index):
    """All lines of the list, page by page."""
    lines, after = [], ""
    while after is not None:
        page, end = index.stream(f"/v1/list?limit=10000&after={after}")
        lines += page
        after = end["next"]
    return lines


def file_sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def share_and_fetch(fleet, folder, count, seed):
    files = expected(folder)
    index = fleet.index()
    peer = fleet.peer(index, share=Path(folder), name="real")
    wait_until(
        lambda: (n := index.node("real")) and n["offers"] == len(files),
        60,
        f"{len(files)} offers of {folder}",
    )
    rng = random.Random(seed)
    # By number of files, not of bytes: the many small and odd ones matter as much as the few
    # large ones.
    sample = rng.sample(sorted(files), min(count, len(files)))
    for number, path in enumerate(sample):
        want = file_sha256(os.path.join(folder, path))
        target = fleet.root / f"got-{number}"
        exact = not any(c in path for c in "@") and not path.startswith("-")
        what = want if number % 2 or not exact else path
        if what == want:
            wait_until(lambda: index.file_by_content(want), 120, f"{path} is hashed")
        result = fleet.run("get", what, "-o", target, index=index, timeout=120)
        assert result.code == 0, result
        assert result.out.startswith(want if what == want else ""), result
        if what == want:
            assert file_sha256(target) == want, path
        else:
            # A name is one file here; other names of the same bytes do not matter.
            assert target.stat().st_size == files[path] and file_sha256(target) == want, path
        target.unlink()
    return index, peer, files


def folder_bytes(folder):
    return int(
        subprocess.run(
            ["du", "-sb", folder], capture_output=True, text=True, check=False
        ).stdout.split()[0]
    )


def test_usr_share(fleet):
    index, peer, files = share_and_fetch(fleet, "/usr/share", 100, 1)
    assert len(files) > 1000
    wait_until(lambda: all(line["sha256"] for line in listed(index)), 60, "everything is hashed")
    lines = listed(index)
    assert len({line["sha256"] for line in lines}) == len(lines), "one line per content"
    assert {line["path"] for line in lines} <= set(files)
    assert sum(line["size"] for line in lines) <= sum(files.values())
    copies = {}
    for path in random.Random(2).sample(sorted(files), 200):
        copies.setdefault(file_sha256(os.path.join("/usr/share", path)), path)
    known = {line["sha256"] for line in lines}
    assert set(copies) <= known
    assert peer.running() and index.running()


def test_part_of_usr_lib(fleet):
    """The largest folder of /usr/lib that is below a GiB."""
    folders = [p for p in Path("/usr/lib").iterdir() if p.is_dir() and not p.is_symlink()]
    sizes = sorted((folder_bytes(p), p) for p in folders)
    _, folder = [item for item in sizes if item[0] < GIB][-1]
    share_and_fetch(fleet, str(folder), 30, 3)


@pytest.mark.long
def test_all_of_usr_lib(fleet):
    share_and_fetch(fleet, "/usr/lib", 100, 4)
