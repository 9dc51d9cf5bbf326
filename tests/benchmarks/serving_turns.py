"""The turns of `bench_serving.py`'s contenders, one server up at a time, and what they come to."""

from __future__ import annotations

import os
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from figures import median
from serving_photos import PHOTOS
from serving_processes import (
    NAIVE,
    PEERS,
    PILLOW,
    PUBLISHED,
    Posted,
    peer,
    post_photos,
    resident_bytes,
    tandem,
)

TANDEM: Final = "tandem"
CODES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"alexnet": (PUBLISHED, NAIVE), "alexnet-tiny": (PUBLISHED, PILLOW)}
)
MEANT: Final = MappingProxyType({PUBLISHED: "same code", PILLOW: "same network", NAIVE: "naive"})
# As the README has it: one process with a large network, one for each core with a small one.
PROCESSES: Final = MappingProxyType({"alexnet": 1, "alexnet-tiny": len(os.sched_getaffinity(0))})
# Counts of clients whose figures have targets.
ALONE, CROWD = 1, 64
RATE, P50, P99 = "images_per_second", "p50_milliseconds", "p99_milliseconds"

_WARM_UP_SECONDS: Final = 2.0

Turns = list[dict[str, float]]


class Contender(NamedTuple):
    """A server, and whose code answers in it."""

    server: str
    code: str

    @property
    def name(self) -> str:
        if self.server == TANDEM:
            return TANDEM
        return f"{self.server}, {MEANT[self.code]}"


class Field(NamedTuple):
    """All turns of one model's contenders: by count of clients, and of the whole of their processes."""

    under_load: dict[tuple[Contender, int], Turns]
    whole: dict[Contender, Turns]


class Plan(NamedTuple):
    """How much is measured, and of whom."""

    rounds: int
    seconds: float
    clients: Sequence[int]
    servers: Sequence[str]


def contenders_of(preset: str, servers: Sequence[str]) -> list[Contender]:
    ours = [Contender(TANDEM, PUBLISHED)] if TANDEM in servers else []
    peers = [Contender(server, code) for server in PEERS if server in servers for code in CODES[preset]]
    return ours + peers


def take_turns(preset: str, work: Path, plan: Plan) -> Field:
    """Each contender in turn is started, checked with every photo, put under load, and ended."""
    found = Field(defaultdict(list), defaultdict(list))
    for number in range(plan.rounds):
        for contender in contenders_of(preset, plan.servers):
            what = f"{preset}, round {number + 1}: {contender.name}"
            expected = f"{preset}-{contender.code}"
            with _up(contender, preset, work) as posted:
                check(posted, work, expected, what)
                not_right = 0.0
                for clients in plan.clients:
                    turn = post_photos(posted, work, expected, clients, (_WARM_UP_SECONDS, plan.seconds))
                    not_right += turn.pop("not_ok") + turn.pop("wrong")
                    found.under_load[contender, clients].append(turn)
                    print(f"{what}: {clients} clients: {shown(turn)}", file=sys.stderr)
                found.whole[contender].append(
                    {
                        "start_seconds": posted.server.start_seconds,
                        "bytes": resident_bytes(posted.server.pid),
                        "answers_not_right": not_right,
                    }
                )
    return found


def check(posted: Posted, work: Path, expected: str, what: str) -> None:
    """Posts every photo once; ends the benchmark unless each comes out as it should."""
    answers = post_photos(posted, work, expected, ALONE, (0, 0), requests=PHOTOS)
    if answers["not_ok"] or answers["wrong"]:
        raise SystemExit(f"bench_serving: {what} gives no right answers: {answers}")


@contextmanager
def _up(contender: Contender, preset: str, work: Path) -> Iterator[Posted]:
    if contender.server == TANDEM:
        with tandem(work / "home", preset, PROCESSES[preset]) as posted:
            yield posted
    else:
        folder = work / "home" / "models" / preset / "1"
        with peer(contender.server, contender.code, folder) as posted:
            yield posted


def figures_of(preset: str, field: Field) -> dict[str, float]:
    """Those figures for which all that they compare has been measured."""
    part, found = preset.replace("-", "_"), {}
    ours = Contender(TANDEM, PUBLISHED)
    for code in CODES[preset]:
        if field.under_load.keys() >= {(ours, CROWD)} and (best := best_peer(field, code)):
            meant = MEANT[code].replace(" ", "_")
            crowds = (field.under_load[ours, CROWD], field.under_load[best, CROWD])
            times, slower = ratio(*crowds, RATE), ratio(*crowds, P99)
            print(f"{preset}: {times:.2f} times {best.name}, p99 {slower:.2f} times", file=sys.stderr)
            found[f"{part}_times_best_{meant}"] = times
            found[f"{part}_p99_times_best_{meant}"] = slower
    single = [(ours, ALONE), (Contender("fastapi", PUBLISHED), ALONE)]
    if field.under_load.keys() >= set(single):
        found[f"{part}_alone_p50_times_fastapi"] = ratio(*(field.under_load[each] for each in single), P50)
    if ours in field.whole:
        found[f"{part}_bytes"] = max(turn["bytes"] for turn in field.whole[ours])
        found[f"{part}_answers_not_right"] = sum(turn["answers_not_right"] for turn in field.whole[ours])
    return found


def best_peer(field: Field, code: str) -> Contender | None:
    """The peer with that network code that answers the most photos to many clients."""
    rates = {
        contender: median(turns, RATE)
        for (contender, clients), turns in field.under_load.items()
        if clients == CROWD and contender.code == code and contender.server != TANDEM
    }
    return max(rates, key=rates.__getitem__, default=None)


def ratio(upper: Turns, lower: Turns, figure: str) -> float:
    """The median of what a round's turns are to each other."""
    return statistics.median(above[figure] / below[figure] for above, below in zip(upper, lower, strict=True))


def shown(turn: Mapping[str, float]) -> str:
    return ", ".join(f"{figure} {value:.2f}" for figure, value in turn.items())


def rows_of(preset: str, field: Field) -> dict[str, Turns]:
    under_load = {
        f"{preset}: {contender.name}: {clients} client{'s' if clients > 1 else ''}": turns
        for (contender, clients), turns in field.under_load.items()
    }
    return under_load | {f"{preset}: {contender.name}": turns for contender, turns in field.whole.items()}
