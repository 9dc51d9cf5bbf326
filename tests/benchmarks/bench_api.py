"""`make bench-api`: the control plane under load, with a long history, and what it costs a training.

load: 500 runs, 50 followers of one that tells of a step each second, and 200 reads a second in open loop,
alternating with an empty FastAPI route in a uvicorn of its own that gets 200 requests a second and has no
followers; and all of it again with a training of one thread beside. start: from the process's start to its
first answer with 10,000 runs. pages: pages of runs among 100,000 and among 100. training: images per second
of a run under the whole stack beside those of the bare loop in one process, one thread each. A table goes to
stderr; the last line of stdout is one JSON object. Exits 1 when a figure is not held.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from pathlib import Path

from api_growth import PAGES, Turns, measure_pages, measure_starts, page_figure
from api_load import LoadResult, measure_load
from api_training import measure_training, training_beside
from figures import report

PARTS = ("load", "load-beside-training", "start", "pages", "training")
TARGETS = {
    "load_p99_times_empty": (4.0, "at most"),
    "load_answers_not_ok": (0.0, "at most"),
    "load_followers_behind": (0.0, "at most"),
    "load_memory_bytes": (200e6, "at most"),
    "load_memory_drift_bytes": (20e6, "at most"),
    "load_beside_training_p99_times_empty": (4.0, "at most"),
    "load_beside_training_answers_not_ok": (0.0, "at most"),
    "load_beside_training_followers_behind": (0.0, "at most"),
    "load_beside_training_memory_bytes": (200e6, "at most"),
    "load_beside_training_memory_drift_bytes": (20e6, "at most"),
    "start_seconds": (3.0, "at most"),
    **{page_figure(page): (1.5, "at most") for page in PAGES},
    "training_step_seconds": (0.1, "at least"),
    "training_images_times_bare": (0.95, "at least"),
}

Measured = tuple[dict[str, Turns], dict[str, float]]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=60, help="how long each contender is under load")
    arguments.add_argument("--rounds", type=int, default=3, help="turns each contender takes")
    arguments.add_argument("--steps", type=int, default=150, help="steps of a training")
    arguments.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to measure")
    options = arguments.parse_args()
    # Neither settings of the environment nor a .env file where this was started.
    for name in [name for name in os.environ if name.startswith("TANDEM_")]:
        del os.environ[name]
    contenders: dict[str, Turns] = {}
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for part in PARTS:
            if part in options.only:
                turns, found = measure(part, Path(folder) / part, options)
                contenders |= {f"{part}: {name}": each for name, each in turns.items()}
                figures |= found
    return report("api", contenders, figures, TARGETS)


def measure(part: str, home: Path, options: argparse.Namespace) -> Measured:
    if part == "load":
        return loaded(part, measure_load(home, options.rounds, options.seconds))
    if part == "load-beside-training":
        with training_beside(home / "training"):
            return loaded(part, measure_load(home / "api", options.rounds, options.seconds))
    if part == "start":
        return measure_starts(home, options.rounds)
    if part == "pages":
        return measure_pages(home)
    return measure_training(home, options.rounds, options.steps)


def loaded(part: str, result: LoadResult) -> Measured:
    warm, *_ = result.memory_bytes
    found = {
        "p99_times_empty": result.p99_times_empty,
        "answers_not_ok": result.answers_not_ok,
        "followers_behind": result.followers_behind,
        "memory_bytes": max(result.memory_bytes),
        "memory_drift_bytes": max(abs(each - warm) for each in result.memory_bytes),
    }
    return result.contenders, {
        f"{part.replace('-', '_')}_{name}": float(value) for name, value in found.items()
    }


if __name__ == "__main__":
    sys.exit(main())
