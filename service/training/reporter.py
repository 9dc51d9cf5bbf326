"""What rank 0 tells of a run while it trains: lines of progress, at most one a second, and every event."""

from __future__ import annotations

import time

from model.learning.trainer import StepReport
from service.domain.events import CheckpointLine, EpochLine, StepLine, WarningLine
from service.domain.job_folder import JobFolder, now
from service.training.progress import LineFile, Pace

PROGRESS_SECONDS = 1.0


class Reporter:
    """Writes to a run's `progress.jsonl` and `events.jsonl`."""

    def __init__(self, folder: JobFolder, total_steps: int, images_per_step: int) -> None:
        self._progress = LineFile(folder.progress)
        self._events = LineFile(folder.events)
        self._total_steps = total_steps
        self._images_per_step = images_per_step
        self._pace = Pace()
        self._steps = 0
        self._told = 0.0
        self._untold: StepLine | None = None

    def step(self, report: StepReport, loss: float) -> None:
        """Notes a step, with its loss over the global batch. What is not told at once, `flush` tells."""
        self._steps += 1
        self._pace.advance(self._steps)
        self._untold = StepLine(
            at=now(),
            epoch=report.epoch,
            step=report.step,
            total_steps=self._total_steps,
            loss=loss,
            learning_rate=report.learning_rate,
            images_per_second=self._pace.per_second * self._images_per_step,
            eta_seconds=self._pace.seconds_for(self._total_steps - report.step),
        )
        if time.monotonic() - self._told >= PROGRESS_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Tells the latest step if it has not been told."""
        if self._untold is not None:
            self._progress.append(self._untold)
            self._untold = None
            self._told = time.monotonic()

    def event(self, line: EpochLine | CheckpointLine | WarningLine) -> None:
        """Tells of an epoch, a checkpoint or a warning, and first of the step it came after."""
        self.flush()
        self._events.append(line)
