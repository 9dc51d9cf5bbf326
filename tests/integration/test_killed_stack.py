"""A stack leaves no process behind, however it ends, and another can be started in its home."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from service.stack.ray_head import free_port

pytestmark = pytest.mark.cluster

PATIENCE_SECONDS = 120.0


def started(home: Path) -> subprocess.Popen[str]:
    """`tandem up` as an operator runs it, once it has said that it is ready."""
    home.mkdir(exist_ok=True)
    tandem = Path(sys.executable).with_name("tandem")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TANDEM_")}
    up = subprocess.Popen(
        [tandem, "up", "--home", home, "--port", str(free_port())],
        cwd=home,
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert up.stderr is not None
    said = []
    for line in up.stderr:
        said.append(line)
        if "stack_ready" in line:
            return up
    raise AssertionError("".join(said))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_the_stack(tmp_path: Path, number: signal.Signals) -> None:
    up = started(tmp_path / "home")
    below = psutil.Process(up.pid).children(recursive=True)
    commands = " ".join(" ".join(process.cmdline()) for process in below)
    for part in ("gcs_server", "raylet", "tandem serve", "tandem api"):
        assert part in commands
    up.send_signal(number)
    up.communicate()
    gone, left = psutil.wait_procs(below, timeout=PATIENCE_SECONDS)
    assert len(gone) == len(below), [process.cmdline() for process in left]
