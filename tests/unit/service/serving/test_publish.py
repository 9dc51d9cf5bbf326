"""A checkpoint becomes a version that classifies as it does, or leaves nothing at all."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import torch
from safetensors.torch import load_file, save_file

from model.published import PublishedModel, sha256_of
from service.cluster.serving import ServingClient
from service.domain.job import Job
from service.domain.job_folder import JobFolder
from service.errors import (
    ConflictError,
    InvalidSpecError,
    NotFoundError,
    ServiceError,
    ServingUnreachableError,
    UnfitCheckpointError,
)
from service.operations.indexing import IndexOperations
from service.operations.models import ModelOperations
from service.settings import Settings
from service.store.models import ModelStore


def newest_weights(run: Job) -> Path:
    return run.work.checkpoints / "step-00000002" / "weights.safetensors"


def rewrite_weights(run: Job, weights: dict[str, torch.Tensor]) -> None:
    """Changes the newest checkpoint's weights and its record of them, as if training had left them so."""
    save_file(weights, newest_weights(run))
    path = newest_weights(run).with_name("checkpoint.json")
    record = json.loads(path.read_text()) | {"weights_sha256": sha256_of(newest_weights(run))}
    path.write_text(json.dumps(record))


def test_an_alias_is_not_pointed_at_a_version_that_is_damaged(
    models: ModelOperations, store: ModelStore, run: Job
) -> None:
    models.publish("colours", run)
    models.publish("colours", run, alias=None)
    (store.folder("colours", 2) / "weights.safetensors").write_bytes(b"rust")
    with pytest.raises(UnfitCheckpointError):
        models.set_alias("colours", "production", 2)
    assert store.resolve("colours") == 1


def test_a_version_is_loaded_before_its_alias_is_seen(
    models: ModelOperations, store: ModelStore, serving_url: str, run: Job
) -> None:
    models.publish("colours", run, alias=None)
    assert loaded_models(serving_url) == 0
    models.set_alias("colours", "production", 1)
    assert loaded_models(serving_url) == 1


def loaded_models(serving_url: str) -> float:
    text = httpx.get(f"{serving_url}/metrics").text
    return float(re.search(r"^tandem_models_loaded (.*)$", text, re.MULTILINE)[1])


def test_an_alias_moves_while_no_serving_process_answers(
    store: ModelStore, models: ModelOperations, indexes: IndexOperations, run: Job, settings: Settings
) -> None:
    for _ in range(2):
        models.publish("colours", run, alias=None)
    nobody = ServingClient("http://127.0.0.1:9", request_seconds=30)
    ModelOperations(settings, store, nobody, indexes).set_alias("colours", "production", 1)
    nobody.close()
    assert store.resolve("colours") == 1


def assert_refused_leaving_nothing(
    models: ModelOperations, run: Job, settings: Settings, error: type[ServiceError]
) -> None:
    with pytest.raises(error):
        models.publish("colours", run)
    assert list(settings.models.iterdir()) == []


def test_the_newest_checkpoint_becomes_version_one_and_answers_in_production(
    models: ModelOperations, store: ModelStore, run: Job
) -> None:
    published = models.publish("colours", run)
    folder = store.folder("colours", 1)
    assert published == store.read("colours", 1) == PublishedModel.load(folder)
    assert (published.version, published.step, published.run_id) == (1, 2, run.id)
    weights = (folder / "weights.safetensors").read_bytes()
    assert weights == newest_weights(run).read_bytes()
    assert published.weights_sha256 == hashlib.sha256(weights).hexdigest()
    assert store.default_model() == "colours"
    assert store.resolve("colours", "production") == 1


def test_the_description_says_what_run_and_dataset_said(
    models: ModelOperations, run: Job, dataset: Path
) -> None:
    published = models.publish("colours", run)
    manifest = json.loads((dataset / "manifest.json").read_text())
    specification = json.loads(run.work.specification.read_text())
    assert [label.model_dump() for label in published.labels] == manifest["classes"]
    assert published.image_size == manifest["image_size"]
    assert published.architecture.model_dump(mode="json") == specification["model"]
    assert published.dataset.model_dump() == {
        key: specification["dataset"][key] for key in ("name", "checksum")
    }
    assert published.metrics == {"val_top1_error": 0.25}
    assert len(published.statistics.channel_mean) == 3


def test_a_named_checkpoint_and_alias_are_used(models: ModelOperations, store: ModelStore, run: Job) -> None:
    models.publish("colours", run)
    second = models.publish("colours", run, checkpoint="step-00000001", alias="trial")
    assert (second.version, second.step) == (2, 1)
    aliases = {alias: found.version for alias, found in store.aliases("colours").items()}
    assert aliases == {"production": 1, "trial": 2}


def test_without_an_alias_none_moves(models: ModelOperations, store: ModelStore, run: Job) -> None:
    models.publish("colours", run, alias=None)
    assert store.aliases("colours") == {}
    assert store.resolve("colours") == 1


def test_asked_for_once_a_run_that_went_on_since_gets_another_version_and_no_other_does(
    models: ModelOperations, store: ModelStore, run: Job
) -> None:
    models.publish("colours", run, checkpoint="step-00000001")
    for _ in range(3):
        assert models.publish_once("colours", run, alias="trial").version == 2
    assert store.versions("colours") == [1, 2]
    assert {alias: found.version for alias, found in store.aliases("colours").items()} == {
        "production": 1,
        "trial": 2,
    }


