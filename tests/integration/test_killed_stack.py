"""A stack leaves no process behind, however it ends, and another can be started in its home."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from service.client import Client
from service.domain.events import EventKind
from service.stack.free_port import free_port

pytestmark = pytest.mark.cluster

PATIENCE_SECONDS = 120.0


def started(home: Path, port: int) -> subprocess.Popen[str]:
    """`tandem up` as an operator runs it, once it has said that it is ready."""
    home.mkdir(exist_ok=True)
    tandem = Path(sys.executable).with_name("tandem")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TANDEM_")}
    up = subprocess.Popen(
        [tandem, "up", "--home", home, "--port", str(port)],
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


def train(client: Client, photos: Path) -> None:
    """A run that never ends, once it has done a step."""
    client.datasets.create({"name": "paints", "source": {"path": str(photos)}, "image_size": 72})
    while not client.datasets.get("paints").state.is_terminal:
        time.sleep(0.3)
    recipe = {"preset": "quick", "epochs": 10_000, "global_batch_size": 32}
    run = client.runs.create({"dataset": "paints", "model": {"preset": "alexnet-tiny"}, "recipe": recipe})
    assert any(event.kind is EventKind.PROGRESS for event in client.runs.events(run.id))


def living(processes: list[psutil.Process]) -> list[str]:
    """Their command lines once they have had their time to go."""
    _, left = psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)
    return [" ".join(process.cmdline()) for process in left]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_a_stack_that_trains(tmp_path: Path, photos: Path, number: signal.Signals) -> None:
    port = free_port()
    up = started(tmp_path / "home", port)
    with Client(f"http://127.0.0.1:{port}") as client:
        train(client, photos)
    below = psutil.Process(up.pid).children(recursive=True)
    commands = " ".join(" ".join(process.cmdline()) for process in below)
    for part in ("gcs_server", "raylet", "tandem serve", "tandem api", "tandem-train-job"):
        assert part in commands
    up.send_signal(number)
    up.communicate()
    assert living(below) == []


def test_a_job_does_not_outlive_the_head_that_it_was_given_to(tmp_path: Path, photos: Path) -> None:
    port = free_port()
    up = started(tmp_path / "home", port)
    with Client(f"http://127.0.0.1:{port}") as client:
        train(client, photos)
        below = psutil.Process(up.pid).children(recursive=True)
        of_head = [process for process in below if "tandem-train-job" in " ".join(process.cmdline())]
        (gcs,) = [process for process in below if process.name() == "gcs_server"]
        gcs.kill()
        assert of_head
        assert living(of_head) == []
    up.terminate()
    up.communicate()
