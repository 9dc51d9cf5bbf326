"""Photos of many requests, answered together: by as many threads as there are workers, from one queue."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from service.domain.classification import Views
from service.errors import OverloadedError

log = structlog.get_logger()


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


class BatchModel(Protocol):
    """What the batcher needs of a model, for one thread."""

    def answers(
        self, photos_NSS3: NDArray[np.uint8], question: Question, *, alone: bool
    ) -> NDArray[np.float32]:
        """Of each photo its answer; `alone` says that no other thread is at work."""
        ...


@dataclass(frozen=True)
class BatchLimits:
    """How much is done at once and how much may wait.

    Views, not photos, are what a batch costs. `wait_seconds` is how long a worker stands idle for photos that
    are being decoded; it never waits for requests that have not come.
    """

    views_per_batch: int = 32
    wait_seconds: float = 0.002
    photos_waiting: int = 256


class _Waiting(NamedTuple):
    replicas: Sequence[BatchModel]
    question: Question
    photo: NDArray[np.uint8]
    answer: asyncio.Future[NDArray[np.float32]]


class Batcher:
    """Belongs to one event loop. `more_coming` says whether admitted photos are still being decoded.

    What waits is divided among the workers that are idle.
    """

    def __init__(self, limits: BatchLimits, more_coming: Callable[[], bool], workers: int = 1) -> None:
        self._limits = limits
        self._more_coming = more_coming
        self._admitted = 0
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._busy = 0
        self._threads = [
            ThreadPoolExecutor(1, thread_name_prefix=f"model-{worker}") for worker in range(workers)
        ]

    @property
    def admitted(self) -> int:
        """Photos of requests that are not answered yet."""
        return self._admitted

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

    async def ask(
        self, replicas: Sequence[BatchModel], photos: Sequence[NDArray[np.uint8]], question: Question
    ) -> list[NDArray[np.float32]]:
        """The answer for each photo [S, S, 3], in order: class probabilities [K], or an embedding [F].

        `replicas` are the same model for every worker. A photo whose asker has gone away is passed over.
        """
        loop = asyncio.get_running_loop()
        answers: list[asyncio.Future[NDArray[np.float32]]] = [loop.create_future() for _ in photos]
        self._waiting.extend(
            _Waiting(replicas, question, photo, answer) for photo, answer in zip(photos, answers, strict=True)
        )
        self._arrived.set()
        return await asyncio.gather(*answers)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answers what comes for as long as the block lasts."""
        tasks = [asyncio.create_task(self._run(worker)) for worker in range(len(self._threads))]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            for thread in self._threads:
                thread.shutdown()

    async def _run(self, worker: int) -> None:
        while True:
            await self._arrived.wait()
            if self._more_coming():
                await asyncio.sleep(self._limits.wait_seconds)
            batch = self._take()
            if not self._waiting:
                self._arrived.clear()
            if batch:
                self._busy += 1
                try:
                    await self._answer(batch, worker)
                finally:
                    self._busy -= 1

    def _take(self) -> list[_Waiting]:
        """The photo that has waited longest, and those after it that can go with it; none if all are gone."""
        wanted = [waiting for waiting in self._waiting if not waiting.answer.done()]
        first = next(iter(wanted), None)
        batch: list[_Waiting] = []
        rest: deque[_Waiting] = deque()
        if first is not None:
            alike = [each for each in wanted if _go_together(each, first)]
            idle = len(self._threads) - self._busy
            share = -(-len(alike) // idle)
            room = min(share, max(1, self._limits.views_per_batch // first.question.views))
            for waiting in wanted:
                (batch if len(batch) < room and _go_together(waiting, first) else rest).append(waiting)
        self._waiting = rest
        return batch

    async def _answer(self, batch: list[_Waiting], worker: int) -> None:
        loop = asyncio.get_running_loop()
        alone = self._busy == 1 and not self._waiting and not self._more_coming()
        try:
            found = await loop.run_in_executor(self._threads[worker], _answers, batch, worker, alone)
        except Exception as error:
            log.exception("batch_failed", photos=len(batch))
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_exception(error)
            return
        for waiting, answer in zip(batch, found, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(answer)


def _go_together(one: _Waiting, other: _Waiting) -> bool:
    return one.replicas is other.replicas and one.question is other.question


def _answers(batch: list[_Waiting], worker: int, alone: bool) -> NDArray[np.float32]:
    photos_NSS3 = np.stack([waiting.photo for waiting in batch])
    return batch[0].replicas[worker].answers(photos_NSS3, batch[0].question, alone=alone)
