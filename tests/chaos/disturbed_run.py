"""One training run, struck by a fault on its way and resumed until it succeeds; and what it left."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults import Fault, processes_at_work
from followed_run import LOOK_SECONDS, Follower, see_through
from local_stack import LocalStack

from service.client.events import RunEvent
from service.domain.answers import Run
from service.domain.events import EventKind
from service.domain.state import JobState

LEAVING_SECONDS = 120.0

VALIDATED = ("epoch", "step", "train_loss", "val_loss", "val_top1_error", "val_top5_error", "val_samples")


@dataclass(frozen=True)
class Evidence:
    """What a run told and left."""

    run: Run
    seconds: float
    losses: dict[int, set[float]]
    validations: list[dict[str, Any]]
    tensors: dict[str, bytes]
    event_ids: list[int]
    checkpoints_told: list[str]
    left_at_work: int
    unfinished: list[str]

    @property
    def succeeded(self) -> bool:
        return self.run.state is JobState.SUCCEEDED

    @property
    def tells_all_once(self) -> bool:
        """Whether a follower saw every event from the first to the last, none twice."""
        gapless = self.event_ids == list(range(1, len(self.event_ids) + 1))
        epochs = [told["epoch"] for told in self.validations]
        once = len(set(self.checkpoints_told)) == len(self.checkpoints_told)
        return gapless and once and epochs == list(range(1, len(epochs) + 1))

    @property
    def leaves_nothing(self) -> bool:
        """Whether no row waits for ever, and no process goes on working."""
        return not self.left_at_work and not self.unfinished

    def equals(self, undisturbed: Evidence) -> bool:
        """Whether losses, validations and the last weights and velocity are another run's, to the bit."""
        both = self.losses.keys() & undisturbed.losses.keys()
        return (
            max(undisturbed.losses) in both
            and all(len(told) == 1 for told in self.losses.values())
            and {step: self.losses[step] for step in both}
            == {step: undisturbed.losses[step] for step in both}
            and self.validations == undisturbed.validations
            and self.tensors == undisturbed.tensors
        )


class MissedError(Exception):
    """The run was over before there was anything to strike."""


def train(stack: LocalStack, spec: dict[str, Any], fault: Fault | None = None, after: float = 0) -> Evidence:
    """Trains to the end, through a fault that strikes so many seconds after the run was asked for.

    Raises `MissedError` when the run was too fast for it.
    """
    began = time.monotonic()
    run = stack.client.runs.create(spec)
    follower = Follower(stack.client, run.id)
    try:
        if fault is not None:
            time.sleep(after)
            _strike(stack, run.id, fault)
        see_through(stack.client, run.id)
    finally:
        events = follower.finish()
    return _evidence(stack, run.id, events, time.monotonic() - began)


def _strike(stack: LocalStack, run_id: str, fault: Fault) -> None:
    while not stack.client.runs.get(run_id).state.is_terminal:
        if fault(stack, run_id):
            return
        time.sleep(LOOK_SECONDS)
    raise MissedError


def _evidence(stack: LocalStack, run_id: str, events: list[RunEvent], seconds: float) -> Evidence:
    run = stack.client.runs.get(run_id)
    folder = stack.home / "runs" / run_id
    return Evidence(
        run=run,
        seconds=seconds,
        losses=_losses(folder),
        validations=[
            {name: event.data[name] for name in VALIDATED}
            for event in events
            if event.kind is EventKind.EPOCH
        ],
        tensors=_tensors(folder),
        event_ids=[event.id for event in events if event.id is not None],
        checkpoints_told=[event.data["name"] for event in events if event.kind is EventKind.CHECKPOINT],
        left_at_work=_left_at_work(stack, run_id),
        unfinished=[each.id for each in stack.client.runs.list() if not each.state.is_terminal],
    )


def _left_at_work(stack: LocalStack, run_id: str) -> int:
    """Processes of the run that have not ended in the time that they may take for it."""
    deadline = time.monotonic() + LEAVING_SECONDS
    while (left := processes_at_work(stack, run_id)) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    return len(left)


def _losses(folder: Path) -> dict[int, set[float]]:
    """The losses told of each step, by the attempts that came to it."""
    told: dict[int, set[float]] = {}
    for line in (folder / "progress.jsonl").read_text().splitlines():
        try:
            step = json.loads(line)
        except ValueError:
            # Its writer was killed in the middle of it.
            continue
        told.setdefault(step["step"], set()).add(step["loss"])
    return told


def _tensors(folder: Path) -> dict[str, bytes]:
    newest = max((folder / "checkpoints").iterdir())
    return {path.name: path.read_bytes() for path in newest.glob("*.safetensors")}
