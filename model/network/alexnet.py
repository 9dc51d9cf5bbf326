"""The network: towers side by side, each on its device, exchanging maps where the table says so (P §3.2).

Shapes: N images, S the input's side, C channels or features of one tower, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from model.config import ModelConfig
from model.network.architecture import Layer, layers_of
from model.network.canonical import from_canonical, to_canonical
from model.network.placement import Placement
from model.network.towers import Tower


class AlexNet(nn.Module):
    """`AlexNet(config, placement)(images)` → logits. Raises ValueError for more devices than towers.

    `exchanged_floats_per_image` tells, after a forward pass, what crossed between towers to make each layer's
    inputs: layer name → floats received by tower 0, by tower 1. It counts the same where they share a device.
    """

    def __init__(self, config: ModelConfig, placement: Placement) -> None:
        super().__init__()
        if len(placement.devices) > config.towers:
            raise ValueError(
                f"placement has {len(placement.devices)} devices, but network={config.network!r} "
                f"has {config.towers} tower"
            )
        self.config = config
        self.layers = layers_of(config)
        self.towers = nn.ModuleList(
            Tower(
                [layer for layer in self.layers if tower < layer.towers], config, placement.device_of(tower)
            )
            for tower in range(config.towers)
        )
        self.exchanged_floats_per_image: dict[str, tuple[int, ...]] = {}

    def forward(self, images_N3SS: Tensor) -> Tensor:
        """float [N, 3, S, S], the mean image subtracted, on the 0–255 scale, on any device → logits [N, K],
        on tower 0's device."""
        self.exchanged_floats_per_image = {}
        images = images_N3SS.contiguous(memory_format=torch.channels_last)
        outputs = [images.to(tower.device) for tower in self._towers]
        for layer in self.layers:
            inputs = self._exchange(layer, outputs) if layer.exchange else outputs
            outputs = [
                tower.run(layer, values)
                for tower, values in zip(self._towers[: layer.towers], inputs, strict=True)
            ]
        (logits_NK,) = outputs
        return logits_NK

    @property
    def input_device(self) -> torch.device:
        """Where images are best put before a forward pass: tower 0's device."""
        return self._towers[0].device

    def canonical_parameters(self) -> dict[str, Tensor]:
        """Copies of all parameters in the layout of `model.network.canonical`, on the CPU."""
        return to_canonical(self.layers, dict(self.named_parameters()))

    def load_canonical_parameters(self, canonical: Mapping[str, Tensor]) -> None:
        """Takes over all parameters from that layout."""
        parts = from_canonical(self.layers, canonical)
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                parameter.copy_(parts[name])

    @property
    def _towers(self) -> list[Tower]:
        return [tower for tower in self.towers if isinstance(tower, Tower)]

    def _exchange(self, layer: Layer, outputs: list[Tensor]) -> list[Tensor]:
        """For each tower that holds the layer, all towers' [N, C, …] side by side along C, on its device."""
        joined_on: dict[torch.device, Tensor] = {}
        received = []
        for reader, tower in enumerate(self._towers[: layer.towers]):
            if tower.device not in joined_on:
                joined_on[tower.device] = torch.cat([values.to(tower.device) for values in outputs], dim=1)
            received.append(
                sum(values[0].numel() for writer, values in enumerate(outputs) if writer != reader)
            )
        self.exchanged_floats_per_image[layer.name] = (*received, *[0] * (len(outputs) - len(received)))
        return [joined_on[tower.device] for tower in self._towers[: layer.towers]]
