"""This project's own code, in whichever server: what its users import to classify photos.

Of `PublishedClassifier` all of it. `PillowClassifier` has only the network, and decodes photos as the guides
of servers do, with Pillow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pillow_square import pillow_square

from model.classifier import Classifier
from pipeline.photos.decode import square_photo

TOP_K = 5


class PublishedClassifier:
    """A published model read from its folder."""

    def __init__(self, folder: Path) -> None:
        self._classifier = Classifier.load(folder)

    def decode(self, photo: bytes) -> NDArray[np.uint8]:
        return square_photo(photo, self._classifier.published.image_size)

    def classify(self, decoded: Sequence[NDArray[np.uint8]]) -> list[dict[str, Any]]:
        """Of each photo what goes into its answer: the five likeliest classes."""
        return [
            {"top_k": [asdict(found) for found in self._classifier.most_likely(probabilities_K, TOP_K)]}
            for probabilities_K in self._classifier.probabilities(np.stack(decoded))
        ]


class PillowClassifier(PublishedClassifier):
    def decode(self, photo: bytes) -> NDArray[np.uint8]:
        size = self._classifier.published.image_size
        return pillow_square(photo, size, size)
