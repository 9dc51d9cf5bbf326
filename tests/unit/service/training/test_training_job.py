"""What every job does around its work."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from service.domain.job_folder import JobFolder

# As a job is started by a stack that a script runs in the background: interrupts are ignored.
INTERRUPTED = """
import os, signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.SIG_IGN)
from service.domain.job_folder import JobFolder
from service.training.job import job
with job(JobFolder(Path(sys.argv[1]))):
    os.kill(os.getpid(), signal.SIGINT)
    print("went on")
"""

FAILING = """
import sys
from pathlib import Path
from pipeline.errors import PlanChangedError
from service.domain.job_folder import JobFolder
from service.training.job import job
with job(JobFolder(Path(sys.argv[1]))):
    print("at work")
    raise PlanChangedError("seed was 0 and is 1")
"""

LOSING_A_WORKER = """
import sys
from pathlib import Path
from service.domain.job_folder import JobFolder
from service.errors import WorkerLostError
from service.training.job import job, record_failure
folder = JobFolder(Path(sys.argv[1]))
with job(folder):
    record_failure(folder, RuntimeError("connection closed by peer"), rank=0)
    raise WorkerLostError(1, "worker 1 was lost: killed")
"""


def run(script: str, folder: JobFolder) -> int:
    folder.create({})
    return subprocess.run([sys.executable, "-c", script, str(folder.path)], check=False).returncode


def test_a_job_hears_an_interrupt_even_where_its_parent_ignored_them(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "job")
    assert run(INTERRUPTED, folder) != 0
    log = folder.log.read_text()
    assert "KeyboardInterrupt" in log
    assert "went on" not in log
    assert not folder.error.exists()


def test_a_job_that_fails_leaves_its_cause_what_to_try_and_its_log(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "job")
    assert run(FAILING, folder) != 0
    error = json.loads(folder.error.read_text())
    assert (error["reason"], error["message"]) == ("plan_changed", "seed was 0 and is 1")
    assert "DELETE /api/v1/datasets/NAME" in error["hint"]
    assert folder.log.read_text().startswith("at work\n")


def test_what_the_others_say_of_a_lost_worker_is_not_the_cause(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "job")
    assert run(LOSING_A_WORKER, folder) != 0
    error = json.loads(folder.error.read_text())
    assert (error["reason"], error["rank"]) == ("worker_lost", 1)
    assert error["message"] == "worker 1 was lost: killed"
    assert "tandem resume RUN" in error["hint"]
