# SPDX-License-Identifier: MIT
"""Fixtures and options of the network tests. Every test gets a fleet of its own: processes,
folders and ports that are nobody else's, ended and checked when the test is over. P2P names the
binary, P2P_RUN a command to run it under."""

import signal

import pytest

from fleet import SLOW, Fleet

TEST_LIMIT_S = 240  # a test that takes longer hangs


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "watch: needs inotify (left out with the plain POSIX platform)"
    )
    config.addinivalue_line(
        "markers", "once: mostly waits, so it runs with the release alone (and in test-long)"
    )
    config.addinivalue_line("markers", "long: more than 20 s or several GiB; runs with -m long")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    def expired(signum, frame):
        raise TimeoutError(f"the test took longer than {limit} s")

    limit = int(TEST_LIMIT_S * SLOW * (5 if "long" in item.keywords else 1))
    previous = signal.signal(signal.SIGALRM, expired)
    signal.alarm(limit)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def living_fleet():
    fleet = Fleet()
    try:
        yield fleet
    finally:
        fleet.close()


@pytest.fixture
def fleet():
    yield from living_fleet()


@pytest.fixture(scope="module")
def module_fleet():
    """For tables of requests that leave nothing behind: one start for a whole file."""
    yield from living_fleet()


@pytest.fixture
def index(fleet):
    return fleet.index()


@pytest.fixture
def here(fleet):
    return fleet.folder("here")
