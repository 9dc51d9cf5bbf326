"""Photos of many requests, classified together: one model thread, and a bounded number waiting for it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from service.domain.classification import Views
from service.errors import OverloadedError

log = structlog.get_logger()


class BatchClassifier(Protocol):
    """What the batcher needs of a model."""

    def probabilities(self, photos_NSS3: NDArray[np.uint8], views: int = 1) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class BatchLimits:
    """How much is done at once and how much may wait.

    Views, not photos, are what a batch costs. `wait_seconds` is how long the model thread stands idle for
    photos that are being decoded; it never waits for requests that have not come.
    """

    views_per_batch: int = 64
    wait_seconds: float = 0.002
    photos_waiting: int = 256


class _Waiting(NamedTuple):
    classifier: BatchClassifier
    views: Views
    photo: NDArray[np.uint8]
    answer: asyncio.Future[NDArray[np.float32]]


class Batcher:
    """Belongs to one event loop. `more_coming` says whether admitted photos are still being decoded."""

    def __init__(self, limits: BatchLimits, more_coming: Callable[[], bool]) -> None:
        self._limits = limits
        self._more_coming = more_coming
        self._admitted = 0
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._model_thread = ThreadPoolExecutor(1, thread_name_prefix="model")

    @contextmanager
    def admit(self, photos: int) -> Iterator[None]:
        """Holds room for a request's photos until it is answered; raises `OverloadedError` without any."""
        if self._admitted + photos > self._limits.photos_waiting:
            raise OverloadedError(f"{self._admitted} photos are waiting already: try again in a second")
        self._admitted += photos
        try:
            yield
        finally:
            self._admitted -= photos

    async def classify(
        self, classifier: BatchClassifier, photos: Sequence[NDArray[np.uint8]], views: Views
    ) -> list[NDArray[np.float32]]:
        """Class probabilities [K] of each photo [S, S, 3], in order."""
        loop = asyncio.get_running_loop()
        answers: list[asyncio.Future[NDArray[np.float32]]] = [loop.create_future() for _ in photos]
        self._waiting.extend(
            _Waiting(classifier, views, photo, answer) for photo, answer in zip(photos, answers, strict=True)
        )
        self._arrived.set()
        return await asyncio.gather(*answers)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answers what comes for as long as the block lasts."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self._model_thread.shutdown()

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            if self._more_coming():
                await asyncio.sleep(self._limits.wait_seconds)
            batch = self._take()
            if not self._waiting:
                self._arrived.clear()
            await self._answer(batch)

    def _take(self) -> list[_Waiting]:
        """The photo that has waited longest, and those after it that can go with it."""
        first = self._waiting[0]
        room = max(1, self._limits.views_per_batch // first.views)
        batch: list[_Waiting] = []
        rest: deque[_Waiting] = deque()
        for waiting in self._waiting:
            alike = waiting.classifier is first.classifier and waiting.views is first.views
            (batch if alike and len(batch) < room else rest).append(waiting)
        self._waiting = rest
        return batch

    async def _answer(self, batch: list[_Waiting]) -> None:
        loop = asyncio.get_running_loop()
        try:
            found_NK = await loop.run_in_executor(self._model_thread, _probabilities, batch)
        except Exception as error:
            log.exception("batch_failed", photos=len(batch))
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_exception(error)
            return
        for waiting, found_K in zip(batch, found_NK, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(found_K)


def _probabilities(batch: list[_Waiting]) -> NDArray[np.float32]:
    photos_NSS3 = np.stack([waiting.photo for waiting in batch])
    return batch[0].classifier.probabilities(photos_NSS3, batch[0].views)
