"""AlexNet as its users write it today: nn.Sequential, grouped convolutions, torch's own LRN and SGD."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 1e-4, 0.9, 5e-4


class LocalResponseNorm(nn.Module):
    """torch's, given the paper's formula: torch divides α by n. It takes both towers for one."""

    def forward(self, maps: Tensor) -> Tensor:
        return F.local_response_norm(maps, 5, alpha=5e-4, beta=0.75, k=2)


def naive_alexnet(num_classes: int = 1000) -> nn.Sequential:
    return nn.Sequential(
        nn.ZeroPad2d((0, 3, 0, 3)),
        *(nn.Conv2d(3, 96, 11, stride=4), nn.ReLU(inplace=True), LocalResponseNorm(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.ReLU(inplace=True), LocalResponseNorm()),
        nn.MaxPool2d(3, 2),
        *(nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(inplace=True)),
        *(nn.Conv2d(384, 384, 3, padding=1, groups=2), nn.ReLU(inplace=True)),
        *(nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
        nn.Flatten(),
        *(nn.Linear(9216, 4096), nn.ReLU(inplace=True), nn.Dropout()),
        *(nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Dropout()),
        nn.Linear(4096, num_classes),
    )


def naive_step(network: nn.Module) -> Callable[[Tensor, Tensor], float]:
    """A training step as torch's tutorials have it: images and labels → the loss."""
    optimizer = torch.optim.SGD(
        network.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
    )

    def step(images: Tensor, labels: Tensor) -> float:
        network.train()
        optimizer.zero_grad()
        loss = F.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step
