"""The control plane under load beside an empty route: the times of their answers, and its memory."""

from __future__ import annotations

import json
import math
import random
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import psutil
from api_processes import Server, control_plane, empty_route, ray_stand_in, script
from recorded_runs import record_run_at_work, record_runs

RUNS: Final = 500
WAITING: Final = 5
FOLLOWERS: Final = 50
REQUESTS_PER_SECOND: Final = 200
WARM_UP_SECONDS: Final = 5.0

# What is asked for, and how often in twenty requests.
MIX: Final[Mapping[str, tuple[int, str]]] = MappingProxyType(
    {
        "runs": (4, "/api/v1/runs"),
        "run": (5, "/api/v1/runs/{run}"),
        "metrics": (3, "/api/v1/runs/{run}/metrics"),
        "history": (2, "/api/v1/runs/{run}/events"),
        "logs": (2, "/api/v1/runs/{run}/logs"),
        "checkpoints": (1, "/api/v1/runs/{run}/checkpoints"),
        "datasets": (1, "/api/v1/datasets"),
        "health": (2, "/healthz"),
    }
)

_SAMPLE_SECONDS: Final = 0.5

# A kind and a path.
Request = tuple[str, str]
Turns = list[dict[str, float]]


class LoadResult(NamedTuple):
    """What both contenders' turns gave, the median of their pairs, and the API's memory over time.

    A follower is behind when it missed an event, or had less than seven in ten seconds.
    """

    contenders: dict[str, Turns]
    p99_times_empty: float
    answers_not_ok: int
    followers_behind: int
    memory_bytes: list[int]


class Turn(NamedTuple):
    """One turn of one contender: the seconds of its answers by kind, and how many were none of status 200."""

    seconds: dict[str, list[float]]
    not_ok: int
    cpu_share: float

    @property
    def figures(self) -> dict[str, float]:
        return _times([each for taken in self.seconds.values() for each in taken]) | {
            "cpu_share": self.cpu_share
        }


def measure_load(home: Path, rounds: int, seconds: float) -> LoadResult:
    """Both contenders in alternating turns; `seconds` is how long each is asked altogether."""
    over = record_runs(home, RUNS, with_folders=RUNS, waiting=WAITING)[:-WAITING]
    run_id, submission_id = record_run_at_work(home)
    mix, empty_mix = mixed_requests(over), [("empty", "/empty")]
    tandem: list[Turn] = []
    empty: list[Turn] = []
    memory: list[int] = []
    behind = 0
    with (
        ray_stand_in(submission_id, home / "runs" / run_id) as ray,
        control_plane(home, ray.url) as api,
        empty_route() as peer,
    ):
        for number in range(rounds):
            empty.append(ask(peer, empty_mix, seconds / rounds))
            with followers(f"{api.url}/api/v1/runs/{run_id}/events") as had, sampled_memory(api.pid) as rss:
                tandem.append(ask(api, mix, seconds / rounds))
            # The run tells of a step each second.
            behind += sum(not each["gapless"] or each["events"] < 0.7 * seconds / rounds for each in had)
            memory += rss
            print(f"load, round {number + 1}: api {tandem[-1].figures}", file=sys.stderr)
            print(f"load, round {number + 1}: empty route {empty[-1].figures}", file=sys.stderr)
    contenders = {"empty route": [turn.figures for turn in empty], "api": [turn.figures for turn in tandem]}
    for kind in MIX:
        contenders[f"api: {kind}"] = [_times(turn.seconds[kind]) for turn in tandem]
    times = statistics.median(
        ours.figures["p99_milliseconds"] / theirs.figures["p99_milliseconds"]
        for ours, theirs in zip(tandem, empty, strict=True)
    )
    not_ok = sum(turn.not_ok for turn in (*tandem, *empty))
    return LoadResult(contenders, times, not_ok, behind, memory)


def mixed_requests(run_ids: Sequence[str]) -> list[Request]:
    """A thousand requests in the mix, over all runs, in an order drawn once."""
    draw = random.Random(0)
    kinds = [kind for kind, (share, _) in MIX.items() for _ in range(50 * share)]
    draw.shuffle(kinds)
    return [(kind, MIX[kind][1].format(run=draw.choice(run_ids))) for kind in kinds]


def ask(server: Server, requests: Sequence[Request], seconds: float) -> Turn:
    """Requests in open loop, from a process of its own."""
    process = psutil.Process(server.pid)
    before = process.cpu_times()
    done = subprocess.run(
        script("readers", server.url, REQUESTS_PER_SECOND, WARM_UP_SECONDS, seconds),
        input="".join(f"{kind} {path}\n" for kind, path in requests),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    after = process.cpu_times()
    cpu_seconds = after.user + after.system - before.user - before.system
    answers = json.loads(done.stdout)
    not_ok = sum(count for status, count in answers["statuses"].items() if status != str(HTTPStatus.OK.value))
    return Turn(answers["seconds"], not_ok, cpu_seconds / (WARM_UP_SECONDS + seconds))


@contextmanager
def followers(url: str) -> Iterator[list[dict[str, Any]]]:
    """Followers of a run while the block runs; what each of them had is in the list when it has ended."""
    had: list[dict[str, Any]] = []
    with subprocess.Popen(script("followers", url, FOLLOWERS), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            process.stdout.readline()
            yield had
        finally:
            process.terminate()
        had += json.loads(process.stdout.read())


@contextmanager
def sampled_memory(pid: int) -> Iterator[list[int]]:
    """Resident bytes of a process while the block runs, from when it is warm."""
    samples: list[int] = []
    ended = threading.Event()

    def sample() -> None:
        process = psutil.Process(pid)
        if ended.wait(WARM_UP_SECONDS):
            return
        while not ended.wait(_SAMPLE_SECONDS):
            samples.append(process.memory_info().rss)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()


def _times(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        f"p{share}_milliseconds": 1000 * ordered[math.ceil(len(ordered) * share / 100) - 1]
        for share in (50, 99)
    }
