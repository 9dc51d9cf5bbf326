"""A small network, photos for it to learn, and its recipe."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from model.config import ModelConfig
from model.learning.initialize import starting_parameters
from model.network.alexnet import AlexNet
from model.network.placement import Placement


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Several threads wait for each other at every one of a test's small operations."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny_config() -> ModelConfig:
    """alexnet-tiny with dropout, so that chance has a part in its training."""
    return ModelConfig.preset("alexnet-tiny", num_classes=4, dropout=0.5)


@pytest.fixture
def tiny_network(tiny_config: ModelConfig) -> AlexNet:
    network = AlexNet(tiny_config, Placement.two("cpu", "cpu"))
    network.load_canonical_parameters(starting_parameters(tiny_config, "fan-in", seed=5))
    return network


@pytest.fixture
def eight_views() -> tuple[Tensor, Tensor]:
    """Two blotches of each of four classes, as a network takes them: float32 [8, 3, 64, 64], labels [8]."""
    generator = torch.Generator().manual_seed(11)
    coarse = torch.randn(8, 3, 4, 4, generator=generator) * 60
    views = torch.nn.functional.interpolate(coarse, (64, 64), mode="bilinear")
    return views, torch.arange(8) % 4
