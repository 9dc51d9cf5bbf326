"""A run that ended before its time goes on, and ends as if nothing had happened."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import psutil
import pytest

from service.client import ApiError, Client
from service.client.events import RunEvent
from service.domain.answers import Run
from service.domain.events import EventKind
from service.domain.state import JobState
from service.stack.up import Stack

pytestmark = pytest.mark.cluster

SPEC = {
    "model": {"preset": "alexnet-tiny"},
    "recipe": {"preset": "quick", "epochs": 40, "global_batch_size": 32},
    "resources": {"num_workers": 2},
    "checkpoint": {"every_steps": 5},
}


@pytest.fixture(scope="module")
def undisturbed(client: Client, dataset: str) -> Run:
    run = client.runs.create({"dataset": dataset, **SPEC})
    return followed(client, run)[1]


def followed(client: Client, run: Run) -> tuple[list[RunEvent], Run]:
    """Every event of a run, and the run once it is over."""
    return list(client.runs.events(run.id)), client.runs.get(run.id)


def at_work(client: Client, run: Run, after: int) -> int:
    """Waits for a run's progress after an event; returns that event's id."""
    for event in client.runs.events(run.id, last_event_id=after):
        assert event.kind is not EventKind.END, event.data
        if event.kind is EventKind.PROGRESS:
            assert event.id is not None
            return event.id
    raise AssertionError("the stream ended before the run did")


def over(client: Client, run: Run, after: int) -> int:
    """Waits for the end of a run's attempt; returns the last event's id."""
    last = [event.id for event in client.runs.events(run.id, last_event_id=after) if event.id][-1]
    assert last is not None
    return last


def kill_driver(folder: Path) -> None:
    """Ends the process that leads a run, as a machine that fails would."""
    drivers = [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(folder) in (process.info["cmdline"] or [])
        and "tandem-train-job" in str(process.info["cmdline"])
    ]
    assert drivers
    for driver in drivers:
        driver.kill()


def tensors(folder: Path) -> dict[str, bytes]:
    """The bytes of everything that the newest checkpoint holds in tensors."""
    newest = max((folder / "checkpoints").iterdir())
    return {path.name: path.read_bytes() for path in newest.glob("*.safetensors")}


def losses(folder: Path) -> dict[int, set[float]]:
    """The losses told of each step, by the attempts that came to it."""
    told: dict[int, set[float]] = {}
    for line in map(json.loads, (folder / "progress.jsonl").read_text().splitlines()):
        told.setdefault(line["step"], set()).add(line["loss"])
    return told


def validations(events: list[RunEvent]) -> list[dict[str, Any]]:
    told = [event.data for event in events if event.kind is EventKind.EPOCH]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in told]


def stopped_on_its_way(client: Client, spec: dict[str, Any]) -> Run:
    """A run that was stopped at work; one that was over before that is not counted."""
    while True:
        run = client.runs.create(spec)
        seen = at_work(client, run, 0)
        client.runs.stop(run.id)
        over(client, run, seen)
        stopped = client.runs.get(run.id)
        if stopped.state is JobState.STOPPED:
            return stopped
        assert stopped.state is JobState.SUCCEEDED, stopped.reason


def test_an_elastic_run_goes_on_with_more_workers_and_the_same_batches(
    client: Client, dataset: str, stack: Stack
) -> None:
    # In float32 sums in another order make maxima fall elsewhere; a small rate keeps what comes of it small.
    calm = {**SPEC, "recipe": {**SPEC["recipe"], "epochs": 10, "learning_rate": 0.0005}}
    fixed = client.runs.create({"dataset": dataset, **calm})
    fixed_end = validations(followed(client, fixed)[0])[-1]

    endless = {**SPEC["recipe"], "epochs": 10_000}
    beside = client.runs.create({"dataset": dataset, **SPEC, "recipe": endless, "resources": {}})
    at_work(client, beside, 0)
    run = stopped_on_its_way(
        client, {"dataset": dataset, **calm, "resources": {"elastic": {"min": 1, "max": 2}}}
    )
    assert run.progress.num_workers == 1
    client.runs.stop(beside.id)
    over(client, beside, 0)

    client.runs.resume(run.id)
    events, ended = followed(client, run)
    assert ended.state is JobState.SUCCEEDED, ended.reason
    assert ended.progress.num_workers == 2
    told, expected = losses(stack.settings.runs / run.id), losses(stack.settings.runs / fixed.id)
    both = told.keys() & expected.keys()
    assert max(expected) in both
    for step in both:
        assert sorted(told[step]) == pytest.approx(sorted(expected[step]), rel=0.1), step
    assert validations(events)[-1]["val_loss"] == pytest.approx(fixed_end["val_loss"], rel=0.1)


def test_a_run_stopped_and_killed_ends_with_the_losses_and_weights_of_one_that_was_not(
    client: Client, dataset: str, stack: Stack, undisturbed: Run
) -> None:
    runs = stack.settings.runs
    run = client.runs.create({"dataset": dataset, **SPEC})
    seen = at_work(client, run, 0)
    client.runs.stop(run.id)
    seen = over(client, run, seen)
    stopped = client.runs.get(run.id)
    assert stopped.state is JobState.STOPPED

    assert client.runs.resume(run.id).state is JobState.QUEUED
    seen = at_work(client, run, seen)
    kill_driver(runs / run.id)
    seen = over(client, run, seen)
    assert client.runs.get(run.id).state is JobState.FAILED

    client.runs.resume(run.id)
    events, ended = followed(client, run)
    assert ended.state is JobState.SUCCEEDED, ended.reason
    assert [attempt.outcome for attempt in ended.attempts] == ["stopped", "failed", "succeeded"]
    assert [event.id for event in events if event.id] == list(range(1, len([e for e in events if e.id]) + 1))

    told, expected = losses(runs / run.id), losses(runs / undisturbed.id)
    assert all(len(found) == 1 for found in told.values())
    both = told.keys() & expected.keys()
    assert max(expected) in both
    assert {step: told[step] for step in both} == {step: expected[step] for step in both}
    assert [line["step"] for line in client.runs.metrics(run.id)] == sorted(told)
    assert validations(events) == validations(followed(client, undisturbed)[0])
    assert tensors(runs / run.id) == tensors(runs / undisturbed.id)


def test_a_run_that_succeeded_or_whose_dataset_changed_is_not_resumed(
    client: Client, dataset: str, stack: Stack, undisturbed: Run
) -> None:
    with pytest.raises(ApiError, match="is succeeded: only a run that") as caught:
        client.runs.resume(undisturbed.id)
    assert (caught.value.status, caught.value.code) == (409, "conflict")

    datasets = stack.settings.home / "datasets"
    shutil.copytree(datasets / dataset, datasets / "passing")
    run = client.runs.create({"dataset": "passing", **SPEC})
    client.runs.stop(run.id, "now")
    over(client, run, 0)
    manifest = datasets / "passing" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(ApiError, match="not the one this run began with"):
        client.runs.resume(run.id)
    shutil.rmtree(datasets / "passing")
    with pytest.raises(ApiError, match="prepare it again, as it was"):
        client.runs.resume(run.id)

    client.runs.delete(run.id)
    assert not (stack.settings.runs / run.id).exists()
    with pytest.raises(ApiError, match="no run"):
        client.runs.get(run.id)
