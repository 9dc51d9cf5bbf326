"""Photos of one request: they are answered together, or none of them is waited for."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from service.errors import UndecodableImageError
from service.serving.admission import Admission
from service.serving.asked_photo import AskedPhoto, Question
from service.serving.inquiries import Inquiries, Version
from service.serving.loaded_model import LoadedModel
from service.serving.metrics import ServingMetrics

LIMIT_SECONDS = 60


class AnyModel:
    """Has every version of every model."""

    async def get(self, name: str, version: int) -> LoadedModel:
        return cast("LoadedModel", self)


class RefusesTheSecond:
    """Decodes nothing, and keeps what it is given."""

    def __init__(self) -> None:
        self.taken: list[AskedPhoto] = []

    def take(self, photo: AskedPhoto) -> None:
        self.taken.append(photo)
        if len(self.taken) == 2:
            photo.refuse(UndecodableImageError("photo 2 of 3 cannot be used"))


def test_where_one_photo_is_refused_nobody_waits_for_the_others() -> None:
    metrics, decoder = ServingMetrics(), RefusesTheSecond()
    admission = Admission(3, metrics.photos_waiting)
    parts: tuple[Any, ...] = (AnyModel(), admission, decoder, metrics, LIMIT_SECONDS)
    inquiries = Inquiries(*parts)

    async def ask() -> None:
        with pytest.raises(UndecodableImageError), inquiries.admit(3):
            await inquiries.ask(Version("colours", 1), [b"one", b"two", b"three"], Question.ONE_VIEW)
        assert [photo.is_wanted for photo in decoder.taken] == [False] * 3
        with admission.admit(3):
            pass

    asyncio.run(ask())
