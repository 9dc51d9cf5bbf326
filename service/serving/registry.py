"""The models in memory: loaded when first asked for, the least recently used let go."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path

import structlog

from model.classifier import Classifier
from service.store.models import ModelStore

log = structlog.get_logger()

KEPT_MODELS = 3


class ModelRegistry:
    """Belongs to one event loop. A version never changes, so what is loaded stays right."""

    def __init__(self, store: ModelStore, kept: int = KEPT_MODELS) -> None:
        self._store = store
        self._kept = kept
        self._models: OrderedDict[tuple[str, int], asyncio.Task[Classifier]] = OrderedDict()

    async def get(self, name: str, version: int) -> Classifier:
        """A version, loaded once however many ask at once.

        Raises `NotFoundError`, or `BadCheckpointError` when its files have been damaged since.
        """
        key = (name, version)
        loading = self._models.get(key)
        if loading is None:
            folder = self._store.folder(name, version)
            loading = asyncio.create_task(load(folder))
            self._models[key] = loading
        self._models.move_to_end(key)
        while len(self._models) > self._kept:
            self._models.popitem(last=False)
        try:
            # Who asks may go away; the others still want the model.
            return await asyncio.shield(loading)
        except Exception:
            if self._models.get(key) is loading:
                del self._models[key]
            raise


async def load(folder: Path) -> Classifier:
    """Reads a published model, or a candidate, in a thread of its own."""
    classifier = await asyncio.to_thread(Classifier.load, folder)
    log.info("model_loaded", folder=str(folder))
    return classifier
