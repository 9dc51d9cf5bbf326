"""What the control plane costs a training: a run under the whole stack beside the bare loop."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from api_processes import script
from PIL import Image

from service.client import Client
from service.cluster.jobs import ClusterResources, Node
from service.domain.job_folder import JobFolder, write_json
from service.domain.spec import RunSpec
from service.operations.resolve import resolve
from service.settings import Settings
from service.stack.free_port import free_port
from service.stack.up import local_stack
from service.store.models import ModelStore

BATCH: Final = 128
WARM_UP_STEPS: Final = 10
BARE: Final = "bare loop"
TANDEM: Final = "run under the control plane"

_DATASET: Final = "paints"
_CLASSES: Final = 4
_PHOTOS: Final = 64
_VALIDATION_PHOTOS: Final = 8
_SIDE: Final = 72

Turns = list[dict[str, float]]
# A step's number, and the moment it ended in seconds.
Steps = list[tuple[int, float]]


def measure_training(home: Path, rounds: int, steps: int) -> tuple[dict[str, Turns], dict[str, float]]:
    """Images a second of both in alternating turns: one worker of one thread, the same steps."""
    prepare(home, steps)
    specification = run_file(home, steps)
    turns: dict[str, Turns] = {BARE: [], TANDEM: []}
    for number in range(rounds):
        for name, turn in ((BARE, lambda: bare(specification, steps)), (TANDEM, lambda: run(home, steps))):
            turns[name].append({"images_per_second": images_per_second(turn())})
            print(f"training, round {number + 1}: {name}: {turns[name][-1]}", file=sys.stderr)
    ours, theirs = ([turn["images_per_second"] for turn in turns[name]] for name in (TANDEM, BARE))
    times = statistics.median(mine / bare for mine, bare in zip(ours, theirs, strict=True))
    return turns, {
        "training_step_seconds": BATCH / statistics.median(theirs),
        "training_images_times_bare": times,
    }


@contextmanager
def training_beside(home: Path) -> Iterator[None]:
    """The bare loop at work while the block runs."""
    prepare(home, steps=1)
    with subprocess.Popen(
        script("bare_training", run_file(home, steps=None), 0), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            if not process.stdout.readline():
                raise SystemExit("bench_api: the training ended before its first step")
            yield
        finally:
            process.kill()


def prepare(home: Path, steps: int) -> None:
    """A dataset in which so many steps end no epoch: few photos, each many times."""
    random = np.random.default_rng(0)
    for split, count in (("train", (steps + 1) * BATCH), ("val", _VALIDATION_PHOTOS * _CLASSES)):
        for number in range(count):
            path = home / "photos" / split / f"{number % _CLASSES}" / f"{number:06d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            first = path.with_name(f"{number % _PHOTOS:06d}.jpg")
            if first.exists():
                path.hardlink_to(first)
            else:
                Image.fromarray(random.integers(0, 256, (_SIDE, _SIDE, 3), np.uint8)).save(path)
    # In a process of its own: what it starts is gone before anything is timed.
    tandem, out = Path(sys.executable).with_name("tandem"), home / "datasets" / _DATASET
    command = [tandem, "prepare", home / "photos", "--out", out, "--image-size", str(_SIDE), "--json"]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def specification_of(steps: int | None) -> dict[str, Any]:
    return {
        "dataset": _DATASET,
        "model": {"preset": "alexnet-tiny"},
        "recipe": {"preset": "quick", "global_batch_size": BATCH, "max_steps": steps},
        "resources": {"num_workers": 1, "cpus_per_worker": 1, "accelerator": "cpu"},
    }


def run_file(home: Path, steps: int | None) -> Path:
    """The run as the control plane would resolve it, for the bare loop."""
    spec = RunSpec.model_validate(specification_of(steps))
    dataset, models = home / "datasets" / _DATASET, ModelStore(home / "models")
    path = home / "run.json"
    resolved = resolve("bare", spec, dataset, models, lambda: ClusterResources((Node(cpus=2.0, gpus=0.0),)))
    write_json(path, resolved.model_dump(mode="json"))
    return path


def bare(specification: Path, steps: int) -> Steps:
    command = script("bare_training", specification, steps)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    lines = (line.split() for line in done.stdout.splitlines())
    return [(int(step), float(moment)) for step, moment in lines]


def run(home: Path, steps: int) -> Steps:
    """Starts the stack, trains once with a follower, and ends the stack."""
    settings = Settings(home=home, port=free_port())
    with local_stack(settings) as stack, Client(stack.url) as client:
        run_id = client.runs.create(specification_of(steps)).id
        for _ in client.runs.events(run_id):
            pass
        ended = client.runs.get(run_id)
    if ended.state != "succeeded":
        raise SystemExit(f"bench_api: the run has {ended.state}: {ended.reason}")
    lines = map(json.loads, JobFolder(settings.runs / run_id).progress.read_text().splitlines())
    return [(line["step"], datetime.fromisoformat(line["at"]).timestamp()) for line in lines]


def images_per_second(steps: Steps) -> float:
    """Over all steps but the first ones, in which memory is first touched."""
    told = [each for each in steps if each[0] > WARM_UP_STEPS]
    (first, began), (last, ended) = told[0], told[-1]
    return (last - first) * BATCH / (ended - began)
