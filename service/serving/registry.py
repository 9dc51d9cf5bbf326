"""The models in memory: loaded when first asked for, the least recently used let go."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import structlog

from model.errors import ModelError
from pipeline.errors import PipelineError
from service.errors import ServiceError
from service.serving.loaded_model import LoadedModel
from service.serving.metrics import ServingMetrics
from service.store.models import PRODUCTION, ModelStore

log = structlog.get_logger()

KEPT_MODELS = 3


class ModelRegistry:
    """Belongs to one event loop. A version never changes, so what is loaded stays right."""

    def __init__(
        self, store: ModelStore, workers: Sequence[str], metrics: ServingMetrics, kept: int = KEPT_MODELS
    ) -> None:
        self._store = store
        self._workers = workers
        self._metrics = metrics
        self._kept = kept
        self._models: OrderedDict[tuple[str, int], asyncio.Task[LoadedModel]] = OrderedDict()
        # One at a time: while it is read, a model takes its memory twice.
        self._reading = asyncio.Lock()

    async def get(self, name: str, version: int) -> LoadedModel:
        """A version, loaded once however many ask at once.

        Raises `NotFoundError`, or `BadCheckpointError` when its files have been damaged since.
        """
        key = (name, version)
        loading = self._models.get(key)
        if loading is None:
            folder = self._store.folder(name, version)
            loading = self._models[key] = asyncio.create_task(self._keep(key, folder))
        self._models.move_to_end(key)
        # Who asks may go away; the others still want the model.
        return await asyncio.shield(loading)

    async def load(self, folder: Path) -> LoadedModel:
        """Reads a published model, or a candidate, in a thread of its own; nobody else is given it."""
        async with self._reading:
            return await self._read(folder)

    async def _keep(self, key: tuple[str, int], folder: Path) -> LoadedModel:
        try:
            async with self._reading:
                self._make_room()
                return await self._read(folder)
        except BaseException:
            del self._models[key]
            raise
        finally:
            self._metrics.models_loaded.set(len(self._models))

    def _make_room(self) -> None:
        """Lets the least recently used go, those in production after all others."""
        loaded = [key for key, loading in self._models.items() if loading.done()]
        if len(loaded) >= self._kept:
            loaded.sort(key=set(self._store.in_production()).__contains__)
            for key in loaded[: len(loaded) - self._kept + 1]:
                del self._models[key]

    async def _read(self, folder: Path) -> LoadedModel:
        model = await asyncio.to_thread(LoadedModel.read, folder, self._workers, self._metrics)
        log.info("model_loaded", folder=str(folder))
        return model

    async def load_production(self) -> None:
        """Loads what is in production, that last put there first, for as many as are kept.

        What does not load is logged: it fails those who ask for it, and nobody else.
        """
        for name, version in self._store.in_production()[: self._kept]:
            try:
                await self.get(name, version)
            except (ModelError, PipelineError, ServiceError) as error:
                log.error("model_not_loaded", model=name, version=version, alias=PRODUCTION, error=str(error))
