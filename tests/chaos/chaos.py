"""`make chaos`: a training run killed in every way, at random moments, again and again.

One run is left in peace. Then, for each fault, others like it are struck at random moments of their course
and resumed where that is needed. Each has to end as the undisturbed one did: the same losses, validations,
weights and velocity to the bit; a follower has seen every event once; no row and no process is left over. A
table goes to stderr; the last line of stdout is one JSON object. Exits 1 when anything is otherwise.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from disturbed_run import Evidence, MissedError, train
from faults import FAULTS
from local_stack import LocalStack
from PIL import Image

DATASET = "paints"
PAINTS = {"amber": (230, 160, 20), "blue": (30, 60, 220), "coral": (250, 120, 100), "dark": (25, 25, 30)}
SPEC: dict[str, Any] = {
    "dataset": DATASET,
    "model": {"preset": "alexnet-tiny"},
    "recipe": {"preset": "quick", "global_batch_size": 32},
    "resources": {"num_workers": 2},
    "checkpoint": {"every_steps": 5},
}


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--times", type=int, default=10, help="how often each fault strikes")
    arguments.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS))
    arguments.add_argument("--epochs", type=int, default=30, help="of 8 steps each")
    arguments.add_argument("--seed", type=int, default=2012, help="of the moments")
    options = arguments.parse_args()
    spec = {**SPEC, "recipe": {**SPEC["recipe"], "epochs": options.epochs}}
    with tempfile.TemporaryDirectory(prefix="tandem-chaos-") as folder:
        stack = LocalStack(Path(folder) / "home")
        try:
            rows = matrix(stack, Path(folder) / "photos", spec, options)
        finally:
            stack.close()
    held = all(row["as_undisturbed"] == row["times"] for row in rows)
    print(json.dumps({"chaos": rows, "held": held}))
    return 0 if held else 1


def matrix(
    stack: LocalStack, photos: Path, spec: dict[str, Any], options: argparse.Namespace
) -> list[dict[str, Any]]:
    prepare(stack, photos)
    undisturbed = train(stack, spec)
    assert undisturbed.succeeded, undisturbed.run
    say(f"undisturbed: {undisturbed.seconds:.0f} s, {max(undisturbed.losses)} steps")
    chance = random.Random(options.seed)
    rows = [strike_often(stack, spec, fault, undisturbed, options.times, chance) for fault in options.faults]
    say(f"{'fault':8} {'times':>5} {'resumed':>7}  {'outcome':24} {'equal':>5} told once left over")
    for row in rows:
        outcome = ", ".join(f"{count} {state}" for state, count in row["outcomes"].items())
        say(
            f"{row['fault']:8} {row['times']:5} {row['resumed']:7}  {outcome:24} {row['equal_losses']:5}"
            f" {row['told_once']:9} {row['left_over']:9}"
        )
    return rows


def strike_often(
    stack: LocalStack,
    spec: dict[str, Any],
    fault: str,
    undisturbed: Evidence,
    times: int,
    chance: random.Random,
) -> dict[str, Any]:
    """So many runs, each struck once; what became of them, in numbers."""
    struck: list[Evidence] = []
    moments = []
    while len(struck) < times:
        after = chance.uniform(0, undisturbed.seconds)
        try:
            evidence = train(stack, spec, FAULTS[fault], after)
        except MissedError:
            continue
        struck.append(evidence)
        moments.append(round(after, 1))
        say(f"{fault} {len(struck)}/{times} after {after:.1f} s: {told(evidence, undisturbed)}")
    return {
        "fault": fault,
        "times": times,
        "after_seconds": moments,
        "resumed": sum(len(each.run.attempts) - 1 for each in struck),
        "outcomes": Counter(str(each.run.state) for each in struck),
        "equal_losses": sum(each.equals(undisturbed) for each in struck),
        "told_once": sum(each.tells_all_once for each in struck),
        "left_over": sum(not each.leaves_nothing for each in struck),
        "as_undisturbed": sum(as_undisturbed(each, undisturbed) for each in struck),
        "seconds": [round(each.seconds) for each in struck],
    }


def as_undisturbed(each: Evidence, undisturbed: Evidence) -> bool:
    return each.succeeded and each.equals(undisturbed) and each.tells_all_once and each.leaves_nothing


def told(each: Evidence, undisturbed: Evidence) -> str:
    attempts = ", ".join(str(attempt.outcome) for attempt in each.run.attempts)
    parts = [f"{each.run.state} after {each.seconds:.0f} s", f"attempts {attempts}"]
    parts += [
        complaint
        for complaint, fits in (
            ("NOT EQUAL", each.equals(undisturbed)),
            ("NOT TOLD ONCE", each.tells_all_once),
            (f"LEFT OVER: {each.left_at_work} at work, {each.unfinished}", each.leaves_nothing),
        )
        if not fits
    ]
    return "; ".join(parts)


def prepare(stack: LocalStack, photos: Path) -> None:
    """A dataset of noisy photos of one colour each: 256 to train on in four classes, 64 to validate."""
    random_pixels = np.random.default_rng(7)
    for split, count in (("train", 64), ("val", 16)):
        for name, colour in PAINTS.items():
            (photos / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = np.clip(random_pixels.normal(colour, 40, size=(96, 110, 3)), 0, 255)
                Image.fromarray(pixels.astype(np.uint8)).save(photos / split / name / f"{number:03}.jpg")
    stack.client.datasets.create({"name": DATASET, "source": {"path": str(photos)}, "image_size": 72})
    while not (dataset := stack.client.datasets.get(DATASET)).state.is_terminal:
        time.sleep(0.3)
    assert dataset.manifest is not None, dataset.reason


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
