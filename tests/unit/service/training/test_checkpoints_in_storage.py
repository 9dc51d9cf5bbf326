"""A run whose tensors go to object storage: what it keeps there and goes on from, and uploads that fail."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from object_server import BUCKET, ObjectServer, object_server

from model.checkpoint import load_checkpoint
from model.errors import CheckpointNotSavedError
from model.learning.initialize import starting_parameters
from model.network.alexnet import AlexNet
from model.network.dropout import Share
from model.network.placement import Placement
from pipeline.storage.local_folder import LocalFolder
from service.domain.job_folder import JobFolder
from service.domain.resolved_run import ResolvedRun
from service.training.agreement import Agreement, Rank
from service.training.session import Session

RunOn = Callable[..., tuple[JobFolder, ResolvedRun]]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    monkeypatch.setenv("TANDEM_CACHE", str(tmp_path / "cache"))
    with object_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


def session_of(folder: JobFolder, run: ResolvedRun) -> tuple[Session, AlexNet]:
    run = run.model_copy(update={"storage": f"s3://{BUCKET}/runs/{run.run_id}"})
    network = AlexNet(run.model, Placement.one("cpu"))
    network.load_canonical_parameters(starting_parameters(run.model, run.recipe.initialization, seed=0))
    share = Share.of(0, 1, run.recipe.global_batch_size)
    return Session(folder, run, Agreement(folder, Rank(0, 1)), share, network, network), network


def trained(folder: JobFolder, run: ResolvedRun) -> AlexNet:
    session, network = session_of(folder, run)
    list(session.epochs())
    return network


def test_tensors_lie_in_storage_alone_and_older_ones_go_with_their_objects(
    store: ObjectServer, dataset: Path, tmp_path: Path, run_on: RunOn
) -> None:
    folder, run = run_on(tmp_path, dataset, "quick", epochs=5)
    trained(folder, run)
    assert folder.checkpoint_names() == ["step-00000009", "step-00000012", "step-00000015"]
    for name in folder.checkpoint_names():
        assert {path.name for path in (folder.checkpoints / name).iterdir()} == {
            "checkpoint.json",
            "storage.json",
        }
    assert [Path(key).name for key in store.object_keys()] == [
        "optimizer.safetensors",
        "weights.safetensors",
    ] * 3
    assert list((tmp_path / "cache" / "scratch").iterdir()) == []
    assert folder.towers_drawn() == dict.fromkeys(range(0, 16, 3), 2), "pictures stay at home"


def test_a_run_goes_on_from_storage_to_the_weights_of_one_at_home(
    store: ObjectServer, dataset: Path, tmp_path: Path, run_on: RunOn
) -> None:
    for name in ("home", "away"):
        (tmp_path / name).mkdir()
    at_home, run = run_on(tmp_path / "home", dataset, "quick", epochs=4)
    list(session_at_home(at_home, run).epochs())
    folder, run = run_on(tmp_path / "away", dataset, "quick", epochs=4)
    session, _ = session_of(folder, run)
    next(session.epochs())
    trained(folder, run)
    expected = load_checkpoint(at_home.checkpoints / "step-00000012")
    with LocalFolder(folder.checkpoints / "step-00000012") as here:
        found = load_checkpoint(here.path)
    for name, tensor in expected.parameters.items():
        assert torch.equal(found.parameters[name], tensor), name


def session_at_home(folder: JobFolder, run: ResolvedRun) -> Session:
    network = AlexNet(run.model, Placement.one("cpu"))
    network.load_canonical_parameters(starting_parameters(run.model, run.recipe.initialization, seed=0))
    share = Share.of(0, 1, run.recipe.global_batch_size)
    return Session(folder, run, Agreement(folder, Rank(0, 1)), share, network, network)


def test_an_upload_that_fails_leaves_the_older_checkpoint_the_newest(
    store: ObjectServer, dataset: Path, tmp_path: Path, run_on: RunOn
) -> None:
    folder, run = run_on(tmp_path, dataset, "quick", epochs=3)
    session, _ = session_of(folder, run)
    epochs = session.epochs()
    # The first epoch's checkpoint is whole when the second's is begun; the last's is one that a run needs.
    next(epochs)
    next(epochs)
    empty(store)
    with pytest.raises(CheckpointNotSavedError, match="check the bucket and the prefix"):
        list(epochs)
    names = folder.checkpoint_names()
    assert names[0] == "step-00000003"
    assert "step-00000009" not in names


def empty(store: ObjectServer) -> None:
    """Takes the whole bucket away."""
    for key in store.object_keys():
        store.client.delete_object(Bucket=BUCKET, Key=key)
    for entry in store.client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        store.client.delete_object(Bucket=BUCKET, Key=entry["Key"])
    store.client.delete_bucket(Bucket=BUCKET)


def test_what_a_killed_attempt_was_uploading_goes_when_the_next_begins(
    store: ObjectServer, dataset: Path, tmp_path: Path, run_on: RunOn
) -> None:
    folder, run = run_on(tmp_path, dataset, "quick", epochs=1)
    left = folder.checkpoints / ".step-00000002.left"
    left.mkdir()
    (left / "storage.json").write_text(json.dumps({"url": f"s3://{BUCKET}/runs/left"}))
    store.put("runs/left/weights.safetensors", b"half of them")
    trained(folder, run)
    assert not left.exists()
    assert "runs/left/weights.safetensors" not in store.object_keys()
