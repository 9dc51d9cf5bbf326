"""Runs as they are recorded: one of ten thousand steps that was disturbed on its way, and short ones."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from recorded_home import RecordedHome, RecordedRun

from service.domain.events import CheckpointLine, EpochLine, FailureLine, Line, StepLine, WarningLine
from service.domain.job_folder import now
from service.domain.state import JobState

STEPS: Final = 10_000
# Of the long run: an epoch is over after each third step, so that it has fifty thousand points.
_EPOCH_STEPS: Final = 3
EPOCHS: Final = len(range(0, STEPS, _EPOCH_STEPS))
# Loss, rate, pace and waiting of each step, and of each epoch its loss and both errors in validation.
POINTS: Final = 4 * STEPS + 3 * EPOCHS
CLASSES: Final = ("amber", "blue", "coral", "dark")
# Where a worker fell, and where the run was stopped to go on later.
_FELL, _STOPPED = STEPS // 4, STEPS // 2
_WRITTEN_AT_ONCE: Final = 500


def record_long_run(home: RecordedHome) -> str:
    """Adds the run and its dataset; gives its id."""
    home.add_dataset("paints", CLASSES)
    recipe = {"preset": "quick", "max_steps": STEPS}
    run = home.add_run("paints", len(CLASSES), name="long", recipe=recipe)
    run.begin()
    train(run, 1, _FELL, epoch_steps=_EPOCH_STEPS)
    fallen = "worker 1 was killed by signal 9: out of memory, perhaps"
    run.write([FailureLine(at=now(), rank=1, message=fallen)])
    run.move_to(JobState.RECOVERING, fallen)
    run.move_to(JobState.RUNNING)
    train(run, _FELL + 1, _STOPPED, epoch_steps=_EPOCH_STEPS)
    run.move_to(JobState.STOPPING)
    run.move_to(JobState.STOPPED, "asked to stop")
    run.begin()
    warning = "batches are waited for 31 % of the time: try loading.workers=2"
    run.write([WarningLine(at=now(), code="waiting_for_batches", message=warning)])
    train(run, _STOPPED + 1, STEPS, epoch_steps=_EPOCH_STEPS)
    for step in (STEPS - 1000, STEPS - 500, STEPS):
        run.keep_checkpoint(step)
    run.log(*(f"2026-01-01 epoch {line}, a line of a log" for line in range(2000)))
    run.move_to(JobState.SUCCEEDED)
    return run.id


def record_short_run(
    home: RecordedHome, dataset: str, name: str, *, warning: str, log: str, steps: int = 40, seed: int = 0
) -> RecordedRun:
    """Adds a run that is at work, and about which there is something to say."""
    run = home.add_run(dataset, 2, name=name, seed=seed)
    run.begin()
    train(run, 1, steps)
    run.write([WarningLine(at=now(), code="of_the_tests", message=warning)])
    run.keep_checkpoint(steps)
    run.log(log)
    return run


def train(run: RecordedRun, first: int, last: int, *, epoch_steps: int = 1) -> None:
    """Tells of steps, and of an epoch after the first of each `epoch_steps`."""
    for begin in range(first, last + 1, _WRITTEN_AT_ONCE):
        end = min(begin + _WRITTEN_AT_ONCE - 1, last)
        run.write(line for step in range(begin, end + 1) for line in _lines(step, epoch_steps))
        name = f"step-{end:08d}"
        run.write([CheckpointLine(at=now(), name=name, epoch=end, step=end)])


def _lines(step: int, epoch_steps: int) -> Iterator[Line]:
    noise = math.sin(step * 12.9898) * 0.5
    loss = 0.3 + 1.2 * math.exp(-step / 2500) + 0.15 * noise
    yield StepLine(
        at=now(),
        epoch=step,
        step=step,
        total_steps=STEPS,
        loss=loss,
        learning_rate=0.01 if step < 7000 else 0.001,
        images_per_second=812.5 + 60 * noise,
        eta_seconds=float(STEPS - step),
        num_workers=2,
        wait_share=0.1,
        corrupt_samples=0,
    )
    if (step - 1) % epoch_steps:
        return
    yield EpochLine(
        at=now(),
        epoch=step,
        step=step,
        train_loss=loss,
        val_loss=loss + 0.1,
        val_top1_error=0.2 + 0.5 * math.exp(-step / 2500) + 0.04 * noise,
        val_top5_error=0.02 + 0.2 * math.exp(-step / 2500) + 0.01 * noise,
        val_samples=640,
        seconds=1.0,
    )
