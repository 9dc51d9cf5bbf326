"""What a device holds of the network and computes: one tower, or several side by side.

Shapes: N images, C channels and F features of the towers held, H×W a map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.config import ModelConfig
from model.network.architecture import Layer
from model.network.canonical import Part, held_towers
from model.network.convolution import convolve
from model.network.dropout import Dropout
from model.network.exchange import Arrival
from model.network.lrn import local_response_norm, map_response_norm
from model.network.pooling import overlapping_max_pool
from model.network.table import FollowUp

_STARTING_STD = 0.01  # P §5

_Step = FollowUp | Literal["relu-lrn"]


class TowerLayer(nn.Module):
    """The share of a layer that belongs to the towers of one part of the network, and what follows it.

    What several towers read each by itself are groups of a convolution. What comes from several parts is read
    through a weight for each, so that work on what is here need not wait for what is on its way; `nearest`
    is the part that is here. Filled as P §5 says, from torch's global generator; `starting_parameters` fills
    it from a seed.
    """

    def __init__(
        self,
        layer: Layer,
        config: ModelConfig,
        device: torch.device,
        *,
        towers: int,
        sources: int = 1,
        nearest: int = 0,
    ) -> None:
        super().__init__()
        self._layer = layer
        self._config = config
        self._towers = towers
        self._steps = _steps(layer, config)
        self._groups = towers if layer.reads_own else 1
        self._order = sorted(range(sources), key=lambda source: source != nearest)
        outputs, inputs, *sides = layer.weight_shape
        shape = (towers * outputs, inputs // sources, *sides)
        self.weights = nn.ParameterList(_starting_weight(shape, device) for _ in range(sources))
        self.bias = nn.Parameter(torch.full(shape[:1], layer.starting_bias, device=device))
        self.norm = nn.BatchNorm2d(shape[0], device=device) if layer.batch_normalized else None
        self.dropout = Dropout(config.dropout, towers)

    def forward(self, sources: Sequence[Arrival]) -> Tensor:
        """From each source [N, C, H, W] or [N, F] → [N, C', H', W'] of a convolution, else [N, F']."""
        multiply = self._convolve if self._layer.is_convolution else self._connect
        first, *others = self._order
        outputs = multiply(sources[first].values, self.weights[first], self.bias)
        for other in others:
            outputs = outputs + multiply(sources[other].values, self.weights[other], None)
        for step in self._steps:
            outputs = self._follow_up(step, outputs)
        return outputs

    def _convolve(self, maps_NCHW: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        layer = self._layer
        return convolve(
            maps_NCHW, weight, bias, stride=layer.stride, padding=layer.padding, groups=self._groups
        )

    def _connect(self, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        features_NF = inputs.flatten(1)
        if self._groups == 1:
            return F.linear(features_NF, weight, bias)
        pairs = zip(features_NF.chunk(self._groups, dim=1), weight.chunk(self._groups), strict=True)
        outputs_NF = torch.cat([F.linear(own_NF, rows) for own_NF, rows in pairs], dim=1)
        return outputs_NF if bias is None else outputs_NF + bias

    def _follow_up(self, step: _Step, values: Tensor) -> Tensor:
        match step:
            case "activation":
                return values.relu_() if self._config.activation == "relu" else values.tanh_()
            case "batch-norm":
                assert self.norm is not None
                normalized: Tensor = self.norm(values)
                return normalized
            case "lrn" | "relu-lrn":
                return local_response_norm(
                    values,
                    towers=self._towers,
                    averaged=self._config.norm == "lrn-2012",
                    relu=step == "relu-lrn",
                )
            case "map-lrn":
                return map_response_norm(values)
            case "pool":
                return self._pool(values)
            case "dropout":
                dropped: Tensor = self.dropout(values)
                return dropped

    def _pool(self, maps_NCHW: Tensor) -> Tensor:
        if self._config.pooling == "overlapping":
            return overlapping_max_pool(maps_NCHW)
        return F.max_pool2d(maps_NCHW, kernel_size=2, stride=2)


def _steps(layer: Layer, config: ModelConfig) -> list[_Step]:
    """What follows a layer, ReLU and the LRN behind it as one operation."""
    steps: list[_Step] = []
    for step in layer.then:
        if step == "lrn" and steps[-1:] == ["activation"] and config.activation == "relu":
            steps[-1] = "relu-lrn"
        else:
            steps.append(step)
    return steps


def _starting_weight(shape: Sequence[int], device: torch.device) -> nn.Parameter:
    weight = torch.empty(tuple(shape), device=device).normal_(std=_STARTING_STD)
    if weight.ndim == 4:
        # Pooling and convolution run several times faster with a pixel's channels side by side.
        weight = weight.contiguous(memory_format=torch.channels_last)
    return nn.Parameter(weight)


class TowerPart(nn.Module):
    """One part of the network: its towers' share of every layer they hold, each under the layer's name."""

    def __init__(
        self,
        layers: Sequence[Layer],
        config: ModelConfig,
        parts: Sequence[Part],
        place: int,
        device: torch.device,
    ) -> None:
        super().__init__()
        self.device = device
        for layer in layers:
            towers = held_towers(parts[place], layer)
            reads = {"sources": len(parts), "nearest": place} if layer.exchange else {}
            if towers:
                self.add_module(layer.name, TowerLayer(layer, config, device, towers=towers, **reads))

    def holds(self, layer: Layer) -> bool:
        return layer.name in self._modules

    def run(self, layer: Layer, sources: Sequence[Arrival]) -> Tensor:
        """The part's outputs of a layer that it holds."""
        outputs: Tensor = self.get_submodule(layer.name)(sources)
        return outputs
