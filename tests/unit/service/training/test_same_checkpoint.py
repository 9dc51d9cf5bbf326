"""Ranks go on from one checkpoint, rank 0's newest, though their machines may not show it at once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from model.checkpoint_record import RECORD_FILE
from model.learning.initialize import starting_parameters
from model.network.alexnet import AlexNet
from model.network.dropout import Share
from model.network.placement import Placement
from service.domain.job_folder import JobFolder
from service.domain.resolved_run import ResolvedRun
from service.training.agreement import Agreement, Rank
from service.training.session import Session

RunOn = Callable[..., tuple[JobFolder, ResolvedRun]]

# Each rank has a folder of its own, as two machines may see one folder of a network file system.
RANK = """
import sys
from datetime import timedelta
from pathlib import Path
import torch, torch.distributed as dist
from model.learning.trainer import Trainer
from model.network.alexnet import AlexNet
from model.network.placement import Placement
from service.domain.job_folder import JobFolder
from service.domain.resolved_run import ResolvedRun
from service.errors import CheckpointUnseenError
from service.training.agreement import Agreement, Rank
from service.training.checkpoints import RunCheckpoints

where, folder = sys.argv[1], JobFolder(Path(sys.argv[2]))
rank, patience = int(sys.argv[3]), float(sys.argv[4])
torch.set_num_threads(1)
dist.init_process_group("gloo", f"file://{where}", timeout=timedelta(seconds=120), rank=rank, world_size=2)
run = ResolvedRun.model_validate_json(folder.specification.read_text())
network = AlexNet(run.model, Placement.one("cpu"))
trainer = Trainer(network, run.recipe, steps_per_epoch=3)
checkpoints = RunCheckpoints(folder, 3, network, trainer, torch.zeros(72, 72, 3), None)
try:
    checkpoints.resume(Agreement(folder, Rank(rank, 2)), patience_seconds=patience)
    print(trainer.step, trainer.epoch, float(network.canonical_parameters()["fc8.weight"].sum()), flush=True)
except CheckpointUnseenError as error:
    print(error, flush=True)
dist.barrier()
dist.destroy_process_group()
"""


@pytest.fixture
def seen_by_first(dataset: Path, tmp_path: Path, run_on: RunOn) -> JobFolder:
    """A run's folder with checkpoints of steps 3 and 6."""
    (tmp_path / "first").mkdir()
    folder, run = run_on(tmp_path / "first", dataset, "quick", epochs=2)
    network = AlexNet(run.model, Placement.one("cpu"))
    network.load_canonical_parameters(starting_parameters(run.model, run.recipe.initialization, seed=0))
    share = Share.of(0, 1, run.recipe.global_batch_size)
    list(Session(folder, run, Agreement(folder, Rank(0, 1)), share, network, network).epochs())
    assert folder.checkpoint_names() == ["step-00000003", "step-00000006"]
    return folder


@pytest.fixture
def seen_by_second(seen_by_first: JobFolder, tmp_path: Path) -> JobFolder:
    """The same folder as another machine shows it."""
    return JobFolder(shutil.copytree(seen_by_first.path, tmp_path / "second" / "run-1"))


def rank(number: int, folder: JobFolder, patience_seconds: float) -> subprocess.Popen[str]:
    arguments = map(str, (folder.path.parents[1] / "rendezvous", folder.path, number, patience_seconds))
    return subprocess.Popen([sys.executable, "-c", RANK, *arguments], stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> int:
    process.communicate(timeout=120)
    return process.returncode


def test_a_rank_waits_for_the_checkpoint_that_the_first_goes_on_from(
    seen_by_first: JobFolder, seen_by_second: JobFolder
) -> None:
    newest = seen_by_second.checkpoints / "step-00000006"
    shutil.rmtree(newest)
    first, second = rank(0, seen_by_first, 300), rank(1, seen_by_second, 300)
    expected = said(first)
    assert expected.startswith("6 2 ")
    shutil.copytree(seen_by_first.checkpoints / newest.name, newest.with_name(".coming"))
    newest.with_name(".coming").rename(newest)
    assert said(second) == expected
    assert [end(each) for each in (first, second)] == [0, 0]


def test_a_rank_waits_for_what_the_first_knows_of_that_checkpoint(
    seen_by_first: JobFolder, seen_by_second: JobFolder
) -> None:
    # As it was when the run had been stopped and not validated.
    path = seen_by_second.checkpoints / "step-00000006" / RECORD_FILE
    newest = path.read_text()
    path.write_text(newest.replace('"epoch": 2', '"epoch": 1'))
    first, second = rank(0, seen_by_first, 300), rank(1, seen_by_second, 300)
    expected = said(first)
    path.with_name("aside").write_text(newest)
    path.with_name("aside").replace(path)
    assert said(second) == expected
    assert [end(each) for each in (first, second)] == [0, 0]


def test_a_rank_that_never_sees_that_checkpoint_says_so_and_does_not_take_an_older_one(
    seen_by_first: JobFolder, seen_by_second: JobFolder
) -> None:
    newest = seen_by_second.checkpoints / "step-00000006"
    shutil.rmtree(newest)
    first, second = rank(0, seen_by_first, 1), rank(1, seen_by_second, 1)
    assert said(first).startswith("6 2 ")
    assert f"rank 0 goes on from {newest}" in said(second)
    assert [end(each) for each in (first, second)] == [0, 0]


def test_a_rank_takes_no_checkpoint_that_the_first_does_not_have(
    seen_by_first: JobFolder, seen_by_second: JobFolder
) -> None:
    shutil.rmtree(seen_by_first.checkpoints / "step-00000006")
    first, second = rank(0, seen_by_first, 300), rank(1, seen_by_second, 300)
    expected = said(first)
    assert expected.startswith("3 1 ")
    assert said(second) == expected
    assert [end(each) for each in (first, second)] == [0, 0]
