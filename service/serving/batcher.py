"""Photos of many requests, answered together: by as many threads as there are workers, from one queue."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from service.errors import AnswerNotFiniteError
from service.serving.asked_photo import AskedPhoto, deliver

log = structlog.get_logger()


@dataclass(frozen=True)
class BatchLimits:
    """How much is done at once and how much may be on its way.

    Views, not photos, are what a batch costs. `wait_seconds` is how long a worker stands idle for photos that
    are being decoded; it never waits for requests that have not come.
    """

    views_per_batch: int = 32
    wait_seconds: float = 0.03
    photos_waiting: int = 256


DEFAULT_LIMITS: Final = BatchLimits()


class Batcher:
    """Answers photos that are decoded, from its own threads.

    `more_coming` says whether photos are still being decoded. One thread at a time gathers a batch of them;
    when no more are coming, what waits is divided among all that are idle. Who was at work last is woken
    first: torch's helpers of one thread stay awake for a while, and would keep those of another from a core.
    """

    def __init__(self, limits: BatchLimits, more_coming: Callable[[], bool], workers: int = 1) -> None:
        self._limits = limits
        self._more_coming = more_coming
        self._changing = threading.Lock()
        # The threads that stand idle, each at its own condition: who was at work last is the last.
        self._idle: list[threading.Condition] = []
        self._enough = threading.Condition(self._changing)
        self._waiting: deque[AskedPhoto] = deque()
        self._gathering = False
        self._busy = 0
        self._closed = False
        self._threads = [
            threading.Thread(target=self._run, args=(worker,), name=f"model-{worker}")
            for worker in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def take(self, photo: AskedPhoto) -> None:
        """Queues a photo that is decoded. For any thread."""
        with self._changing:
            self._waiting.append(photo)
            # Whoever gathers is not woken for every photo: that would take longer than a small network.
            if not self._gathering:
                self._wake_one()
            elif self._has_enough():
                self._enough.notify()

    def close(self) -> None:
        """Returns when what was taken is answered."""
        with self._changing:
            self._closed = True
            self._wake_one()
        for thread in self._threads:
            thread.join()

    def _run(self, worker: int) -> None:
        while True:
            with self._changing:
                batch = self._next_batch()
                if batch is None:
                    return
                self._busy += 1
                alone = self._busy == 1 and not self._waiting and not self._more_coming()
            _answer(batch, worker, alone=alone)
            # Its uploads are not kept while nothing else is asked.
            del batch
            with self._changing:
                self._busy -= 1

    def _next_batch(self) -> list[AskedPhoto] | None:
        """Waits for a batch; None when there will be no more."""
        while True:
            while self._gathering or not self._waiting:
                if self._closed and not self._waiting:
                    self._wake_one()
                    return None
                woken = threading.Condition(self._changing)
                self._idle.append(woken)
                woken.wait()
            self._gather()
            batch = self._take_together()
            if self._waiting:
                self._wake_one()
            if batch:
                return batch

    def _wake_one(self) -> None:
        if self._idle:
            self._idle.pop().notify()

    def _gather(self) -> None:
        """Waits for photos that are being decoded, no longer than the first may wait."""
        self._gathering = True
        until = self._waiting[0].decoded_at + self._limits.wait_seconds
        while not self._has_enough() and (left := until - time.perf_counter()) > 0:
            self._enough.wait(left)
        self._gathering = False

    def _has_enough(self) -> bool:
        views = sum(photo.question.views for photo in self._waiting)
        return views >= self._limits.views_per_batch or not self._more_coming()

    def _take_together(self) -> list[AskedPhoto]:
        """The photo that has waited longest, and those after it that can go with it; none if all are gone."""
        wanted = [photo for photo in self._waiting if photo.is_wanted]
        batch: list[AskedPhoto] = []
        rest: deque[AskedPhoto] = deque()
        if wanted:
            first = wanted[0]
            room = max(1, self._limits.views_per_batch // first.question.views)
            if not self._more_coming():
                alike = sum(photo.goes_with(first) for photo in wanted)
                room = min(room, -(-alike // (len(self._threads) - self._busy)))
            for photo in wanted:
                (batch if len(batch) < room and photo.goes_with(first) else rest).append(photo)
        self._waiting = rest
        return batch


def _answer(batch: Sequence[AskedPhoto], worker: int, *, alone: bool) -> None:
    replica, question = batch[0].model.replicas[worker], batch[0].question
    try:
        answers = replica.answers(np.stack([_square_of(photo) for photo in batch]), question, alone=alone)
    except Exception as error:
        log.exception("batch_failed", photos=len(batch))
        for photo in batch:
            photo.refuse(error)
    else:
        _deliver_finite(batch, answers)


def _deliver_finite(batch: Sequence[AskedPhoto], answers: NDArray[np.float32]) -> None:
    if np.isfinite(answers).all():
        deliver(batch, answers)
        return
    for photo, answer in zip(batch, answers, strict=True):
        if np.isfinite(answer).all():
            deliver([photo], answer[np.newaxis])
        else:
            why = f"the model's answer about {photo.what} is no number: ask another version of it"
            photo.refuse(AnswerNotFiniteError(why))


def _square_of(photo: AskedPhoto) -> NDArray[np.uint8]:
    assert photo.square is not None, "it was decoded before it came here"
    return photo.square
