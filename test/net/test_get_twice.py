# SPDX-License-Identifier: MIT
"""Two gets of the same on one machine, at once: each ends right and leaves nothing behind."""

import os
import signal

import pytest

from chains import sha256
from fleet import left_in, wait_until
from test_get_many import wait_all

MIB = 1 << 20


def ended(process, code=0):
    out, err = process.communicate(timeout=60)
    assert process.returncode == code and (code or err == b""), (process.returncode, out, err)
    return out.decode().split()


def begun(folder):
    return any(folder.glob(".p2p-*.part"))


@pytest.fixture
def film(fleet, index):
    data = os.urandom(3 * MIB)
    fleet.peer(index, {"film.bin": data}, "--transfer.upload_limit", "2M/s")
    index.wait_file("film.bin", sha256(data))
    return data


@pytest.mark.parametrize("more", [[], ["--force"], ["-o", "other.bin"]])
def test_into_one_folder(fleet, index, here, film, more):
    """The second waits for the first; what that brings is there then. Under another name it is
    fetched once more."""
    first = fleet.spawn("get", "film.bin", index=index, cwd=here)
    wait_until(lambda: begun(here), what="the first has begun")
    second = fleet.spawn("get", "film.bin", *more, index=index, cwd=here)
    names = ["film.bin", more[-1] if "-o" in more else "film.bin"]
    for process, name in zip((first, second), names):
        assert ended(process) == [sha256(film), name]
        assert (here / name).read_bytes() == film
    assert left_in(here) == sorted(set(names))


def test_the_first_is_interrupted(fleet, index, here, film):
    """Then the second fetches it itself."""
    first = fleet.spawn("get", "film.bin", index=index, cwd=here)
    wait_until(lambda: begun(here), what="the first has begun")
    second = fleet.spawn("get", "film.bin", index=index, cwd=here)
    first.send_signal(signal.SIGINT)
    ended(first, 130)
    assert ended(second) == [sha256(film), "film.bin"]
    assert left_in(here) == ["film.bin"] and (here / "film.bin").read_bytes() == film


def test_who_waits_can_be_interrupted(fleet, index, here, film):
    first = fleet.spawn("get", "film.bin", index=index, cwd=here)
    wait_until(lambda: begun(here), what="the first has begun")
    second = fleet.spawn("get", "film.bin", index=index, cwd=here)
    second.send_signal(signal.SIGINT)
    second.communicate(timeout=30)
    assert second.returncode in (130, -signal.SIGINT)  # perhaps before it could say so
    assert ended(first) == [sha256(film), "film.bin"]
    assert left_in(here) == ["film.bin"]


def test_into_two_folders(fleet, index, film):
    folders = [fleet.folder(name) for name in ("left", "right")]
    gets = [fleet.spawn("get", "film.bin", index=index, cwd=folder) for folder in folders]
    for folder, process in zip(folders, gets):
        assert ended(process) == [sha256(film), "film.bin"]
        assert left_in(folder) == ["film.bin"] and (folder / "film.bin").read_bytes() == film


def test_many_small_files(fleet, index, here):
    files = {f"m/{i:03}.bin": os.urandom(2000 + i) for i in range(300)}
    fleet.peer(index, files, "--transfer.upload_limit", "256K/s")
    wait_all(index, len(files))
    gets = [fleet.spawn("get", "m/", index=index, cwd=here) for _ in range(3)]
    for process in gets:
        out = ended(process)
        assert dict(zip(out[1::2], out[::2])) == {n: sha256(data) for n, data in files.items()}
    assert left_in(here) == sorted(files)
    assert all((here / name).read_bytes() == data for name, data in files.items())


def test_by_a_peer_and_beside_it(fleet, index, film):
    """What the peer fetches into its share, and two commands that order the same of it."""
    work = fleet.folder("desk")
    desk = fleet.peer(index, share=fleet.share("desk/share"), name="desk")
    gets = [fleet.spawn("get", "film.bin", "-q", "-s", desk.state, index=index) for _ in range(2)]
    saved = desk.share / "downloads"
    beside = fleet.spawn("get", "film.bin", "-o", f"{saved}/", index=index, cwd=work)
    for process in (*gets, beside):
        digest, path = ended(process)
        assert digest == sha256(film) and path.endswith("downloads/film.bin"), path
    assert left_in(saved) == ["film.bin"] and (saved / "film.bin").read_bytes() == film
