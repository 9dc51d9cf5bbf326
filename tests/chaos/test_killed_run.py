"""`make chaos` in small: every fault strikes once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.cluster

CHAOS = Path(__file__).with_name("chaos.py")


def test_a_run_killed_in_every_way_ends_as_the_undisturbed_one() -> None:
    struck = subprocess.run(
        [sys.executable, CHAOS, "--times", "1", "--epochs", "12"], check=False, capture_output=True, text=True
    )
    assert struck.returncode == 0, struck.stderr
    rows = json.loads(struck.stdout.splitlines()[-1])["chaos"]
    assert [row["fault"] for row in rows] == ["api", "driver", "worker", "head", "stack"]
