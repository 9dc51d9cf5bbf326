"""The first layer is drawn as a run begins and with every checkpoint, and its pictures stay."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from model.checkpoint import load_checkpoint
from model.figures.filters import tower_mosaics
from model.learning.initialize import starting_parameters
from model.network.alexnet import AlexNet
from model.network.dropout import Share
from model.network.placement import Placement
from service.domain.job_folder import JobFolder
from service.domain.resolved_run import ResolvedRun
from service.training.agreement import Agreement, Rank
from service.training.filters import RunFilters
from service.training.session import Session

RunOn = Callable[..., tuple[JobFolder, ResolvedRun]]


def session_of(folder: JobFolder, run: ResolvedRun, placement: Placement | None = None) -> Session:
    network = AlexNet(run.model, placement or Placement.one("cpu"))
    network.load_canonical_parameters(starting_parameters(run.model, run.recipe.initialization, seed=0))
    share = Share.of(0, 1, run.recipe.global_batch_size)
    return Session(folder, run, Agreement(folder, Rank(0, 1)), share, network, network)


def drawn(folder: JobFolder) -> dict[str, bytes]:
    pictures = folder.filters.rglob("*.png")
    return {str(path.relative_to(folder.filters)): path.read_bytes() for path in pictures}


def shows(folder: JobFolder, step: int, kernels_K3SS: torch.Tensor) -> bool:
    expected = tower_mosaics(kernels_K3SS.numpy(), towers=2)
    found = [np.array(Image.open(folder.filter_picture(step, tower))) for tower in range(2)]
    return all(np.array_equal(*pair) for pair in zip(found, expected, strict=True))


def test_each_checkpoint_and_the_start_are_drawn_and_stay_drawn(
    dataset: Path, tmp_path: Path, run_on: RunOn
) -> None:
    # Three steps an epoch, each of which ends with a checkpoint.
    folder, run = run_on(tmp_path, dataset, "quick", epochs=5)
    list(session_of(folder, run).epochs())
    assert folder.towers_drawn() == dict.fromkeys(range(0, 16, 3), 2)
    start = starting_parameters(run.model, run.recipe.initialization, seed=0)
    assert shows(folder, 0, start["conv1.weight"])
    kept = [load_checkpoint(folder.checkpoints / name) for name in folder.checkpoint_names()]
    assert [checkpoint.record.step for checkpoint in kept] == [9, 12, 15]
    for checkpoint in kept:
        assert shows(folder, checkpoint.record.step, checkpoint.parameters["conv1.weight"])
    assert not shows(folder, 0, kept[-1].parameters["conv1.weight"])
    assert len(drawn(folder)) == 12


@pytest.mark.parametrize("devices", [("cpu",), ("cpu", "cpu")])
def test_the_first_kernels_are_the_canonical_ones_wherever_towers_are(
    dataset: Path, tmp_path: Path, run_on: RunOn, devices: tuple[str, ...]
) -> None:
    _, run = run_on(tmp_path, dataset, "quick")
    network = AlexNet(run.model, Placement.one(*devices) if len(devices) == 1 else Placement.two(*devices))
    kernels = network.first_kernels()
    assert torch.equal(kernels, network.canonical_parameters()["conv1.weight"])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    assert not torch.equal(kernels, network.first_kernels()), "it is a copy"


def test_a_run_that_goes_on_leaves_what_was_drawn_and_draws_what_was_not(
    dataset: Path, tmp_path: Path, run_on: RunOn
) -> None:
    folder, run = run_on(tmp_path, dataset, "quick", epochs=3)
    epochs = session_of(folder, run).epochs()
    next(epochs)
    epochs.close()
    before = drawn(folder)
    assert folder.towers_drawn() == {0: 2, 3: 2}
    # As an attempt leaves it that was killed between its checkpoint and the pictures, or in the middle.
    for path in folder.filter_picture(3, 0).parent.iterdir():
        path.unlink()
    folder.filter_picture(3, 0).parent.rename(folder.filters / ".step-00000003.left")
    folder.filter_picture(0, 0).write_bytes(b"the first")
    list(session_of(folder, run).epochs())
    after = drawn(folder)
    assert after.pop("step-00000000/tower-0.png") == b"the first"
    assert {name: after[name] for name in before if name in after} == {
        name: picture for name, picture in before.items() if name != "step-00000000/tower-0.png"
    }
    assert folder.towers_drawn() == {0: 2, 3: 2, 6: 2, 9: 2}
    assert [path.name for path in sorted(folder.filters.iterdir())] == [
        f"step-{step:08d}" for step in (0, 3, 6, 9)
    ]


@contextmanager
def no_room() -> Iterator[None]:
    """No file may be longer than a hundred bytes."""
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)


def test_pictures_that_find_no_room_leave_nothing_and_raise_nothing(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    kernels = torch.rand(8, 3, 5, 5)
    with no_room():
        RunFilters(folder, towers=2).draw(5, kernels)
    assert list(folder.filters.iterdir()) == []
    RunFilters(folder, towers=2).draw(5, kernels)
    assert folder.towers_drawn() == {5: 2}
