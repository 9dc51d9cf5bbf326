"""What a step tells of the photos it was trained on: how long it waited, and how many it did without."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from model.errors import NothingEvaluatedError
from model.learning.initialize import starting_parameters
from model.learning.trainer import StepReport
from model.network.alexnet import AlexNet
from model.network.dropout import Share
from model.network.placement import Placement
from pipeline.batches.reader import SplitReader
from pipeline.config import LoadingConfig
from pipeline.shards.manifest import Manifest
from service.domain.job_folder import JobFolder
from service.domain.resolved_run import ResolvedRun
from service.training import progress, waits
from service.training.agreement import Agreement, Rank
from service.training.cause import cause_of
from service.training.reporter import Reporter
from service.training.session import Session
from service.training.waits import Waits


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (progress, waits):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


def told(folder: JobFolder) -> list[dict[str, float]]:
    return [json.loads(line) for line in folder.progress.read_text().splitlines()]


def test_waiting_is_the_time_between_asking_for_a_batch_and_having_it(clock: Clock) -> None:
    def batches() -> Iterator[int]:
        for number in range(3):
            clock.now += 2
            yield number

    waited = Waits()
    for _ in range(2):
        for _ in waited.timed(batches()):
            clock.now += 10
    assert waited.seconds == 2 * 3 * 2


def test_a_step_tells_the_share_of_the_time_that_was_waited(clock: Clock, tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "run")
    folder.create({})
    reporter = Reporter(folder, total_steps=8, images_per_step=8, num_workers=1)
    for step in range(1, 9):
        clock.now += 4
        report = StepReport(step, 0, 2.0, 0.01, 8)
        reporter.step(report, 2.0, waited_seconds=step * 1.0, corrupt_samples=step // 4)
    reporter.close()
    last = told(folder)[-1]
    assert last["wait_share"] == pytest.approx(0.25)
    assert last["corrupt_samples"] == 2


def spoil(dataset: Path, split: str, photos: int) -> None:
    """Flips a bit in each of a split's first photos."""
    reader = SplitReader(dataset, split)
    for position in range(photos):
        number = int(reader.shards_of(np.array(position)))
        content = bytearray(reader.paths[number].read_bytes())
        start = int(reader.pointers[position] - reader.offsets[number])
        content[start + int(reader.sizes[position]) // 2] ^= 1
        reader.paths[number].write_bytes(content)


def session_that_skips(folder: JobFolder, run: ResolvedRun) -> Session:
    skipping = run.spec.model_copy(update={"loading": LoadingConfig(on_corrupt="skip")})
    run = run.model_copy(update={"spec": skipping})
    network = AlexNet(run.model, Placement.two("cpu", "cpu"))
    network.load_canonical_parameters(starting_parameters(run.model, run.recipe.initialization, seed=0))
    share = Share.of(0, 1, run.recipe.global_batch_size)
    return Session(folder, run, Agreement(folder, Rank(0, 1)), share, network, network)


def test_a_run_that_may_leave_damaged_photos_out_tells_how_many_it_has(
    dataset: Path, tmp_path: Path, run_on: Callable[..., tuple[JobFolder, ResolvedRun]]
) -> None:
    damaged = shutil.copytree(dataset, tmp_path / "damaged")
    spoil(damaged, "train", photos=1)
    folder, run = run_on(tmp_path, damaged, "quick", epochs=2)
    assert len(list(session_that_skips(folder, run).epochs())) == 2
    last = told(folder)[-1]
    assert last["corrupt_samples"] == 2, "once in each epoch"
    assert 0 < last["wait_share"] < 1


def test_a_run_with_no_sound_photo_to_validate_on_says_so(
    dataset: Path, tmp_path: Path, run_on: Callable[..., tuple[JobFolder, ResolvedRun]]
) -> None:
    damaged = shutil.copytree(dataset, tmp_path / "damaged")
    spoil(damaged, "val", photos=Manifest.load(damaged).splits["val"].num_samples)
    folder, run = run_on(tmp_path, damaged, "quick", epochs=2)
    with pytest.raises(NothingEvaluatedError) as failure:
        list(session_that_skips(folder, run).epochs())
    cause = cause_of(failure.value)
    assert (cause.reason, cause.hint) == (
        "nothing_evaluated",
        "check the dataset with: tandem inspect DIR --verify",
    )
