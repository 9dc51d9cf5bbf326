"""A published model in memory: read onto every device, and tried there before it answers anyone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from model.classifier import Classifier
from model.errors import BadCheckpointError
from model.photo_index import PhotoIndex
from model.published import PublishedModel
from pipeline.errors import StoredFileDamagedError
from pipeline.storage.local_folder import LocalFolder
from service.domain.indexing import INDEX_FOLDER
from service.errors import NotIndexedError
from service.serving.metrics import ServingMetrics
from service.serving.replica import Replica, fastest_threads


class LoadedModel:
    """The same model for each worker; `replicas` are in the workers' order."""

    def __init__(self, folder: Path, classifier: Classifier, replicas: Sequence[Replica]) -> None:
        self.classifier = classifier
        self.replicas = replicas
        self._index_folder = folder / INDEX_FOLDER
        self._opening: asyncio.Task[PhotoIndex] | None = None
        self._index: PhotoIndex | None = None
        # Keeps the index's files where they are.
        self._index_here: LocalFolder | None = None

    @classmethod
    def read(cls, folder: Path, workers: Sequence[str], metrics: ServingMetrics) -> Self:
        """`workers` names each one's device. Raises BadCheckpointError for a folder that is no published
        model, a damaged one, or one whose probabilities are not numbers."""
        try:
            with LocalFolder(folder) as here:
                classifiers = {
                    device: Classifier.load(here.path, device) for device in dict.fromkeys(workers)
                }
        except StoredFileDamagedError as error:
            raise BadCheckpointError(str(folder), str(error)) from error
        published = next(iter(classifiers.values())).published
        photos_4SS3 = _trial_photos(published.image_size)
        threads_alone = {}
        for device, classifier in classifiers.items():
            # The first answer also takes the memory that the others use again.
            if not np.isfinite(classifier.probabilities(photos_4SS3)).all():
                raise BadCheckpointError(str(folder), "its weights give probabilities that are not numbers")
            threads_alone[device] = fastest_threads(classifier, photos_4SS3[:1]) if device == "cpu" else 1
        batch_photos = metrics.batch_photos.labels(published.name, str(published.version))
        replicas = [
            Replica(classifiers[device].twin(), batch_photos, threads_alone[device]) for device in workers
        ]
        return cls(folder, classifiers[workers[0]], replicas)

    @property
    def published(self) -> PublishedModel:
        return self.classifier.published

    @property
    def image_size(self) -> int:
        """The side of the square photos that it takes, in pixels."""
        return self.published.image_size

    async def index(self) -> PhotoIndex:
        """Of its training photos, opened once however many ask at once; it may have to be fetched.

        Raises `NotIndexedError` while there is none, BadIndexError for one that is damaged.
        """
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(asyncio.to_thread(self._open_index))
        # Who asks may go away; the others still want it.
        return await asyncio.shield(self._opening)

    def _open_index(self) -> PhotoIndex:
        if not self._index_folder.is_dir():
            self._index = self._index_here = None
            raise _not_indexed(self.published)
        if self._index is None:
            here = LocalFolder(self._index_folder)
            self._index, self._index_here = PhotoIndex(here.path), here
        return self._index


def _trial_photos(size: int) -> NDArray[np.uint8]:
    """Grey, black, white and noise: weights that have grown too large may give numbers for some alone."""
    photos_4SS3 = np.random.default_rng(0).integers(0, 256, (4, size, size, 3), dtype=np.uint8)
    photos_4SS3[:3] = np.array([128, 0, 255], dtype=np.uint8)[:, None, None, None]
    return photos_4SS3


def _not_indexed(published: PublishedModel) -> NotIndexedError:
    path = f"/api/v1/models/{published.name}/versions/{published.version}/index"
    return NotIndexedError(
        f"the training photos of version {published.version} of model {published.name!r} are not indexed, or"
        f" not yet: see GET {path}, and POST there to have it done"
    )
