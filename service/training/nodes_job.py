"""What `tandem doctor --cluster` asks of every node, as a Ray job: an actor on each looks around."""

from __future__ import annotations

import platform
import random
import shutil
import socket
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

import ray
import torch
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from service.domain.node_report import REPORT_MARK, ClusterReport, NodeReport

_LIBRARIES: Final = ("tandem", "torch", "ray", "ffcv", "numpy")
# Where Ray's own workers listen, so what is open between nodes if anything is.
_WORKER_PORTS: Final = range(10002, 20000)
_PORTS_TRIED: Final = 50
_CONNECT_SECONDS: Final = 5.0
# A node's first worker imports torch, on a machine that may be busy.
_ANSWER_SECONDS: Final = 90.0
# A network file system may show a new file a while later.
_SEEN_SECONDS: Final = 40.0
_CLOCK_ROUNDS: Final = 5


class Living(NamedTuple):
    """A node as Ray knows it."""

    identifier: str
    name: str
    gpus: int


class Lookout:
    """Looks around on the node that it runs on."""

    def __init__(self, marks: str, name: str) -> None:
        self._marks, self._name = Path(marks), name
        self._listener: socket.socket | None = None

    def describe(self) -> dict[str, Any]:
        """What a report has that takes no other node."""
        return {
            "versions": {"python": platform.python_version()} | {name: version(name) for name in _LIBRARIES},
            "gpus_seen": torch.cuda.device_count(),
            "shared_memory_bytes": shutil.disk_usage("/dev/shm").total if Path("/dev/shm").is_dir() else 0,
            "home_refusal": self._leave_mark(),
        }

    def listen(self) -> tuple[str, int]:
        """Address and port at which the others may try to connect."""
        address = ray.util.get_node_ip_address()
        for port in random.sample(_WORKER_PORTS, _PORTS_TRIED):
            try:
                self._listener = socket.create_server((address, port))
            except OSError:
                continue
            return address, port
        raise OSError(f"none of {_PORTS_TRIED} ports of {_WORKER_PORTS} is free on {address}")

    def unreached(self, others: Mapping[str, tuple[str, int]]) -> list[str]:
        """The names of those that it cannot connect to."""
        return [name for name, address in others.items() if not _connects(address)]

    def marks_missed(self, names: Iterable[str]) -> list[str]:
        """Whose marks below the home are not to be seen from here."""
        until = time.monotonic() + _SEEN_SECONDS
        while missed := [name for name in names if not (self._marks / name).exists()]:
            if time.monotonic() > until:
                break
            time.sleep(0.5)
            # Listing a folder is what makes a network file system ask anew.
            list(self._marks.parent.iterdir())
        return missed

    def clock(self) -> float:
        return time.time()

    def _leave_mark(self) -> str | None:
        try:
            self._marks.mkdir(parents=True, exist_ok=True)
            (self._marks / self._name).write_bytes(b"")
        except OSError as error:
            return str(error)
        return None


def main() -> None:
    """`tandem-nodes-job HOME`"""
    home = Path(sys.argv[1])
    ray.init(log_to_driver=False)
    living = [
        Living(node["NodeID"], node["NodeManagerHostname"], int(node["Resources"].get("GPU", 0)))
        for node in ray.nodes()
        if node["Alive"]
    ]
    with _marks_below(home) as marks:
        report = look_around(home, marks, _with_names_of_their_own(living))
    sys.stdout.write(f"\n{REPORT_MARK}{report.model_dump_json()}\n")


def look_around(home: Path, marks: Path, living: list[Living]) -> ClusterReport:
    lookouts = {node: _lookout(node, marks) for node in living}
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
                marks_missed=tuple(missed or ()),
                clock_ahead_seconds=ahead,
                clock_within_seconds=within,
                unreached=tuple(unreached if unreached is not None else others),
                **found,
            )
        )
    silent = tuple(node.name for node in living if node not in present)
    return ClusterReport(home=str(home), nodes=tuple(reports), silent=silent)


def _lookout(node: Living, marks: Path) -> Any:
    here = NodeAffinitySchedulingStrategy(node.identifier, soft=False)
    return ray.remote(Lookout).options(num_cpus=0, scheduling_strategy=here).remote(str(marks), node.name)


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


def _connects(address: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(address, timeout=_CONNECT_SECONDS):
            return True
    except OSError:
        return False


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
