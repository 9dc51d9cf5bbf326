"""A photo on its way from upload to answer: handed from thread to thread, and back to whoever asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.domain.classification import Views


class Question(Enum):
    """What a model is asked of a photo."""

    ONE_VIEW = "probabilities from the centre view"
    TEN_VIEWS = "probabilities from ten views"
    EMBEDDING = "embedding"

    @classmethod
    def of_views(cls, views: Views) -> Question:
        """The probabilities, from so many views."""
        return cls.TEN_VIEWS if views is Views.TEN else cls.ONE_VIEW

    @property
    def views(self) -> int:
        """How many of a photo the answer takes."""
        return Views.TEN if self is Question.TEN_VIEWS else Views.ONE


class Replica(Protocol):
    """A model for one thread."""

    def answers(
        self, photos_NSS3: NDArray[np.uint8], question: Question, *, alone: bool
    ) -> NDArray[np.float32]:
        """Of each photo its answer; `alone` says that no other thread is at work."""
        ...


class AskedModel(Protocol):
    """A model in memory: a replica for each worker, and the side of the square photos that it takes."""

    @property
    def replicas(self) -> Sequence[Replica]: ...

    @property
    def image_size(self) -> int: ...


class AskedPhoto:
    """Made on an event loop, which alone sets `answer`: probabilities [K], or an embedding [F].

    `what` names the photo in errors. `square`, uint8 [S, S, 3], is there once the upload is decoded, and
    `decoded_at` says when that was, by `time.perf_counter`.
    """

    __slots__ = ("_loop", "answer", "decoded_at", "model", "question", "square", "upload", "what")

    def __init__(self, upload: bytes, what: str, model: AskedModel, question: Question) -> None:
        self.upload, self.what, self.model, self.question = upload, what, model, question
        self.square: NDArray[np.uint8] | None = None
        self.decoded_at = 0.0
        self._loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[NDArray[np.float32]] = self._loop.create_future()

    @property
    def is_wanted(self) -> bool:
        """Whether anybody still waits for the answer. For any thread."""
        return not self.answer.done()

    def goes_with(self, other: AskedPhoto) -> bool:
        """Whether both can be answered in one batch."""
        return self.model is other.model and self.question is other.question

    def refuse(self, error: Exception) -> None:
        """Answers with an error. For any thread."""
        self._loop.call_soon_threadsafe(_refuse, self, error)


def deliver(photos: Sequence[AskedPhoto], answers: NDArray[np.float32]) -> None:
    """Gives each photo its answer; all are of one event loop. For any thread."""
    photos[0]._loop.call_soon_threadsafe(_deliver, photos, answers)


def _deliver(photos: Sequence[AskedPhoto], answers: NDArray[np.float32]) -> None:
    for photo, answer in zip(photos, answers, strict=True):
        if photo.is_wanted:
            photo.answer.set_result(answer)


def _refuse(photo: AskedPhoto, error: Exception) -> None:
    if photo.is_wanted:
        photo.answer.set_exception(error)
