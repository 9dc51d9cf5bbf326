"""What one tower holds and computes: its share of each layer, on its device.

Shapes: N images, C channels of one tower, H×W a map, F features of one tower.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.config import ModelConfig
from model.network.architecture import FollowUp, Layer
from model.network.lrn import local_response_norm

_STARTING_STD = 0.01  # P §5


class TowerLayer(nn.Module):
    """One tower's share of a layer, and what follows it (activation, LRN, pooling, dropout).

    Filled as P §5 says, from torch's global generator; `starting_parameters` fills it from a seed.
    """

    def __init__(self, layer: Layer, config: ModelConfig, device: torch.device) -> None:
        super().__init__()
        self._layer = layer
        self._config = config
        weight = torch.empty(layer.weight_shape, device=device).normal_(std=_STARTING_STD)
        if layer.is_convolution:
            # Pooling and convolution run several times faster with a pixel's channels side by side.
            weight = weight.contiguous(memory_format=torch.channels_last)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.full(layer.weight_shape[:1], layer.starting_bias, device=device))

    def forward(self, inputs: Tensor) -> Tensor:
        """[N, C, H, W] → [N, C', H', W'] for a convolution, any → [N, F] for a fully connected layer."""
        outputs = self._convolve(inputs) if self._layer.is_convolution else self._connect(inputs)
        for step in self._layer.then:
            outputs = self._follow_up(step, outputs)
        return outputs

    def _convolve(self, maps_NCHW: Tensor) -> Tensor:
        before, after = self._layer.padding
        if before != after:
            maps_NCHW = F.pad(maps_NCHW, (before, after, before, after))
            before = 0
        return F.conv2d(maps_NCHW, self.weight, self.bias, self._layer.stride, before)

    def _connect(self, inputs: Tensor) -> Tensor:
        return F.linear(inputs.flatten(1), self.weight, self.bias)

    def _follow_up(self, step: FollowUp, values: Tensor) -> Tensor:
        if step == "activation":
            return values.relu_() if self._config.activation == "relu" else values.tanh_()
        if step == "lrn":
            return local_response_norm(values) if self._config.lrn else values
        if step == "pool":
            return self._pool(values)
        return F.dropout(values, self._config.dropout, self.training)

    def _pool(self, maps_NCHW: Tensor) -> Tensor:
        # P §3.4: a side of n becomes ⌊n/2⌋ either way; on an even side the last window of 3 hangs over.
        if self._config.pooling == "overlapping":
            return F.max_pool2d(maps_NCHW, kernel_size=3, stride=2, ceil_mode=True)
        return F.max_pool2d(maps_NCHW, kernel_size=2, stride=2)


class Tower(nn.Module):
    """One tower's share of every layer it holds, each under the layer's name."""

    def __init__(self, layers: Sequence[Layer], config: ModelConfig, device: torch.device) -> None:
        super().__init__()
        self.device = device
        for layer in layers:
            self.add_module(layer.name, TowerLayer(layer, config, device))

    def run(self, layer: Layer, inputs: Tensor) -> Tensor:
        """The tower's outputs of a layer that it holds."""
        outputs: Tensor = self.get_submodule(layer.name)(inputs)
        return outputs
