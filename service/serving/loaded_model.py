"""A published model in memory: read onto every device, and tried there before it answers anyone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from model.classifier import Classifier
from model.errors import BadCheckpointError
from model.photo_index import PhotoIndex
from model.published import PublishedModel
from service.domain.indexing import INDEX_FOLDER
from service.errors import NotIndexedError
from service.serving.metrics import ServingMetrics


class LoadedModel:
    """The same model on each device; `replicas` are in the devices' order."""

    def __init__(self, folder: Path, classifiers: Sequence[Classifier], metrics: ServingMetrics) -> None:
        self._index_folder = folder / INDEX_FOLDER
        self._index: PhotoIndex | None = None
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
        return cls(folder, classifiers, metrics)

    @property
    def published(self) -> PublishedModel:
        return self._classifier.published

    @property
    def classifier(self) -> Classifier:
        """On the first device."""
        return self._classifier

    @property
    def index(self) -> PhotoIndex:
        """Of its training photos, opened when first asked for.

        Raises `NotIndexedError` while there is none, BadIndexError for one that is damaged.
        """
        if self._index is None:
            if not self._index_folder.is_dir():
                raise _not_indexed(self.published)
            self._index = PhotoIndex(self._index_folder)
        return self._index


def _not_indexed(published: PublishedModel) -> NotIndexedError:
    path = f"/api/v1/models/{published.name}/versions/{published.version}/index"
    return NotIndexedError(
        f"the training photos of version {published.version} of model {published.name!r} are not indexed, or"
        f" not yet: see GET {path}, and POST there to have it done"
    )


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
