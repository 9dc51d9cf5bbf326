"""A run that is asked to stop does so between two steps and leaves what it had."""

from __future__ import annotations

import time

import httpx
import pytest

from service.client import Client
from service.domain.answers import Run
from service.domain.events import EventKind
from service.domain.state import JobState
from service.stack.up import Stack

pytestmark = pytest.mark.cluster

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


def living_actors(stack: Stack) -> list[dict[str, object]]:
    """Actors that Ray still holds, but for the one it keeps for all runs of a cluster."""
    assert stack.settings.ray_token is not None
    token = stack.settings.ray_token.get_secret_value()
    answer = httpx.get(
        f"{stack.settings.ray_url}/api/v0/actors",
        params={"detail": "1", "filter_keys": "state", "filter_predicates": "=", "filter_values": "ALIVE"},
        headers={"Authorization": f"Bearer {token}"},
    ).raise_for_status()
    actors: list[dict[str, object]] = answer.json()["data"]["result"]["result"]
    return [actor for actor in actors if actor["class_name"] != "_AutoscalingCoordinatorActor"]


def test_a_graceful_stop_leaves_a_checkpoint_of_its_last_step(
    client: Client, dataset: str, stack: Stack
) -> None:
    run = started(client, dataset)
    client.runs.stop(run.id)
    stopped = ended(client, run)
    assert stopped.state is JobState.STOPPED, stopped.reason
    last = client.runs.metrics(run.id)[-1]["step"]
    assert stopped.checkpoints[-1].step == last
    assert living_actors(stack) == []


def test_stopping_now_ends_the_run(client: Client, dataset: str, stack: Stack) -> None:
    run = started(client, dataset)
    client.runs.stop(run.id, "now")
    assert ended(client, run).state is JobState.STOPPED
    assert living_actors(stack) == []


def test_stopping_a_run_that_is_over_changes_nothing(client: Client, dataset: str, stack: Stack) -> None:
    newest = client.runs.list(state=JobState.STOPPED)[0]
    answer = httpx.post(f"{stack.url}/api/v1/runs/{newest.id}/stop", json={"mode": "now"})
    assert answer.status_code == 200
    assert client.runs.get(newest.id) == newest
