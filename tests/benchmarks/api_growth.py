"""What a long history costs the control plane: its start, and pages of its runs."""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import httpx
from api_processes import control_plane, empty_route
from recorded_runs import RARE, RARE_RUNS, record_runs

RUNS_AT_START: Final = 10_000
FEW: Final = 100
MANY: Final = 100_000
PAGE_TURNS: Final = 150

_FOLDERS: Final = 60
_WARM_UP_TURNS: Final = 20
# As many runs on a page however many there are: 25 of the few have failed, and RARE_RUNS of all are rare.
PAGES: Final = {
    "newest": "/api/v1/runs?limit=50",
    "failed": "/api/v1/runs?limit=20&state=failed",
    "failed or stopped": "/api/v1/runs?limit=20&state=failed&state=stopped",
    "rare": f"/api/v1/runs?limit={RARE_RUNS}&state={RARE}",
    "rare or queued": f"/api/v1/runs?limit={RARE_RUNS}&state={RARE}&state=queued",
}

Turns = list[dict[str, float]]
# What was measured, by contender, and the figures that follow from it.
Measured = tuple[dict[str, Turns], dict[str, float]]


def measure_starts(home: Path, rounds: int) -> Measured:
    """Seconds from a process' start to its first answer, beside that of an empty route."""
    record_runs(home, RUNS_AT_START, with_folders=_FOLDERS)
    turns: dict[str, Turns] = {"empty route": [], f"api, {RUNS_AT_START:,} runs": []}
    for _ in range(rounds):
        for taken, start in zip(turns.values(), (empty_route, lambda: control_plane(home)), strict=True):
            with start() as server:
                taken.append({"seconds": server.start_seconds})
    ours = turns[f"api, {RUNS_AT_START:,} runs"]
    return turns, {"start_seconds": statistics.median(turn["seconds"] for turn in ours)}


def measure_pages(home: Path) -> Measured:
    """Milliseconds of a page of runs among many and among few, asked for in turns."""
    turns: dict[str, Turns] = {}
    figures: dict[str, float] = {}
    with ExitStack() as ending:
        clients = {}
        for runs in (FEW, MANY):
            record_runs(home / str(runs), runs, with_folders=_FOLDERS)
            server = ending.enter_context(control_plane(home / str(runs)))
            clients[runs] = ending.enter_context(httpx.Client(base_url=server.url, trust_env=False))
        for page, path in PAGES.items():
            taken: dict[int, Turns] = {FEW: [], MANY: []}
            for _ in range(_WARM_UP_TURNS + PAGE_TURNS):
                items = {}
                for runs, client in clients.items():
                    began = time.perf_counter()
                    answer = client.get(path).raise_for_status()
                    taken[runs].append({"milliseconds": 1000 * (time.perf_counter() - began)})
                    items[runs] = len(answer.json()["items"])
                assert items[FEW] == items[MANY] > 0, (path, items)
            for runs, each in taken.items():
                turns[f"{page} page of {runs:,} runs"] = each[_WARM_UP_TURNS:]
            few, many = (
                statistics.median(turn["milliseconds"] for turn in taken[runs][_WARM_UP_TURNS:])
                for runs in (FEW, MANY)
            )
            figures[page_figure(page)] = many / few
    return turns, figures


def page_figure(page: str) -> str:
    return f"{page.replace(' ', '_')}_page_times_few"
