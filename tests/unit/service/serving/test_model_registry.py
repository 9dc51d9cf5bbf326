"""Models are loaded once, kept while they are used, and let go in the order they were last asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model.errors import BadCheckpointError
from service.domain.job import Job
from service.errors import NotFoundError
from service.operations.models import ModelOperations
from service.serving.asked_photo import Question
from service.serving.loaded_model import LoadedModel
from service.serving.metrics import ServingMetrics
from service.serving.registry import ModelRegistry
from service.serving.replica import Replica
from service.store.models import ModelStore


@pytest.fixture
def three_versions(models: ModelOperations, store: ModelStore, run: Job) -> ModelStore:
    for _ in range(3):
        models.publish("colours", run)
    return store


def test_however_many_ask_at_once_a_version_is_loaded_once(three_versions: ModelStore) -> None:
    async def ask() -> None:
        registry = ModelRegistry(three_versions, ["cpu"], ServingMetrics())
        found = await asyncio.gather(*(registry.get("colours", 1) for _ in range(10)))
        assert len({id(model) for model in found}) == 1
        assert found[0].published.version == 1

    asyncio.run(ask())


def test_the_one_unused_for_longest_is_let_go(three_versions: ModelStore) -> None:
    async def ask() -> None:
        registry = ModelRegistry(three_versions, ["cpu"], ServingMetrics(), kept=2)
        first = await registry.get("colours", 1)
        second = await registry.get("colours", 2)
        assert await registry.get("colours", 1) is first
        await registry.get("colours", 3)
        assert await registry.get("colours", 1) is first
        assert await registry.get("colours", 2) is not second

    asyncio.run(ask())


def test_versions_asked_for_at_once_are_read_one_by_one_and_no_more_are_kept(
    three_versions: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, most = 0, 0
    read = LoadedModel.read

    def watched(folder: Path, workers: Sequence[str], metrics: ServingMetrics) -> LoadedModel:
        nonlocal reading, most
        reading += 1
        most = max(most, reading)
        try:
            return read(folder, workers, metrics)
        finally:
            reading -= 1

    monkeypatch.setattr(LoadedModel, "read", watched)
    metrics = ServingMetrics()

    async def ask() -> None:
        registry = ModelRegistry(three_versions, ["cpu"], metrics, kept=1)
        found = await asyncio.gather(*(registry.get("colours", version) for version in (1, 2, 3, 1, 2, 3)))
        assert [model.published.version for model in found] == [1, 2, 3, 1, 2, 3]

    asyncio.run(ask())
    assert most == 1
    assert metrics.registry.get_sample_value("tandem_models_loaded") == 1


def test_what_is_in_production_stays_while_others_are_asked_for(three_versions: ModelStore) -> None:
    three_versions.set_alias("colours", "production", 1)

    async def ask() -> None:
        registry = ModelRegistry(three_versions, ["cpu"], ServingMetrics(), kept=2)
        first, second = await registry.get("colours", 1), await registry.get("colours", 2)
        await registry.get("colours", 3)
        assert await registry.get("colours", 1) is first
        assert await registry.get("colours", 2) is not second

    asyncio.run(ask())


def test_who_goes_away_while_it_loads_leaves_the_others_waiting_well(three_versions: ModelStore) -> None:
    async def ask() -> None:
        registry = ModelRegistry(three_versions, ["cpu"], ServingMetrics())
        impatient = asyncio.create_task(registry.get("colours", 1))
        patient = asyncio.create_task(registry.get("colours", 1))
        await asyncio.sleep(0)
        impatient.cancel()
        assert (await patient).published.version == 1

    asyncio.run(ask())


def test_a_version_that_failed_to_load_is_tried_again(three_versions: ModelStore) -> None:
    weights = three_versions.folder("colours", 1) / "weights.safetensors"
    whole = weights.read_bytes()

    async def ask() -> None:
        registry = ModelRegistry(three_versions, ["cpu"], ServingMetrics())
        weights.write_bytes(whole[:-10])
        with pytest.raises(BadCheckpointError):
            await registry.get("colours", 1)
        weights.write_bytes(whole)
        assert (await registry.get("colours", 1)).published.version == 1
        with pytest.raises(NotFoundError):
            await registry.get("colours", 4)

    asyncio.run(ask())


def test_what_is_in_production_is_loaded_before_anyone_asks(
    models: ModelOperations, store: ModelStore, run: Job, other_run: Job
) -> None:
    for name, each in (("colours", run), ("others", other_run), ("damaged", run)):
        models.publish(name, each)
    models.publish("colours", other_run, alias=None)
    (store.folder("damaged", 1) / "weights.safetensors").write_bytes(b"rust")
    metrics = ServingMetrics()

    async def load() -> None:
        registry = ModelRegistry(store, ["cpu"], metrics)
        await registry.load_production()
        ready = await registry.get("colours", 1)
        store.folder("colours", 1).rename(store.folder("colours", 1).with_name("elsewhere"))
        assert await registry.get("colours", 1) is ready

    asyncio.run(load())
    assert metrics.registry.get_sample_value("tandem_models_loaded") == 2


def test_workers_answer_alike_and_share_no_memory_but_the_weights(three_versions: ModelStore) -> None:
    async def ask() -> None:
        model = await ModelRegistry(three_versions, ["cpu", "cpu"], ServingMetrics()).get("colours", 1)
        photos = np.random.default_rng(0).integers(0, 256, (2, 72, 72, 3), dtype=np.uint8)
        with ThreadPoolExecutor(2) as threads:
            asked = [threads.submit(many_answers, replica, photos) for replica in model.replicas]
        expected = model.classifier.probabilities(photos)
        for answer in [answer for each in asked for answer in each.result()]:
            np.testing.assert_allclose(answer, expected, rtol=1e-5)

    asyncio.run(ask())


def many_answers(replica: Replica, photos_NSS3: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    return [replica.answers(photos_NSS3, Question.ONE_VIEW, alone=False) for _ in range(20)]
