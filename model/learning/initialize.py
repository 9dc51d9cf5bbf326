"""What a network's weights start from."""

from __future__ import annotations

import math

import torch

from model.learning.recipe import RecipeConfig
from model.network.alexnet import AlexNet
from model.network.architecture import Layer

PAPER_DEVIATION = 0.01
OUTPUT_DEVIATION = 0.01
# The standard deviation of pixels around the mean image, on the 0–255 scale (measured on CIFAR-10: 63.5).
PIXEL_DEVIATION = 64.0


@torch.no_grad()
def initialize(network: AlexNet, recipe: RecipeConfig, seed: int) -> None:
    """Fills a network's parameters: a function of recipe and seed, whatever the placement."""
    generator = torch.Generator().manual_seed(seed)
    for number, layer in enumerate(network.layers):
        for tower in list(network.towers)[: layer.towers]:
            part = tower.get_submodule(layer.name)
            deviation = _deviation(layer, recipe, first=number == 0, last=number == len(network.layers) - 1)
            # Drawn on the CPU in the layout's plain order, so that every device starts alike.
            drawn = torch.empty(layer.weight_shape).normal_(std=deviation, generator=generator)
            part.get_parameter("weight").copy_(drawn)
            part.get_parameter("bias").fill_(layer.starting_bias if recipe.initialization == "paper" else 0.0)


def _deviation(layer: Layer, recipe: RecipeConfig, *, first: bool, last: bool) -> float:
    if recipe.initialization == "paper":
        return PAPER_DEVIATION  # P §5
    if last:
        return OUTPUT_DEVIATION
    return math.sqrt(2 / layer.fan_in) / (PIXEL_DEVIATION if first else 1.0)
