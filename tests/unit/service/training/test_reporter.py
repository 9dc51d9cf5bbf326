"""What a run tells of itself when it comes to the same step, epoch and checkpoint again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model.learning.trainer import StepReport
from service.domain.events import CheckpointLine, EpochLine, WarningLine
from service.domain.job_folder import JobFolder, now
from service.training.reporter import Reporter


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    folder = JobFolder(tmp_path / "run")
    folder.create({})
    return folder


def epoch(number: int, val_loss: float = 1.0) -> EpochLine:
    return EpochLine(
        at=now(),
        epoch=number,
        step=10 * number,
        train_loss=1.0,
        val_loss=val_loss,
        val_top1_error=0.5,
        val_top5_error=0.1,
        val_samples=8,
        seconds=1.0,
    )


def checkpoint(step: int) -> CheckpointLine:
    return CheckpointLine(at=now(), name=f"step-{step:08d}", epoch=0, step=step)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_an_attempt_tells_of_what_the_one_before_had_not_and_of_nothing_twice(folder: JobFolder) -> None:
    first = Reporter(folder, total_steps=30, images_per_step=8, num_workers=2)
    warning = WarningLine(at=now(), code="stalled", message="for 2,000 steps")
    for line in (epoch(1), checkpoint(10), warning):
        first.event(line)
    first.close()
    # Killed in the middle of a line.
    with folder.events.open("a") as events:
        events.write('{"kind": "epoch", "epo')

    second = Reporter(folder, total_steps=30, images_per_step=8, num_workers=2)
    for line in (checkpoint(10), epoch(1, val_loss=2.0), warning, epoch(2), epoch(2), checkpoint(20)):
        second.event(line)
    second.close()
    whole = [line for line in folder.events.read_text().splitlines() if line.endswith("}")]
    told = [json.loads(line) for line in whole]
    assert [(line["kind"], line.get("step")) for line in told] == [
        ("epoch", 10),
        ("checkpoint", 10),
        ("warning", None),
        ("epoch", 20),
        ("checkpoint", 20),
    ]
    assert told[0]["val_loss"] == 1.0


def test_a_step_is_told_before_the_event_that_came_after_it(folder: JobFolder) -> None:
    reporter = Reporter(folder, total_steps=30, images_per_step=8, num_workers=2)
    for step in (1, 2, 3):
        reporter.step(StepReport(step, 0, 2.0, 0.01, 8), 2.0, waited_seconds=0.0, corrupt_samples=0)
    reporter.event(checkpoint(3))
    reporter.close()
    assert [line["step"] for line in lines(folder.progress)][-1] == 3
