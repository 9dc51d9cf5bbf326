"""From the bytes of a photo to its most likely classes, by a published model.

Shapes: N photos, S the side they are stored at, C the side of a view, V views of a photo, K classes, F
features of an embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.network.alexnet import AlexNet
from model.published import PublishedModel
from model.published_network import PublishedNetwork
from pipeline.batches.view_cutter import ViewCutter
from pipeline.batches.views import EvaluationViews
from pipeline.photos.decode import square_photo


@dataclass(frozen=True)
class Prediction:
    """A class and its probability, in [0, 1]."""

    index: int
    id: str
    label: str
    probability: float


class Classifier:
    """A published model, ready to classify on one device. For one thread at a time: see `twin`."""

    def __init__(self, published: PublishedModel, network: AlexNet, mean_image_SS3: Tensor) -> None:
        self.published = published
        self._network = network.eval()
        self._mean_image = mean_image_SS3
        size = published.architecture.input_size
        self._views = EvaluationViews(ViewCutter(mean_image_SS3, size, memory_format=torch.channels_last))

    @classmethod
    def load(cls, folder: Path | str, device: str = "cpu") -> Self:
        """Raises BadCheckpointError for a folder that is no published model, or a damaged one."""
        return cls(*PublishedNetwork.load(Path(folder), device))

    def twin(self) -> Self:
        """The same model for another thread: the weights in memory are the same ones."""
        return type(self)(self.published, self._network, self._mean_image)

    def classify(self, image_bytes: bytes, top_k: int = 5, views: int = 1) -> list[Prediction]:
        """The `top_k` most likely classes of a photo, most likely first; all where there are fewer.

        The photo is turned as its EXIF orientation says. Raises UnusablePhotoError for bytes that are no
        photo, ValueError as `probabilities` does.
        """
        photo = self._square(image_bytes)
        return self.most_likely(self.probabilities(photo[None], views)[0], top_k)

    def most_likely(self, probabilities_K: NDArray[np.float32], top_k: int) -> list[Prediction]:
        """The `top_k` greatest of one photo's probabilities, greatest first; of equal ones, the first."""
        best = _greatest(probabilities_K, top_k).tolist()
        labels = self.published.labels
        return [
            Prediction(place, labels[place].id, labels[place].name, float(probabilities_K[place]))
            for place in best
        ]

    @torch.inference_mode()
    def probabilities(self, photos_NSS3: NDArray[np.uint8], views: int = 1) -> NDArray[np.float32]:
        """uint8 [N, S, S, 3], S the published image_size → float32 [N, K].

        From the centre view, or with `views=10` the mean of the softmax over corners, centre and their mirror
        images (P §4.1). Raises ValueError for another number of views.
        """
        images_NSS3 = self._on_device(photos_NSS3)
        if views == 1:
            views_NV3CC = self._views.centre_view(images_NSS3)[:, None]
        elif views == 10:
            views_NV3CC = self._views.ten_views(images_NSS3)
        else:
            raise ValueError(f"views={views} is neither 1 nor 10")
        logits_MK: Tensor = self._network(views_NV3CC.flatten(0, 1))
        probabilities_NK = logits_MK.softmax(dim=1).view(*views_NV3CC.shape[:2], -1).mean(dim=1)
        answer: NDArray[np.float32] = probabilities_NK.cpu().numpy()
        return answer

    def embed(self, image_bytes: bytes) -> NDArray[np.float32]:
        """A photo's embedding, float32 [F], as `embeddings` has it.

        Raises UnusablePhotoError for bytes that are no photo.
        """
        photo = self._square(image_bytes)
        answer: NDArray[np.float32] = self.embeddings(photo[None])[0]
        return answer

    @torch.inference_mode()
    def embeddings(self, photos_NSS3: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [N, S, S, 3], S the published image_size → float32 [N, F], from the centre view.

        What the output layer reads: fc7's 4,096 activations in `alexnet`, by whose L2 distance the paper
        finds the photos that are alike (P §6).
        """
        views_N3CC = self._views.centre_view(self._on_device(photos_NSS3))
        answer: NDArray[np.float32] = self._network.embedding(views_N3CC).cpu().numpy()
        return answer

    def _square(self, image_bytes: bytes) -> NDArray[np.uint8]:
        # ImageNet's few photos with an orientation stay as they are stored, but people send theirs as shown.
        return square_photo(image_bytes, self.published.image_size, exif="apply")

    def _on_device(self, photos_NSS3: NDArray[np.uint8]) -> Tensor:
        # Decoded photos may be views of read-only bytes, which torch does not take.
        writable_NSS3 = np.require(photos_NSS3, requirements="W")
        return torch.from_numpy(writable_NSS3).to(self._network.input_device)


def _greatest(values_K: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """Where the `count` greatest are, greatest first, and of equal ones the first. A third of the time
    that sorting a thousand takes."""
    if count >= len(values_K):
        return np.argsort(-values_K, kind="stable")
    least = np.partition(values_K, -count)[-count]
    (places,) = np.nonzero(values_K >= least)
    return places[np.argsort(-values_K[places], kind="stable")[:count]]
