"""From a request's uploads to what a model says of each: admitted, decoded, batched, and in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.domain.classification import Timing
from service.errors import AnswerTooLateError
from service.serving.admission import Admission
from service.serving.asked_photo import AskedPhoto, Question
from service.serving.decoder import Decoder
from service.serving.loaded_model import LoadedModel
from service.serving.metrics import ServingMetrics
from service.serving.registry import ModelRegistry


class Version(NamedTuple):
    """One version of one model, which is there."""

    name: str
    number: int


class Answered(NamedTuple):
    """What a model said of each photo, and where the milliseconds went."""

    model: LoadedModel
    of_photos: list[NDArray[np.float32]]
    timing: Timing


class Inquiries:
    """Belongs to one event loop."""

    def __init__(
        self,
        registry: ModelRegistry,
        admission: Admission,
        decoder: Decoder,
        metrics: ServingMetrics,
        limit_seconds: float,
    ) -> None:
        self._registry = registry
        self._admission = admission
        self._decoder = decoder
        self._metrics = metrics
        self._limit_seconds = limit_seconds

    @asynccontextmanager
    async def in_time(self) -> AsyncIterator[None]:
        """A request, from here until it is answered; raises `AnswerTooLateError` once it has taken as long as
        it may."""
        try:
            async with asyncio.timeout(self._limit_seconds):
                yield
        except TimeoutError as error:
            raise AnswerTooLateError(
                f"no answer within {self._limit_seconds:g} s: send fewer photos, ask again, or"
                " raise TANDEM_REQUEST_SECONDS"
            ) from error

    def admit(self, photos: int) -> AbstractContextManager[None]:
        """Holds room for so many photos; raises `OverloadedError` where there is none."""
        return self._admission.admit(photos)

    async def ask(self, asked: Version, uploads: Sequence[bytes], question: Question) -> Answered:
        """For a request whose photos are admitted. Raises what registry and decoder raise."""
        began = time.perf_counter()
        model = await self._registry.get(asked.name, asked.number)
        photos = [
            AskedPhoto(upload, f"photo {place} of {len(uploads)}", model, question)
            for place, upload in enumerate(uploads, start=1)
        ]
        for photo in photos:
            self._decoder.take(photo)
        found = await _all_answers(photos)
        ended = time.perf_counter()
        labels = question.name.lower(), asked.name, str(asked.number)
        self._metrics.answer_seconds.labels(*labels).observe(ended - began)
        decoded = max(photo.decoded_at for photo in photos)
        timing = Timing(
            decode=_milliseconds(decoded - began),
            classify=_milliseconds(ended - decoded),
            total=_milliseconds(ended - began),
        )
        return Answered(model, found, timing)


async def _all_answers(photos: list[AskedPhoto]) -> list[NDArray[np.float32]]:
    """Leaves no photo in the list when one is refused, or nobody waits any more."""
    try:
        if len(photos) == 1:
            # What most requests have, without what gathering costs.
            return [await photos[0].answer]
        return await asyncio.gather(*(photo.answer for photo in photos))
    except BaseException:
        for photo in photos:
            photo.answer.cancel()
        # A photo holds its error, and an error the names of all that it has passed through: uploads too.
        photos.clear()
        raise


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
