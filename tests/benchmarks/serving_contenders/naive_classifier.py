"""AlexNet as its users serve it today: Pillow, NumPy, nn.Sequential. The weights are the published model's.

A photo becomes what torchvision's Resize(256), CenterCrop(224) and Normalize make of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from naive_alexnet import naive_alexnet
from numpy.typing import NDArray
from pillow_square import pillow_square
from torch import nn

from model.checkpoint import load_weights
from model.network.architecture import layers_of
from model.published import WEIGHTS_FILE, PublishedModel

RESIZED, CROPPED = 256, 224
TOP_K = 5


class NaiveClassifier:
    """A published `alexnet`, its weights copied into the naive network."""

    def __init__(self, folder: Path) -> None:
        published = PublishedModel.load(folder)
        parameters, mean_image = load_weights(folder / WEIGHTS_FILE, published.architecture)
        self._labels = published.labels
        self._mean_colour = mean_image.mean(dim=(0, 1)).numpy()
        self._network = naive_alexnet(published.architecture.num_classes).eval()
        learnt = [layer for layer in self._network if isinstance(layer, nn.Conv2d | nn.Linear)]
        for layer, described in zip(learnt, layers_of(published.architecture), strict=True):
            for name, parameter in layer.named_parameters():
                parameter.data.copy_(parameters[f"{described.name}.{name}"])

    def decode(self, photo: bytes) -> NDArray[np.float32]:
        image = pillow_square(photo, RESIZED, CROPPED)
        return (image.astype(np.float32) - self._mean_colour).transpose(2, 0, 1)

    @torch.inference_mode()
    def classify(self, decoded: Sequence[NDArray[np.float32]]) -> list[dict[str, Any]]:
        """Of each photo what goes into its answer: the five likeliest classes."""
        best = self._network(torch.from_numpy(np.stack(decoded))).softmax(dim=1).topk(TOP_K)
        return [
            {"top_k": [self._likelihood(*found) for found in zip(places, values, strict=True)]}
            for places, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]

    def _likelihood(self, index: int, probability: float) -> dict[str, Any]:
        label = self._labels[index]
        return {"index": index, "id": label.id, "label": label.name, "probability": probability}
