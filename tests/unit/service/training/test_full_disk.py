"""A disk that is full while a run trains: a limit on the size of files stands in for it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from model.checkpoint import load_checkpoint
from service.domain.job_folder import JobFolder
from service.domain.resolved_run import ResolvedRun

TRAIN = """
import resource, signal, sys
from pathlib import Path
from model.network.alexnet import AlexNet
from model.network.dropout import Share
from model.network.placement import Placement
from model.learning.initialize import starting_parameters
from service.domain.job_folder import JobFolder
from service.domain.resolved_run import ResolvedRun
from service.training.agreement import Agreement, Rank
from service.training.session import Session

folder, full_until = JobFolder(Path(sys.argv[1])), int(sys.argv[2])
run = ResolvedRun.model_validate_json(folder.specification.read_text())
network = AlexNet(run.model, Placement.one("cpu"))
network.load_canonical_parameters(starting_parameters(run.model, run.recipe.initialization, seed=0))
share = Share.of(0, 1, run.recipe.global_batch_size)
session = Session(folder, run, Agreement(folder, Rank(0, 1)), share, network, network)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
for line in session.epochs():
    if line.epoch == full_until:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
"""


def trained(folder: JobFolder, full_until: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", TRAIN, str(folder.path), str(full_until)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def events(folder: JobFolder) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in folder.events.read_text().splitlines()]
    return [(line["kind"], line.get("name") or line.get("code") or line["epoch"]) for line in lines]


def test_a_run_goes_on_without_the_checkpoints_that_found_no_room_and_says_so(
    dataset: Path, tmp_path: Path, run_on: Callable[..., tuple[JobFolder, ResolvedRun]]
) -> None:
    folder, _ = run_on(tmp_path, dataset, "quick", epochs=4, every_steps=2)
    done = trained(folder, full_until=2)
    assert done.returncode == 0, done.stderr
    told = events(folder)
    # Three steps an epoch: of steps 2, 3 and 4 there is no checkpoint. The one of step 6 may still be being
    # written when the disk is given room.
    assert [name for kind, name in told if kind == "epoch"] == [1, 2, 3, 4]
    saved = [name for kind, name in told if kind == "checkpoint"]
    assert saved[-4:] == [f"step-{step:08d}" for step in (8, 9, 10, 12)]
    assert set(saved[:-4]) <= {"step-00000006"}
    refused = [name for kind, name in told if kind == "warning"]
    assert refused == ["checkpoint_not_saved"] * (4 - len(saved[:-4]))
    assert [path.name for path in sorted(folder.checkpoints.iterdir())] == [
        f"step-{step:08d}" for step in (9, 10, 12)
    ]
    (first, *_) = [line for line in folder.events.read_text().splitlines() if "warning" in line]
    assert "File too large" in first
    assert "free some space" in first


def test_a_run_whose_last_checkpoint_finds_no_room_fails_and_can_be_resumed(
    dataset: Path, tmp_path: Path, run_on: Callable[..., tuple[JobFolder, ResolvedRun]]
) -> None:
    folder, _ = run_on(tmp_path, dataset, "quick", epochs=2)
    done = trained(folder, full_until=99)
    assert done.returncode != 0
    assert "CheckpointNotSavedError" in done.stderr
    assert list(folder.checkpoints.iterdir()) == []

    (folder.checkpoints / ".step-00000003.left-by-a-kill").mkdir()
    assert trained(folder, full_until=1).returncode == 0
    assert load_checkpoint(folder.checkpoints / "step-00000006").record.step == 6
    # The one of step 3 may still be being written when the disk is given room.
    assert {path.name for path in folder.checkpoints.iterdir()} - {"step-00000003"} == {"step-00000006"}
    assert [name for kind, name in events(folder) if kind == "epoch"] == [1, 2]
