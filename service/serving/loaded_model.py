"""A published model in memory: read onto every device, and tried there before it answers anyone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from model.classifier import Classifier
from model.errors import BadCheckpointError
from model.published import PublishedModel
from service.serving.metrics import ServingMetrics


class LoadedModel:
    """The same model on each device; `replicas` are in the devices' order."""

    def __init__(self, classifiers: Sequence[Classifier], metrics: ServingMetrics) -> None:
        self._classifier = classifiers[0]
        self.replicas = [Replica(classifier, metrics) for classifier in classifiers]

    @classmethod
    def read(cls, folder: Path, devices: Sequence[str], metrics: ServingMetrics) -> Self:
        """Raises BadCheckpointError for a folder that is no published model, a damaged one, or one whose
        probabilities are not numbers."""
        classifiers = [Classifier.load(folder, device) for device in devices]
        size = classifiers[0].published.image_size
        grey_1SS3 = np.full((1, size, size, 3), 128, dtype=np.uint8)
        for classifier in classifiers:
            # The first answer also takes the memory that the others use again.
            if not np.isfinite(classifier.probabilities(grey_1SS3)).all():
                raise BadCheckpointError(str(folder), "its weights give probabilities that are not numbers")
        return cls(classifiers, metrics)

    @property
    def published(self) -> PublishedModel:
        return self._classifier.published

    @property
    def classifier(self) -> Classifier:
        """On the first device."""
        return self._classifier


class Replica:
    """A classifier that counts the photos it is given at once."""

    def __init__(self, classifier: Classifier, metrics: ServingMetrics) -> None:
        self._classifier = classifier
        published = classifier.published
        self._batch_photos = metrics.batch_photos.labels(published.name, str(published.version))

    def probabilities(self, photos_NSS3: NDArray[np.uint8], views: int = 1) -> NDArray[np.float32]:
        self._batch_photos.observe(len(photos_NSS3))
        return self._classifier.probabilities(photos_NSS3, views)

    def embeddings(self, photos_NSS3: NDArray[np.uint8]) -> NDArray[np.float32]:
        self._batch_photos.observe(len(photos_NSS3))
        return self._classifier.embeddings(photos_NSS3)
