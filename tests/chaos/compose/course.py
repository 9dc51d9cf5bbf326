"""A training run on the cluster, struck by a fault on its way and resumed until it succeeds; what it told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from cluster import Cluster
from followed_run import LOOK_SECONDS, Follower, patiently, see_through

from service.domain.answers import Run
from service.domain.events import EventKind
from service.domain.state import JobState

DATASET: Final = "photos"
SPEC: Final[dict[str, Any]] = {
    "dataset": DATASET,
    "model": {"preset": "alexnet-tiny"},
    "recipe": {"preset": "quick", "global_batch_size": 96, "epochs": 6},
    "resources": {"num_workers": 3},
    "checkpoint": {"every_steps": 10},
}
VALIDATED: Final = (
    "epoch",
    "step",
    "train_loss",
    "val_loss",
    "val_top1_error",
    "val_top5_error",
    "val_samples",
)
STRIKE_AT_STEP: Final = 25

Strike = Callable[[Cluster, Run], object]


@dataclass(frozen=True)
class Course:
    """What a run told, through its API alone."""

    run: Run
    seconds: float
    losses: dict[int, set[float]]
    validations: list[tuple[Any, ...]]
    event_ids: list[int]
    states: list[str]
    warnings: list[str]

    @property
    def succeeded(self) -> bool:
        return self.run.state is JobState.SUCCEEDED

    @property
    def told_once(self) -> bool:
        """Whether a follower saw every event from the first to the last, none twice."""
        return self.event_ids == list(range(1, len(self.event_ids) + 1))

    def equals(self, other: Course) -> bool:
        """Whether number of steps, losses and validations are another's, to the bit."""
        # Which steps are told is a matter of time; the last one is.
        both = self.losses.keys() & other.losses.keys()
        return (
            self.run.progress.step == other.run.progress.step == max(both)
            and all(len(told) == 1 for told in self.losses.values())
            and all(self.losses[step] == other.losses[step] for step in both)
            and self.validations == other.validations
        )


def prepare(cluster: Cluster) -> None:
    """Prepares the photos that the cluster sees, as a job on it."""
    cluster.client.datasets.create({"name": DATASET, "source": {"path": "/photos"}, "image_size": 72})
    while not (dataset := cluster.client.datasets.get(DATASET)).state.is_terminal:
        time.sleep(LOOK_SECONDS)
    assert dataset.manifest is not None, dataset.reason


def train(cluster: Cluster, strike: Strike | None = None) -> Course:
    """Trains to the end, through a fault that strikes in the midst of the second epoch."""
    began = time.monotonic()
    run = cluster.client.runs.create(SPEC)
    follower = Follower(cluster.client, run.id)
    try:
        if strike is not None:
            _wait_for_step(cluster, run, STRIKE_AT_STEP)
            strike(cluster, run)
        see_through(cluster.client, run.id)
    finally:
        events = follower.finish()
    losses: dict[int, set[float]] = {}
    for line in patiently(lambda: cluster.client.runs.metrics(run.id)):
        losses.setdefault(line["step"], set()).add(line["loss"])
    return Course(
        run=patiently(lambda: cluster.client.runs.get(run.id)),
        seconds=time.monotonic() - began,
        losses=losses,
        validations=[
            tuple(event.data[name] for name in VALIDATED) for event in events if event.kind is EventKind.EPOCH
        ],
        event_ids=[event.id for event in events if event.id is not None],
        states=[event.data["state"] for event in events if event.kind is EventKind.STATE],
        warnings=[event.data["code"] for event in events if event.kind is EventKind.WARNING],
    )


def _wait_for_step(cluster: Cluster, run: Run, step: int) -> None:
    while ((now := cluster.client.runs.get(run.id)).progress.step or 0) < step:
        assert not now.state.is_terminal, f"the run is {now.state}: {now.reason}"
        time.sleep(LOOK_SECONDS)
