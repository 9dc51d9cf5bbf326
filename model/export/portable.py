"""A published model with all that comes before and after its network, as one module that can be recorded.

Shapes: N photos, S the side they are stored at, C the side of a view, K classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from model.network.alexnet import AlexNet
from model.published import PublishedModel
from model.published_network import PublishedNetwork


class PortableModel(nn.Module):
    """Photos → the probabilities of their centre views, in operations that other runtimes have.

    The centre view is cut here a second time, for the classifier's cutter writes into memory of its own and
    cannot be recorded.
    """

    mean_image: Tensor

    def __init__(self, published: PublishedModel, network: AlexNet, mean_image_SS3: Tensor) -> None:
        super().__init__()
        self.published = published
        self.network = network
        self.register_buffer("mean_image", mean_image_SS3)
        self.eval().requires_grad_(False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BadCheckpointError for a folder that is no published model, or a damaged one."""
        return cls(*PublishedNetwork.load(folder))

    @property
    def example_photos(self) -> Tensor:
        """What it may be recorded with: black photos, uint8 [2, S, S, 3].

        One would do for a trace, but torch.export takes a batch of one for a size that is always one.
        """
        size = self.published.image_size
        return torch.zeros((2, size, size, 3), dtype=torch.uint8)

    def forward(self, photos_NSS3: Tensor) -> Tensor:
        """uint8 [N, S, S, 3] → float32 [N, K]."""
        # All of the mean image, though the view needs less: photos of another size do not fit it, and are
        # refused where they would be cut in the wrong place.
        centred_NSS3 = photos_NSS3.float() - self.mean_image
        size = self.published.architecture.input_size
        first = (self.published.image_size - size) // 2
        view_NCC3 = centred_NSS3.narrow(1, first, size).narrow(2, first, size)
        logits_NK: Tensor = self.network(view_NCC3.permute(0, 3, 1, 2))
        return logits_NK.softmax(dim=1)
