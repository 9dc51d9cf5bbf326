"""What the serving process does: classifying photos, and trying a model before it is published."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.classifier import Classifier
from model.errors import ModelError
from service.domain.classification import (
    Classification,
    ClassifyOptions,
    Likelihood,
    PhotoPrediction,
    Timing,
    Views,
)
from service.errors import UnfitCheckpointError
from service.serving.batcher import Batcher
from service.serving.decoder import Decoder
from service.serving.registry import ModelRegistry, load
from service.store.models import ModelStore


class Version(NamedTuple):
    """One version of one model, which is there."""

    name: str
    number: int


class ClassifyOperations:
    """Belongs to one event loop."""

    def __init__(
        self, store: ModelStore, registry: ModelRegistry, decoder: Decoder, batcher: Batcher
    ) -> None:
        self._store = store
        self._registry = registry
        self._decoder = decoder
        self._batcher = batcher

    def find(self, name: str | None, version: str | None) -> Version:
        """The version that answers now: aliases are read each time, so a moved one counts at once."""
        name = name or self._store.default_model()
        return Version(name, self._store.resolve(name, version))

    async def classify(
        self, asked: Version, uploads: Sequence[bytes], options: ClassifyOptions
    ) -> Classification:
        """Raises `OverloadedError`, and what `Decoder.squares` raises."""
        began = time.perf_counter()
        with self._batcher.admit(len(uploads)):
            classifier = await self._registry.get(asked.name, asked.number)
            photos = await self._decoder.squares(uploads, classifier.published.image_size)
            decoded = time.perf_counter()
            found = await self._batcher.classify(classifier, photos, options.views)
        ended = time.perf_counter()
        return Classification(
            model=asked.name,
            version=asked.number,
            predictions=[_prediction(classifier, found_K, options.top_k) for found_K in found],
            timing_milliseconds=Timing(
                decode=_milliseconds(decoded - began),
                classify=_milliseconds(ended - decoded),
                total=_milliseconds(ended - began),
            ),
        )

    async def check(self, candidate: str) -> None:
        """Loads a candidate and lets it classify a grey photo; raises `UnfitCheckpointError` if it cannot."""
        try:
            classifier = await load(self._store.candidate_folder(candidate))
        except ModelError as error:
            raise UnfitCheckpointError(str(error)) from error
        size = classifier.published.image_size
        grey = np.full((size, size, 3), 128, dtype=np.uint8)
        (found_K,) = await self._batcher.classify(classifier, [grey], Views.ONE)
        if not np.isfinite(found_K).all():
            raise UnfitCheckpointError("its weights give probabilities that are not numbers")


def _prediction(classifier: Classifier, probabilities_K: NDArray[np.float32], top_k: int) -> PhotoPrediction:
    return PhotoPrediction(
        top_k=[
            Likelihood(index=found.index, id=found.id, label=found.label, probability=found.probability)
            for found in classifier.most_likely(probabilities_K, top_k)
        ]
    )


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
