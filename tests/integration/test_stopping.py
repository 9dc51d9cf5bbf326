"""A run that is asked to stop does so between two steps and leaves what it had."""

from __future__ import annotations

import time
from typing import Any

import httpx
import psutil
import pytest

from service.client import Client
from service.domain.answers import Run
from service.domain.events import EventKind
from service.domain.state import JobState
from service.stack.up import Stack

pytestmark = pytest.mark.cluster

# Ray takes its time to clear up on a busy machine; what is left for good is found all the same.
PATIENCE_SECONDS = 120.0

ENDLESS = {
    "model": {"preset": "alexnet-tiny"},
    "recipe": {"preset": "quick", "epochs": 5000, "global_batch_size": 32},
    "resources": {"num_workers": 2},
    "checkpoint": {"every_steps": 1_000_000},
}


def started(client: Client, dataset: str) -> Run:
    """A run that has reported a step."""
    run = client.runs.create({"dataset": dataset, **ENDLESS})
    for event in client.runs.events(run.id):
        assert event.kind is not EventKind.END, event.data
        if event.kind is EventKind.PROGRESS:
            return client.runs.get(run.id)
    raise AssertionError("the stream ended before the run did")


def ended(client: Client, run: Run) -> Run:
    while not (found := client.runs.get(run.id)).state.is_terminal:
        time.sleep(0.2)
    return found


def of_cluster(stack: Stack, kind: str) -> list[dict[str, Any]]:
    """Everything of a kind that Ray's head knows of."""
    assert stack.settings.ray_token is not None
    token = stack.settings.ray_token.get_secret_value()
    answer = httpx.get(
        f"{stack.settings.ray_url}/api/v0/{kind}",
        params={"detail": "1"},
        headers={"Authorization": f"Bearer {token}"},
        timeout=PATIENCE_SECONDS,
    ).raise_for_status()
    found: list[dict[str, Any]] = answer.json()["data"]["result"]["result"]
    return found


def command_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def living_in_cluster(stack: Stack) -> dict[str, str]:
    """Actors and placement groups that are not gone, by id: what they are."""
    # One actor Ray keeps for all runs of a cluster.
    actors = {
        actor["actor_id"]: actor["class_name"]
        for actor in of_cluster(stack, "actors")
        if actor["state"] != "DEAD" and actor["class_name"] != "_AutoscalingCoordinatorActor"
    }
    groups = {
        group["placement_group_id"]: "placement group"
        for group in of_cluster(stack, "placement_groups")
        if group["state"] != "REMOVED"
    }
    return actors | groups


def processes_of(stack: Stack, run: Run) -> list[str]:
    below = psutil.Process(stack.child("ray").pid).children(recursive=True)
    parts = (run.id, "TrainWorker", "TrainController")
    return [command for command in map(command_of, below) if any(part in command for part in parts)]


def left_in_the_end(stack: Stack, run: Run, before: dict[str, str]) -> list[str]:
    """What is left once a run has had its time to go, but for what was there before it: Ray keeps the
    reservation of an elastic run that was killed for minutes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        living = living_in_cluster(stack)
        left = [*(living[each] for each in living.keys() - before.keys()), *processes_of(stack, run)]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.2)


def test_a_graceful_stop_leaves_a_checkpoint_of_its_last_step(
    client: Client, dataset: str, stack: Stack
) -> None:
    before = living_in_cluster(stack)
    run = started(client, dataset)
    client.runs.stop(run.id)
    stopped = ended(client, run)
    assert stopped.state is JobState.STOPPED, stopped.reason
    last = client.runs.metrics(run.id)[-1]["step"]
    assert stopped.checkpoints[-1].step == last
    assert left_in_the_end(stack, run, before) == []


def test_stopping_now_ends_the_run(client: Client, dataset: str, stack: Stack) -> None:
    before = living_in_cluster(stack)
    run = started(client, dataset)
    client.runs.stop(run.id, "now")
    assert ended(client, run).state is JobState.STOPPED
    assert left_in_the_end(stack, run, before) == []


def test_stopping_a_run_that_is_over_changes_nothing(client: Client, dataset: str, stack: Stack) -> None:
    newest = client.runs.list(state=JobState.STOPPED)[0]
    answer = httpx.post(f"{stack.url}/api/v1/runs/{newest.id}/stop", json={"mode": "now"}, timeout=60)
    assert answer.status_code == 200
    assert client.runs.get(newest.id) == newest
