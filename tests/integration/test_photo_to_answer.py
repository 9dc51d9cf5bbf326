"""The whole path on a real stack, over REST alone: prepare, train on two workers, publish, classify."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from service.client import Client
from service.domain.answers import Run
from service.domain.events import EventKind
from service.domain.state import JobState
from service.stack.up import Stack

pytestmark = pytest.mark.cluster

CLASSES = ("amber", "blue", "coral", "dark")


@pytest.fixture(scope="module")
def trained(client: Client, dataset: str) -> Run:
    """Two workers, six epochs: enough to tell four colours apart."""
    run = client.runs.create(
        {
            "name": "paints",
            "dataset": dataset,
            "seed": 3,
            "model": {"preset": "alexnet-tiny"},
            "recipe": {"preset": "quick", "epochs": 6, "global_batch_size": 32},
            "resources": {"num_workers": 2},
            "checkpoint": {"every_steps": 5, "keep": 2},
            "publish": {"model": "paints-by-itself"},
        }
    )
    events = list(client.runs.events(run.id))
    assert events[-1].kind is EventKind.END
    return client.runs.get(run.id)


def test_the_run_succeeds_and_learns(trained: Run) -> None:
    assert trained.state is JobState.SUCCEEDED, trained.reason
    assert trained.progress.step == trained.progress.total_steps == 6 * (256 // 32)
    assert trained.progress.val_top1_error is not None
    assert trained.progress.val_top1_error < 0.5, "four classes: chance is 0.75"


def test_the_history_has_no_gap_and_replays_from_anywhere(client: Client, trained: Run) -> None:
    whole = [event for event in client.runs.events(trained.id) if event.id is not None]
    assert [event.id for event in whole] == list(range(1, len(whole) + 1))
    rest = [event for event in client.runs.events(trained.id, last_event_id=4) if event.id is not None]
    assert rest == whole[4:]
    states = [event.data["state"] for event in whole if event.kind is EventKind.STATE]
    assert states == ["queued", "starting", "running", "succeeded"]
    assert sum(event.kind is EventKind.EPOCH for event in whole) == 6


def test_every_validation_photo_counted_once(client: Client, trained: Run) -> None:
    epochs = [event.data for event in client.runs.events(trained.id) if event.kind is EventKind.EPOCH]
    assert {epoch["val_samples"] for epoch in epochs} == {64}


def test_only_the_newest_checkpoints_are_kept(trained: Run) -> None:
    assert [checkpoint.step for checkpoint in trained.checkpoints] == [45, 48]


def test_a_run_that_says_so_publishes_itself(client: Client, trained: Run) -> None:
    model = client.models.get("paints-by-itself")
    assert [version.run_id for version in model.versions] == [trained.id]
    assert model.aliases == {"production": 1}


def test_metrics_hold_the_last_step(client: Client, trained: Run) -> None:
    steps = [line["step"] for line in client.runs.metrics(trained.id)]
    assert steps[-1] == 48
    assert client.runs.metrics(trained.id, after=47)[0]["step"] == 48


def test_the_published_model_answers_over_http(
    client: Client, stack: Stack, trained: Run, photos: Path
) -> None:
    version = client.models.publish("paints", trained.id)
    assert (version.version, version.step) == (1, 48)
    weights = load_file(stack.settings.models / "paints" / "1" / "weights.safetensors")
    assert weights["mean_image"].shape == (72, 72, 3)

    held_out = [photos / "val" / name / "003.jpg" for name in CLASSES]
    answer = client.classify(held_out, model="paints", top_k=3)
    assert answer.version == 1
    best = [prediction.top_k[0].label for prediction in answer.predictions]
    assert sum(found == true for found, true in zip(best, CLASSES, strict=True)) >= 3
    for prediction in answer.predictions:
        shares = [guess.probability for guess in prediction.top_k]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) <= 1.0 + 1e-6


def test_ten_views_answer_too(client: Client, trained: Run) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.full((90, 120, 3), (30, 60, 220), np.uint8)).save(buffer, "PNG")
    answer = client.classify([buffer.getvalue()], model="paints", views=10, top_k=4)
    assert answer.predictions[0].top_k[0].label == "blue"
    assert sum(guess.probability for guess in answer.predictions[0].top_k) == pytest.approx(1.0, abs=1e-5)


def test_a_run_that_starts_from_a_model_begins_with_what_that_has_learnt(
    client: Client, dataset: str, trained: Run
) -> None:
    run = client.runs.create(
        {
            "dataset": dataset,
            "model": {"preset": "alexnet-tiny"},
            "recipe": {"preset": "quick", "max_steps": 1, "global_batch_size": 32},
            "start_from": {"model": "paints-by-itself"},
        }
    )
    assert list(client.runs.events(run.id))[-1].data["state"] == "succeeded"
    (first,) = client.runs.metrics(run.id)
    assert first["loss"] < 0.8 * client.runs.metrics(trained.id)[0]["loss"]
