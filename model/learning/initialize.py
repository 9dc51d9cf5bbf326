"""What a network's parameters are before the first step: a function of the seed, whatever the placement."""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor

from model.config import ModelConfig
from model.learning.recipe import Initialization
from model.network.architecture import Layer, layers_of

_SMALL_STD = 0.01
# S, layers/layers-145.cfg: initW of these; of all others it is P's 0.01.
_WIDER_STD = 0.03
_WIDER_LAYERS = frozenset({"conv3", "conv4", "conv5"})
# How far the pixels of photos lie from their mean image, on the 0–255 scale: 63.5 on CIFAR-10.
_PIXEL_STD = 64.0


def starting_parameters(config: ModelConfig, initialization: Initialization, seed: int) -> dict[str, Tensor]:
    """Canonical parameters, float32 on the CPU.

    "paper": weights N(0, 0.01), biases 1 in conv2, conv4, conv5 and the hidden fully connected layers, else 0
    (P §5; the table holds them). "original": the same, but N(0, 0.03) in conv3, conv4 and conv5, as the 2012
    source has it. "fan-in": N(0, 1/√fan-in), so that signals neither fade nor grow from layer to layer (LeCun
    et al., Efficient BackProp, 1998), the first layer's less by as much as pixels are larger than 1, the
    output's N(0, 0.01), biases 0: narrow networks learn from the first steps on. Batch normalisation starts
    as the identity after it has normalised.
    """
    generator = torch.Generator().manual_seed(seed)
    layers = layers_of(config)
    parameters = {}
    for layer in layers:
        std = _starting_std(layer, layers, initialization)
        constants = {
            "bias": 0.0 if initialization == "fan-in" else layer.starting_bias,
            "norm.weight": 1.0,
            "norm.bias": 0.0,
        }
        for kind, shape in layer.parameter_shapes.items():
            start = torch.empty(shape)
            if kind == "weight":
                start.normal_(0, std, generator=generator)
            else:
                start.fill_(constants[kind])
            parameters[f"{layer.name}.{kind}"] = start
    return parameters


def _starting_std(layer: Layer, layers: tuple[Layer, ...], initialization: Initialization) -> float:
    if initialization == "fan-in":
        return _fan_in_std(layer, layers)
    wider = initialization == "original" and layer.name in _WIDER_LAYERS
    return _WIDER_STD if wider else _SMALL_STD


def _fan_in_std(layer: Layer, layers: tuple[Layer, ...]) -> float:
    if layer is layers[-1]:
        return _SMALL_STD
    std = 1 / sqrt(layer.fan_in)
    return std / _PIXEL_STD if layer is layers[0] else std
