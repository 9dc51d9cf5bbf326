"""The demo's steps on the shared stack: twice, for a second demo takes the place of the first."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.cli.demo import classify_photos
from service.cli.demo_photos import held_out, own_photos
from service.cli.demo_training import DATASET, MODEL, prepare_photos, publish_model, train_network
from service.client import Client
from service.domain.state import JobState

pytestmark = pytest.mark.cluster


def test_a_demo_after_one_that_was_killed_while_training_still_ends_in_answers(
    client: Client, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare_photos(client, own_photos(photos))
    left = client.runs.create(
        {
            "dataset": DATASET,
            "model": {"preset": "alexnet-tiny"},
            "recipe": {"preset": "quick", "epochs": 999},
        }
    )

    unsplit = own_photos(photos / "train")
    assert prepare_photos(client, unsplit).startswith("204 train and 52 val photos of 4 classes at 72×72")
    assert client.runs.get(left.id).state is JobState.STOPPED

    run, _ = train_network(client)
    assert run.state is JobState.SUCCEEDED
    publish_model(client, run)
    assert run.id in {version.run_id for version in client.models.get(MODEL).versions}

    shown = held_out(unsplit, 3)
    capsys.readouterr()
    assert classify_photos(client, shown) >= 2
    printed = capsys.readouterr().out
    assert all(str(photo.path) in printed for photo in shown)
