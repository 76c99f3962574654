# SPDX-License-Identifier: MIT
"""Borrows the fixtures and helpers of the network tests; the programs of other processors run
under qemu-user."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "net"))
sys.dont_write_bytecode = True

from importlib import util  # noqa: E402

spec = util.spec_from_file_location(
    "net_conftest", Path(__file__).resolve().parents[1] / "net" / "conftest.py"
)
net = util.module_from_spec(spec)
spec.loader.exec_module(net)

pytest_configure = net.pytest_configure
pytest_runtest_call = net.pytest_runtest_call
fleet = net.fleet
module_fleet = net.module_fleet
