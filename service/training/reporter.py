"""What rank 0 tells of a run while it trains: lines of progress, at most one a second, and every event."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final

from model.learning.trainer import StepReport
from service.domain.events import CheckpointLine, EpochLine, StepLine, WarningLine
from service.domain.job_folder import JobFolder, now
from service.training.board import Board
from service.training.progress import LineFile, Pace

PROGRESS_SECONDS = 1.0

_CURVES_OF_STEPS: Final = ("loss", "learning_rate", "images_per_second")
_CURVES_OF_EPOCHS: Final = ("val_loss", "val_top1_error", "val_top5_error")

Identity = tuple[str, str | int]
_IDENTIFIED_BY: Final = MappingProxyType({"epoch": "epoch", "checkpoint": "name", "warning": "message"})


class Reporter:
    """Writes to a run's `progress.jsonl`, `events.jsonl` and `tensorboard/`."""

    def __init__(
        self, folder: JobFolder, total_steps: int, *, images_per_step: int, num_workers: int
    ) -> None:
        self._progress = LineFile(folder.progress)
        self._events = LineFile(folder.events)
        self._total_steps = total_steps
        self._images_per_step = images_per_step
        self._num_workers = num_workers
        self._pace = Pace()
        self._waits = Pace()
        self._steps = 0
        self._told = 0.0
        self._untold: StepLine | None = None
        self._board = Board(folder.board)
        self._events_told = set(_events_told(folder))

    def step(self, report: StepReport, loss: float, *, waited_seconds: float, corrupt_samples: int) -> None:
        """Notes a step, with its loss over the global batch, and how long all steps so far waited for theirs.

        What is not told at once, `flush` tells.
        """
        self._steps += 1
        self._pace.advance(self._steps)
        self._waits.advance(waited_seconds)
        self._untold = StepLine(
            at=now(),
            epoch=report.epoch,
            step=report.step,
            total_steps=self._total_steps,
            loss=loss,
            learning_rate=report.learning_rate,
            images_per_second=self._pace.per_second * self._images_per_step,
            eta_seconds=self._pace.seconds_for(self._total_steps - report.step),
            num_workers=self._num_workers,
            wait_share=self._waits.per_second,
            corrupt_samples=corrupt_samples,
        )
        if time.monotonic() - self._told >= PROGRESS_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Tells the latest step if it has not been told."""
        if self._untold is not None:
            self._progress.append(self._untold)
            self._board.tell(
                self._untold.step,
                {f"train/{name}": getattr(self._untold, name) for name in _CURVES_OF_STEPS},
            )
            self._untold = None
            self._told = time.monotonic()

    def event(self, line: EpochLine | CheckpointLine | WarningLine) -> None:
        """Tells of an epoch, a checkpoint or a warning, and first of the step it came after.

        An attempt that goes on from a checkpoint comes to some of them again: each is told once.
        """
        self.flush()
        identity = _identity(line.model_dump())
        if identity not in self._events_told:
            self._events_told.add(identity)
            self._events.append(line)
        if isinstance(line, EpochLine):
            self._board.tell(
                line.step,
                {f"val/{name.removeprefix('val_')}": getattr(line, name) for name in _CURVES_OF_EPOCHS},
            )

    def close(self) -> None:
        """Tells what is left to tell."""
        self.flush()
        self._progress.close()
        self._events.close()
        self._board.close()


def _events_told(folder: JobFolder) -> Iterator[Identity]:
    for line in folder.events.read_bytes().splitlines():
        # An attempt that was killed may have left a line in its middle.
        with suppress(ValueError, KeyError):
            yield _identity(json.loads(line))


def _identity(line: Mapping[str, Any]) -> Identity:
    """What makes an event the one it is, whenever it is told."""
    kind = line["kind"]
    return kind, line[_IDENTIFIED_BY[kind]]
