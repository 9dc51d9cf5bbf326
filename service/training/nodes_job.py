"""What `tandem doctor --cluster` asks of every node, as a Ray job: an actor on each looks around."""

from __future__ import annotations

import shutil
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from service.domain.node_report import REPORT_MARK, ClusterReport, NodeReport
from service.training.lookout import Lookout

# A node's first worker imports torch, on a machine that may be busy.
_ANSWER_SECONDS: Final = 90.0
_CLOCK_ROUNDS: Final = 5


class Living(NamedTuple):
    """A node as Ray knows it."""

    identifier: str
    name: str
    gpus: int


def main() -> None:
    """`tandem-nodes-job HOME [STORAGE]`"""
    home, storage = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None
    ray.init(log_to_driver=False)
    living = [
        Living(node["NodeID"], node["NodeManagerHostname"], int(node["Resources"].get("GPU", 0)))
        for node in ray.nodes()
        if node["Alive"]
    ]
    with _marks_below(home) as marks:
        report = look_around(home, marks, storage, _with_names_of_their_own(living))
    sys.stdout.write(f"\n{REPORT_MARK}{report.model_dump_json()}\n")


def look_around(home: Path, marks: Path, storage: str | None, living: list[Living]) -> ClusterReport:
    lookouts = {node: _lookout(node, marks, storage) for node in living}
    described = {node: _answer(lookout.describe.remote()) for node, lookout in lookouts.items()}
    present = {node: found for node, found in described.items() if found is not None}
    # One after another, so that each has left its mark and listens before any other looks.
    listening = {node.name: _answer(lookouts[node].listen.remote()) for node in present}
    wrote = [node.name for node, found in present.items() if found["home_refusal"] is None]
    reports = []
    for node, found in present.items():
        others = {name: at for name, at in listening.items() if at is not None and name != node.name}
        unreached = _answer(lookouts[node].unreached.remote(others))
        missed = _answer(lookouts[node].marks_missed.remote(wrote)) if found["home_refusal"] is None else []
        ahead, within = _clock_of(lookouts[node])
        reports.append(
            NodeReport(
                name=node.name,
                gpus_offered=node.gpus,
                marks_missed=tuple(missed if missed is not None else wrote),
                clock_ahead_seconds=ahead,
                clock_within_seconds=within,
                unreached=tuple(unreached if unreached is not None else others),
                **found,
            )
        )
    silent = tuple(node.name for node in living if node not in present)
    return ClusterReport(home=str(home), storage=storage, nodes=tuple(reports), silent=silent)


def _lookout(node: Living, marks: Path, storage: str | None) -> Any:
    here = NodeAffinitySchedulingStrategy(node.identifier, soft=False)
    return (
        ray.remote(Lookout)
        .options(num_cpus=0, scheduling_strategy=here)
        .remote(str(marks), node.name, storage)
    )


def _answer(reference: Any) -> Any:
    """What was asked for; None from a node that is gone or says nothing."""
    try:
        return ray.get(reference, timeout=_ANSWER_SECONDS)
    except (ray.exceptions.RayActorError, ray.exceptions.GetTimeoutError):
        return None


def _clock_of(lookout: Any) -> tuple[float, float]:
    """How far its clock is ahead of this one's, in seconds, and how exactly that is known."""
    rounds = []
    for _ in range(_CLOCK_ROUNDS):
        began = time.time()
        there = ray.get(lookout.clock.remote(), timeout=_ANSWER_SECONDS)
        ended = time.time()
        rounds.append((there - (began + ended) / 2, (ended - began) / 2))
    return min(rounds, key=lambda each: each[1])


def _with_names_of_their_own(living: list[Living]) -> list[Living]:
    """Nodes of one machine have its name; theirs is lengthened by the beginning of Ray's identifier."""
    names = [node.name for node in living]
    return [
        node if names.count(node.name) == 1 else node._replace(name=f"{node.name}-{node.identifier[:8]}")
        for node in living
    ]


@contextmanager
def _marks_below(home: Path) -> Iterator[Path]:
    """A folder for the nodes' marks, made by the first that leaves one, and gone afterwards."""
    marks = home / f".doctor-{uuid.uuid4().hex}"
    try:
        yield marks
    finally:
        shutil.rmtree(marks, ignore_errors=True)
