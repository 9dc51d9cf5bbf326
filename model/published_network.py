"""The network of a published model, read from its folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Self

from torch import Tensor

from model.checkpoint import load_weights
from model.checkpoint_record import verify_file
from model.network.alexnet import AlexNet
from model.network.placement import Placement
from model.published import WEIGHTS_FILE, PublishedModel


class PublishedNetwork(NamedTuple):
    """What is known of the model, its network on one device, and the mean image, float32 [S, S, 3]."""

    published: PublishedModel
    network: AlexNet
    mean_image: Tensor

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        """Raises BadCheckpointError for a folder that is no published model, or a damaged one."""
        published = PublishedModel.load(folder)
        verify_file(folder / WEIGHTS_FILE, published.weights_sha256)
        parameters, mean_image = load_weights(folder / WEIGHTS_FILE, published.architecture)
        network = AlexNet(published.architecture, Placement.one(device))
        network.load_canonical_parameters(parameters)
        return cls(published, network, mean_image)