def test_publishing_at_once_gives_every_one_a_version_of_its_own(
    models: ModelOperations, store: ModelStore, run: Job, settings: Settings
) -> None:
    with ThreadPoolExecutor(4) as threads:
        published = list(threads.map(lambda _: models.publish("colours", run), range(4)))
    assert sorted(model.version for model in published) == [1, 2, 3, 4] == store.versions("colours")
    assert [store.read("colours", version).version for version in (1, 2, 3, 4)] == [1, 2, 3, 4]
    assert [entry.name for entry in settings.models.iterdir()] == ["colours"]


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.999])
def test_truncated_weights_leave_nothing(
    models: ModelOperations, run: Job, settings: Settings, kept: float
) -> None:
    path = newest_weights(run)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    assert_refused_leaving_nothing(models, run, settings, UnfitCheckpointError)


def test_a_flipped_bit_leaves_nothing(models: ModelOperations, run: Job, settings: Settings) -> None:
    weights = bytearray(newest_weights(run).read_bytes())
    weights[-100] ^= 1
    newest_weights(run).write_bytes(weights)
    assert_refused_leaving_nothing(models, run, settings, UnfitCheckpointError)


def test_weights_that_are_not_numbers_leave_nothing(
    models: ModelOperations, run: Job, settings: Settings
) -> None:
    weights = load_file(newest_weights(run))
    weights["conv1.bias"][0] = float("nan")
    rewrite_weights(run, weights)
    assert_refused_leaving_nothing(models, run, settings, UnfitCheckpointError)


def test_weights_whose_answer_is_no_number_leave_nothing(
    models: ModelOperations, run: Job, settings: Settings
) -> None:
    weights = {name: tensor * 1e30 for name, tensor in load_file(newest_weights(run)).items()}
    rewrite_weights(run, weights)
    assert_refused_leaving_nothing(models, run, settings, UnfitCheckpointError)


def test_weights_of_another_network_leave_nothing(
    models: ModelOperations, run: Job, settings: Settings
) -> None:
    weights = load_file(newest_weights(run))
    del weights["conv2.weight"]
    rewrite_weights(run, weights)
    assert_refused_leaving_nothing(models, run, settings, UnfitCheckpointError)


def test_a_damaged_description_leaves_nothing(models: ModelOperations, run: Job, settings: Settings) -> None:
    newest_weights(run).with_name("checkpoint.json").write_text("{")
    assert_refused_leaving_nothing(models, run, settings, UnfitCheckpointError)


def test_without_weights_nothing_is_left(models: ModelOperations, run: Job, settings: Settings) -> None:
    newest_weights(run).unlink()
    assert_refused_leaving_nothing(models, run, settings, ConflictError)


def test_a_run_without_a_checkpoint_leaves_nothing(
    models: ModelOperations, run: Job, settings: Settings
) -> None:
    shutil.rmtree(run.work.checkpoints)
    assert_refused_leaving_nothing(models, run, settings, ConflictError)


def test_nobody_to_check_it_leaves_nothing(
    store: ModelStore, indexes: IndexOperations, run: Job, settings: Settings
) -> None:
    nobody = ServingClient("http://127.0.0.1:9", request_seconds=30)
    models = ModelOperations(settings, store, nobody, indexes)
    assert_refused_leaving_nothing(models, run, settings, ServingUnreachableError)
    nobody.close()


@pytest.mark.parametrize("change", ["gone", "another"])
def test_a_dataset_that_is_not_the_one_trained_on_leaves_nothing(
    models: ModelOperations, run: Job, settings: Settings, change: str
) -> None:
    specification = json.loads(run.work.specification.read_text())
    if change == "gone":
        specification["dataset"]["path"] += "-gone"
    else:
        specification["dataset"]["checksum"] = "0" * 32
    JobFolder(run.work.path).specification.write_text(json.dumps(specification))
    assert_refused_leaving_nothing(models, run, settings, ConflictError)


def test_a_checkpoint_the_run_does_not_have_is_refused_naming_those_it_has(
    models: ModelOperations, run: Job
) -> None:
    with pytest.raises(NotFoundError, match="step-00000001, step-00000002"):
        models.publish("colours", run, checkpoint="../../elsewhere")


@pytest.mark.parametrize("alias", ["7", "a/b", "..", ""])
def test_an_alias_that_is_a_number_or_a_path_is_refused_before_anything_is_made(
    models: ModelOperations, store: ModelStore, run: Job, alias: str
) -> None:
    with pytest.raises(InvalidSpecError):
        models.publish("colours", run, alias=alias)
    assert store.names() == []


@pytest.mark.parametrize("name", ["../outside", ".hidden", "a/b", ""])
def test_a_name_that_would_leave_the_folder_publishes_nothing(
    models: ModelOperations, run: Job, settings: Settings, name: str
) -> None:
    with pytest.raises(InvalidSpecError):
        models.publish(name, run)
    assert list(settings.models.iterdir()) == []
    assert not (settings.home / "outside").exists()
