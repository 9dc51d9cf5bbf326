"""One process at most trains in a run's folder: against a real one that holds it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.domain.job_folder import JobFolder
from service.errors import AttemptAliveError
from service.training.sole_attempt import sole_attempt

HOLD = """
import sys, time
from pathlib import Path
from service.domain.job_folder import JobFolder
from service.training.sole_attempt import sole_attempt
with sole_attempt(JobFolder(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that trains in the folder and does not end by itself."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_folder_that_another_process_keeps_is_refused_by_name(
    other: subprocess.Popen[str], tmp_path: Path
) -> None:
    with (
        pytest.raises(AttemptAliveError, match=f"still trains in {tmp_path}"),
        sole_attempt(JobFolder(tmp_path), patience_seconds=0.5),
    ):
        pytest.fail("two processes hold the folder")


def test_a_folder_is_waited_for_and_free_once_its_process_was_killed(
    other: subprocess.Popen[str], tmp_path: Path
) -> None:
    threading.Timer(0.5, other.kill).start()
    with sole_attempt(JobFolder(tmp_path)):
        assert other.wait() != 0


def test_a_folder_is_free_after_an_attempt(tmp_path: Path) -> None:
    for _ in range(2):
        with sole_attempt(JobFolder(tmp_path), patience_seconds=0):
            assert JobFolder(tmp_path).lock.is_file()
