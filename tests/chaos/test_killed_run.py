"""`make chaos` in small: of its faults those that no other test has, once each."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

# Many starts, each of which takes its time on a busy machine.
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

CHAOS = Path(__file__).with_name("chaos.py")
FAULTS = ("worker", "head", "stack")


def test_a_run_struck_by_a_fault_ends_as_the_undisturbed_one() -> None:
    command = [sys.executable, CHAOS, "--times", "1", "--epochs", "10", "--faults", *FAULTS]
    struck = subprocess.run(command, check=False, capture_output=True, text=True)
    assert struck.returncode == 0, struck.stderr
    rows = json.loads(struck.stdout.splitlines()[-1])["chaos"]
    assert tuple(row["fault"] for row in rows) == FAULTS
    assert [row["as_undisturbed"] for row in rows] == [1, 1, 1]
