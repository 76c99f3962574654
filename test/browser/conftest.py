# SPDX-License-Identifier: MIT
"""Borrows the fixtures of the network tests, and adds a headless Chromium. What the page writes to
the browser's console, such as a breach of its policy, fails the test."""

import shutil
import sys
from importlib import util
from pathlib import Path

import pytest

NET = Path(__file__).resolve().parents[1] / "net"
sys.path.insert(0, str(NET))
sys.dont_write_bytecode = True

spec = util.spec_from_file_location("net_conftest", NET / "conftest.py")
net = util.module_from_spec(spec)
spec.loader.exec_module(net)

pytest_configure = net.pytest_configure
pytest_runtest_call = net.pytest_runtest_call
fleet = net.fleet
module_fleet = net.module_fleet

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-extensions
    --disable-background-networking --disable-component-update --disable-sync
    --disable-default-apps --disable-domain-reliability --metrics-recording-only
    --disable-dev-shm-usage --window-size=1100,800"""


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """One browser for all tests: a start takes seconds."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert binary and driver, "chromium and chromium-driver are missing; run sh test/setup.sh"
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(service=Service(driver), options=options)
    browser.set_page_load_timeout(120)
    yield browser
    browser.quit()


@pytest.fixture
def browser(chromium):
    chromium.get("about:blank")
    chromium.get_log("browser")
    yield chromium
    said = [entry["message"] for entry in chromium.get_log("browser")]
    assert not said, said
