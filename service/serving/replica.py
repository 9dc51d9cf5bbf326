"""A model as one worker asks it."""

from __future__ import annotations

import statistics
import time
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from prometheus_client import Histogram

from model.classifier import Classifier
from service.cores import usable_cores
from service.serving.asked_photo import Question

_ROUNDS: Final = 5
# Nearer than this, noise would decide.
_CLEARLY_FASTER: Final = 0.9


class Replica:
    """A classifier that counts the photos it is given at once.

    While other workers are at work it takes one core for itself; alone, `threads_alone` of them.
    """

    def __init__(self, classifier: Classifier, batch_photos: Histogram, threads_alone: int) -> None:
        self._classifier = classifier
        self._batch_photos = batch_photos
        self._threads_alone = threads_alone

    def answers(
        self, photos_NSS3: NDArray[np.uint8], question: Question, *, alone: bool
    ) -> NDArray[np.float32]:
        """Probabilities [N, K] or embeddings [N, F] of uint8 [N, S, S, 3]."""
        self._batch_photos.observe(len(photos_NSS3))
        # Of this thread alone: each has its own.
        torch.set_num_threads(self._threads_alone if alone else 1)
        if question is Question.EMBEDDING:
            return self._classifier.embeddings(photos_NSS3)
        return self._classifier.probabilities(photos_NSS3, question.views)


def fastest_threads(classifier: Classifier, photo_1SS3: NDArray[np.uint8]) -> int:
    """How many threads classify one photo fastest, one or as many as there are cores, found by trying.

    Leaves this thread with one.
    """
    cores = usable_cores()
    together, one = (_seconds(classifier, photo_1SS3, threads) for threads in (cores, 1))
    return cores if together < _CLEARLY_FASTER * one else 1


def _seconds(classifier: Classifier, photo_1SS3: NDArray[np.uint8], threads: int) -> float:
    torch.set_num_threads(threads)
    rounds = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        classifier.probabilities(photo_1SS3)
        rounds.append(time.perf_counter() - began)
    return statistics.median(rounds)
