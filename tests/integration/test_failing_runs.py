"""A run that cannot go on says why, and what to do about it."""

from __future__ import annotations

import shutil
from typing import Any

import psutil
import pytest

from pipeline.batches.reader import SplitReader
from service.client import Client
from service.domain.answers import Run
from service.domain.events import EventKind
from service.domain.state import JobState
from service.stack.up import Stack

pytestmark = pytest.mark.cluster


def failed(client: Client, dataset: str, **spec: Any) -> Run:
    """The run of this specification, which is known to fail."""
    recipe = {"preset": "quick", "global_batch_size": 32, **spec.pop("recipe", {})}
    run = client.runs.create(
        {"dataset": dataset, "model": {"preset": "alexnet-tiny"}, "recipe": recipe, **spec}
    )
    for event in client.runs.events(run.id):
        if event.kind is EventKind.END:
            break
    found = client.runs.get(run.id)
    assert found.state is JobState.FAILED, found.reason
    return found


def test_a_loss_that_is_no_number_names_step_rate_and_last_good_checkpoint(
    client: Client, dataset: str
) -> None:
    ruin = {"after_epochs": 1, "learning_rate": 1e25}
    rates = {"learning_rate": 0.01, "schedule": {"kind": "epochs", "stages": [ruin]}}
    run = failed(client, dataset, recipe=rates, checkpoint={"every_steps": 1})
    assert run.reason.startswith("diverged")
    good, ruined = run.checkpoints[-2:]
    assert f"at step {ruined.step + 1} with learning rate 1e+25" in run.reason
    assert f"the last good checkpoint is {good.name}" in run.reason


def test_a_run_whose_workers_keep_falling_names_the_worker_and_can_be_resumed(
    client: Client, dataset: str
) -> None:
    recipe = {"preset": "quick", "global_batch_size": 32, "epochs": 5000}
    spec = {"dataset": dataset, "model": {"preset": "alexnet-tiny"}, "recipe": recipe}
    run = client.runs.create({**spec, "resources": {"num_workers": 2}, "checkpoint": {"every_steps": 5}})
    fallen = set()
    for event in client.runs.events(run.id):
        if event.kind is EventKind.CHECKPOINT:
            fallen |= kill_one_worker(fallen)
    found = client.runs.get(run.id)
    assert found.state is JobState.FAILED
    # Ray Train starts the workers again three times.
    assert len(fallen) >= 4
    assert found.failure is not None
    assert found.failure.reason == "worker_lost"
    assert found.failure.rank in {0, 1}
    assert found.failure.last_checkpoint == found.checkpoints[-1].name
    assert "tandem resume" in found.failure.hint


def kill_one_worker(fallen: set[int]) -> set[int]:
    """Ends a worker that trains, other than those that were ended before; its process id."""
    for process in psutil.process_iter(["pid", "cmdline"]):
        name = " ".join(process.info["cmdline"] or [])
        if name.startswith("ray::") and "TrainWorker" in name and process.pid not in fallen:
            process.kill()
            return {process.pid}
    return set()


def test_a_damaged_photo_ends_the_run_and_is_named(client: Client, dataset: str, stack: Stack) -> None:
    datasets = stack.settings.home / "datasets"
    damaged = shutil.copytree(datasets / dataset, datasets / "damaged")
    reader = SplitReader(damaged, "train")
    content = bytearray(reader.paths[0].read_bytes())
    content[int(reader.pointers[3]) + int(reader.sizes[3]) // 2] ^= 1
    reader.paths[0].write_bytes(content)
    run = failed(client, "damaged")
    assert run.reason.startswith("data_corrupt")
    assert f"{reader.paths[0]}: sample {reader.sample_ids[3]} is damaged" in run.reason
    assert "tandem inspect DIR --verify" in run.reason
