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
    """Answers photos that are decoded, from its own threads: what waits is divided among those that are idle.

    `more_coming` says whether photos are still being decoded.
    """

    def __init__(self, limits: BatchLimits, more_coming: Callable[[], bool], workers: int = 1) -> None:
        self._limits = limits
        self._more_coming = more_coming
        self._changed = threading.Condition()
        self._waiting: deque[AskedPhoto] = deque()
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
        with self._changed:
            self._waiting.append(photo)
            self._changed.notify()

    def close(self) -> None:
        """Returns when what was taken is answered."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _run(self, worker: int) -> None:
        while True:
            with self._changed:
                batch = self._next_batch()
                if batch is None:
                    return
                self._busy += 1
                alone = self._busy == 1 and not self._waiting and not self._more_coming()
            _answer(batch, worker, alone=alone)
            with self._changed:
                self._busy -= 1

    def _next_batch(self) -> list[AskedPhoto] | None:
        """Waits for a batch; None when there will be no more."""
        while True:
            while not self._waiting:
                if self._closed:
                    return None
                self._changed.wait()
            enough = time.monotonic() + self._limits.wait_seconds
            while self._more_coming() and (left := enough - time.monotonic()) > 0:
                self._changed.wait(left)
            batch = self._take_together()
            if batch:
                return batch

    def _take_together(self) -> list[AskedPhoto]:
        """The photo that has waited longest, and those after it that can go with it; none if all are gone."""
        wanted = [photo for photo in self._waiting if photo.is_wanted]
        batch: list[AskedPhoto] = []
        rest: deque[AskedPhoto] = deque()
        if wanted:
            first = wanted[0]
            alike = sum(photo.goes_with(first) for photo in wanted)
            share = -(-alike // (len(self._threads) - self._busy))
            room = min(share, max(1, self._limits.views_per_batch // first.question.views))
            for photo in wanted:
                (batch if len(batch) < room and photo.goes_with(first) else rest).append(photo)
        self._waiting = rest
        if rest:
            self._changed.notify()
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
        deliver(batch, answers)


def _square_of(photo: AskedPhoto) -> NDArray[np.uint8]:
    assert photo.square is not None, "it was decoded before it came here"
    return photo.square
