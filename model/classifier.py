"""A published model at work: photos to the likeliest classes.

The one module of model/ that stands on pipeline/: a photo must become the pixels it would have been in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.checkpoint import MEAN_IMAGE, read_tensors
from model.checkpoint_description import WEIGHTS_FILE
from model.errors import BadCheckpointError
from model.network.alexnet import AlexNet
from model.network.canonical import load_canonical
from model.network.placement import Placement
from model.published import PublishedModel
from pipeline.batches.views import EvaluationViews
from pipeline.photos.decode import square_photo


@dataclass(frozen=True)
class Prediction:
    """One class, and the probability that the photo shows it."""

    index: int
    id: str
    label: str
    probability: float


class Classifier:
    """Classifies photos with a published model. Not for several threads at once."""

    def __init__(self, description: PublishedModel, network: AlexNet, mean_image: Tensor) -> None:
        self.description = description
        self._network = network.eval()
        self._views = EvaluationViews(mean_image, description.architecture.input_size)

    @classmethod
    def load(cls, folder: str | Path, device: str = "cpu") -> Self:
        """Loads `weights.safetensors` and `model.json` from a folder.

        Raises `BadCheckpointError` when they are missing, damaged, at odds or hold numbers that are none.
        """
        folder = Path(folder)
        description = PublishedModel.load(folder)
        tensors = read_tensors(folder / WEIGHTS_FILE)
        network = AlexNet(description.architecture, Placement.one(device))
        load_canonical(network, tensors, str(folder))
        size = description.image_size
        mean_image = tensors.get(MEAN_IMAGE)
        if mean_image is None or tuple(mean_image.shape) != (size, size, 3):
            raise BadCheckpointError(str(folder), f"it has no mean image of {size}x{size} pixels")
        if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
            raise BadCheckpointError(str(folder), "some of its weights are not finite numbers")
        return cls(description, network, mean_image)

    def classify(self, image_bytes: bytes, top_k: int = 5, views: int = 1) -> list[Prediction]:
        """The likeliest classes of a photo in its file's bytes, likeliest first.

        `views` is 1 (the centre) or 10 (corners and centre and their flips, their softmax averaged, P §4.1).
        Raises pipeline's `UnusablePhotoError` for bytes that are no photo.
        """
        photo = square_photo(image_bytes, self.description.image_size)
        (probabilities_K,) = self.probabilities(photo[None], views)
        return self.likeliest(probabilities_K, top_k)

    @torch.inference_mode()
    def probabilities(self, photos_NSS3: NDArray[np.uint8], views: int = 1) -> NDArray[np.float32]:
        """Decoded photos uint8 [N, S, S, 3] to probabilities float32 [N, K]; `views` as for `classify`."""
        images = torch.from_numpy(photos_NSS3).to(self._network.input_device)
        if views == 1:
            probabilities_NK = self._network(self._views.centre_view(images)).softmax(1)
        elif views == 10:
            views_NVCHW = self._views.ten_views(images)
            logits = self._network(views_NVCHW.flatten(0, 1))
            probabilities_NK = logits.softmax(1).unflatten(0, views_NVCHW.shape[:2]).mean(1)
        else:
            raise ValueError(f"views={views}: choose 1 or 10")
        answer: NDArray[np.float32] = probabilities_NK.float().cpu().numpy()
        return answer

    def likeliest(self, probabilities_K: NDArray[np.float32], top_k: int) -> list[Prediction]:
        """The `top_k` classes with the highest probabilities, likeliest first; all of them when it is more."""
        order: Sequence[int] = np.argsort(-probabilities_K, kind="stable")[:top_k].tolist()
        labels = self.description.labels
        return [
            Prediction(index, labels[index].id, labels[index].name, float(probabilities_K[index]))
            for index in order
        ]
