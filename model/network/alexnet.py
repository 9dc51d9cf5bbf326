"""The network: towers side by side, each on its device, exchanging maps where the table says so (P §3.2).

Shapes: N images, S the input's side, F features of all towers, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from model.config import ModelConfig
from model.network.architecture import Layer, layers_of
from model.network.canonical import Division, canonical_name
from model.network.exchange import Arrival, Exchange
from model.network.placement import Placement
from model.network.towers import TowerPart


class AlexNet(nn.Module):
    """`AlexNet(config, placement)(images)` → logits. Raises ValueError for more devices than towers.

    `Placement.two` computes the towers apart; `Placement.one` computes them together, what a tower has to
    itself as a group of each operation. `exchanged_floats_per_image` tells, after a forward pass, what one
    tower needed of the other to make each layer's inputs: layer name → floats received by tower 0, by tower
    1. It counts the same where they share a device.
    """

    def __init__(self, config: ModelConfig, placement: Placement) -> None:
        super().__init__()
        if len(placement.devices) > config.towers:
            raise ValueError(
                f"placement has {len(placement.devices)} devices, but network={config.network!r} "
                f"has {config.towers} tower"
            )
        self.config = config
        self.placement = placement
        self.layers = layers_of(config)
        parts = placement.parts(config.towers)
        self.division = Division(self.layers, parts)
        self.towers = nn.ModuleList(
            TowerPart(self.layers, config, parts, place, device)
            for place, device in enumerate(placement.devices)
        )
        self.exchanged_floats_per_image: dict[str, tuple[int, ...]] = {}
        self._exchange = Exchange(placement.devices)

    def forward(self, images_N3SS: Tensor) -> Tensor:
        """float [N, 3, S, S], the mean image subtracted, on the 0–255 scale, on any device → logits [N, K],
        on tower 0's device. N may be 0."""
        (logits_NK,) = self._run(self.layers[-1], self._hidden(images_N3SS))
        return logits_NK

    def embedding(self, images_N3SS: Tensor) -> Tensor:
        """What the output layer reads, on tower 0's device: of images as `forward` takes them, [N, F].

        With a hidden fully connected layer that is the last one's activations, tower 0's first: fc7's 4,096,
        by which the paper tells which images are alike (P §6).
        """
        outputs = [values.flatten(1).to(self.input_device) for values in self._hidden(images_N3SS)]
        return torch.cat(outputs, dim=1)

    @property
    def input_device(self) -> torch.device:
        """Where images are best put before a forward pass: tower 0's device."""
        return self.placement.devices[0]

    def canonical_parameters(self) -> dict[str, Tensor]:
        """Copies of all parameters, and of batch normalisation's statistics, in the layout of
        `model.network.canonical`, on the CPU."""
        return self.division.to_canonical(self.state_dict())

    def first_kernels(self) -> Tensor:
        """A copy of what looks at the images themselves, on the CPU: float [K, 3, S, S], tower 0's first."""
        name = f"{self.layers[0].name}.weight"
        own = {each: tensor for each, tensor in self.state_dict().items() if canonical_name(each) == name}
        return self.division.to_canonical(own)[name]

    def load_canonical_parameters(self, canonical: Mapping[str, Tensor]) -> None:
        """Takes over whatever of them there is in that layout."""
        own = self.state_dict()
        with torch.no_grad():
            for name, block in self.division.from_canonical(canonical).items():
                own[name].copy_(block)

    def _hidden(self, images_N3SS: Tensor) -> list[Tensor]:
        """What every part makes of its last hidden layer."""
        self.exchanged_floats_per_image = {}
        images = images_N3SS.contiguous(memory_format=torch.channels_last)
        outputs = [images.to(part.device, non_blocking=True) for part in self._parts]
        for layer in self.layers[:-1]:
            outputs = self._run(layer, outputs)
        return outputs

    def _run(self, layer: Layer, outputs: list[Tensor]) -> list[Tensor]:
        """What every part that holds the layer makes of what all parts made before it."""
        readers = [(place, part) for place, part in enumerate(self._parts) if part.holds(layer)]
        if not layer.exchange:
            return [part.run(layer, [Arrival(outputs[place])]) for place, part in readers]
        self._count(layer, outputs)
        sent = [[self._exchange.send(values, part.device) for values in outputs] for _, part in readers]
        return [part.run(layer, sources) for (_, part), sources in zip(readers, sent, strict=True)]

    def _count(self, layer: Layer, outputs: list[Tensor]) -> None:
        made = sum(values.shape[1:].numel() for values in outputs)
        received = made - made // self.config.towers
        self.exchanged_floats_per_image[layer.name] = tuple(
            received if tower < layer.towers else 0 for tower in range(self.config.towers)
        )

    @property
    def _parts(self) -> list[TowerPart]:
        return [part for part in self.towers if isinstance(part, TowerPart)]
