"""What the serving process does with photos, and with models that are about to be used."""

from __future__ import annotations

import asyncio
import base64
import math
from collections.abc import Sequence
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from model.errors import ModelError
from model.photo_index import Neighbour, PhotoIndex
from model.published import PublishedModel
from service.domain.classification import Classification, ClassifyOptions, Likelihood, PhotoPrediction
from service.domain.embedding import EmbeddedPhotos
from service.domain.similarity import Similar, SimilarOptions, SimilarPhoto, SimilarPhotos, Thumbnail
from service.errors import AnswerNotFiniteError, UnfitCheckpointError
from service.serving.asked_photo import Question
from service.serving.inquiries import Answered, Inquiries, Version
from service.serving.loaded_model import LoadedModel
from service.serving.registry import ModelRegistry
from service.store.models import ModelStore


class ServingOperations:
    """Belongs to one event loop. What is asked of photos raises what `Inquiries` does.

    `searching` has the threads that look through indexes: loading a model does not wait for them.
    """

    def __init__(
        self, store: ModelStore, registry: ModelRegistry, inquiries: Inquiries, searching: Executor
    ) -> None:
        self._store = store
        self._registry = registry
        self._inquiries = inquiries
        self._searching = searching

    def find(self, name: str | None, version: str | None) -> Version:
        """The version that answers now: aliases are read each time, so a moved one counts at once."""
        name = name or self._store.default_model()
        return Version(name, self._store.resolve(name, version))

    def describe(self, asked: Version) -> tuple[PublishedModel, list[int]]:
        """What is known of a version, and which others there are."""
        return self._store.read(asked.name, asked.number), self._store.versions(asked.name)

    async def ask(
        self, asked: Version, uploads: Sequence[bytes], questions: Sequence[Question]
    ) -> list[Answered]:
        """The answers to each question about the same photos."""
        async with self._inquiries.in_time():
            with self._inquiries.admit(len(uploads)):
                return [await self._inquiries.ask(asked, uploads, question) for question in questions]

    async def classify(
        self, asked: Version, uploads: Sequence[bytes], options: ClassifyOptions
    ) -> Classification:
        ((model, found, timing),) = await self.ask(asked, uploads, [Question.of_views(options.views)])
        return Classification(
            model=asked.name,
            version=asked.number,
            predictions=[_prediction(model, found_K, options.top_k) for found_K in found],
            timing_milliseconds=timing,
        )

    async def embed(self, asked: Version, uploads: Sequence[bytes]) -> EmbeddedPhotos:
        ((_, found, timing),) = await self.ask(asked, uploads, [Question.EMBEDDING])
        return EmbeddedPhotos(
            model=asked.name,
            version=asked.number,
            embeddings=[found_F.tolist() for found_F in found],
            timing_milliseconds=timing,
        )

    async def similar(
        self, asked: Version, uploads: Sequence[bytes], options: SimilarOptions
    ) -> SimilarPhotos:
        """Raises `NotIndexedError` for a version whose training photos cannot be searched."""
        search = asyncio.get_running_loop().run_in_executor
        async with self._inquiries.in_time():
            loaded = await self._registry.get(asked.name, asked.number)
            index = await loaded.index()
            with self._inquiries.admit(len(uploads)):
                model, found, timing = await self._inquiries.ask(asked, uploads, Question.EMBEDDING)
                nearest = await search(self._searching, _nearest, index, found, options.top_k)
        return SimilarPhotos(
            model=asked.name,
            version=asked.number,
            photos=[Similar(nearest=[_similar(model, each) for each in of_one]) for of_one in nearest],
            timing_milliseconds=timing,
        )

    async def check(self, candidate: str) -> None:
        """Loads a candidate and lets it classify a photo; raises `UnfitCheckpointError` if it cannot."""
        folder = self._store.candidate_folder(candidate)
        try:
            await self._registry.load(folder)
        except ModelError as error:
            raise UnfitCheckpointError(str(error)) from error

    async def make_ready(self, name: str, version: int) -> None:
        """Loads a version that is about to get an alias, so that nobody who asks for it has to wait.

        Raises `UnfitCheckpointError` if it does not load any more.
        """
        try:
            await self._registry.get(name, version)
        except ModelError as error:
            raise UnfitCheckpointError(str(error)) from error


def _nearest(
    index: PhotoIndex, embeddings: Sequence[NDArray[np.float32]], count: int
) -> list[list[Neighbour]]:
    nearest = [index.nearest(embedding_F, count) for embedding_F in embeddings]
    if not all(math.isfinite(each.distance) for of_one in nearest for each in of_one):
        raise AnswerNotFiniteError("the distance of a training photo is no number: ask another version")
    return nearest


def _similar(model: LoadedModel, neighbour: Neighbour) -> SimilarPhoto:
    label = model.published.labels[neighbour.label]
    return SimilarPhoto(
        sample_id=neighbour.sample_id,
        index=label.index,
        id=label.id,
        label=label.name,
        distance=neighbour.distance,
        thumbnail=Thumbnail(b64=base64.b64encode(neighbour.thumbnail).decode()),
    )


def _prediction(model: LoadedModel, probabilities_K: NDArray[np.float32], top_k: int) -> PhotoPrediction:
    return PhotoPrediction(
        top_k=[
            Likelihood(index=found.index, id=found.id, label=found.label, probability=found.probability)
            for found in model.classifier.most_likely(probabilities_K, top_k)
        ]
    )
