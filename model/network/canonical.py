"""One layout of the parameters, whatever the placement: every layer whole, all towers' outputs side by side.

`conv1.weight` [96, 3, 11, 11] holds tower 0's 48 kernels, then tower 1's; biases likewise.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from model.errors import BadCheckpointError
from model.network.alexnet import AlexNet
from model.network.architecture import Layer


def canonical_state(network: AlexNet) -> dict[str, Tensor]:
    """Copies of the parameters on the CPU, contiguous, by layer: `<layer>.weight` and `<layer>.bias`."""
    state = {}
    for layer in network.layers:
        for kind in layer.canonical_shapes:
            parts = [part.detach().cpu() for part in _parts(network, layer, kind)]
            state[f"{layer.name}.{kind}"] = torch.cat(parts).contiguous()
    return state


@torch.no_grad()
def load_canonical(network: AlexNet, state: Mapping[str, Tensor], place: str) -> None:
    """Fills the parameters from a canonical state, exactly.

    Raises `BadCheckpointError`, naming `place`, when a tensor is missing or is another network's.
    """
    for layer in network.layers:
        for kind, shape in layer.canonical_shapes.items():
            name = f"{layer.name}.{kind}"
            if name not in state:
                raise BadCheckpointError(place, f"it has no {name}: it belongs to another network")
            if tuple(state[name].shape) != shape:
                found, wanted = list(state[name].shape), list(shape)
                raise BadCheckpointError(place, f"{name} is {found}, and this network's is {wanted}")
            parts = _parts(network, layer, kind)
            for part, values in zip(parts, state[name].chunk(len(parts)), strict=True):
                part.copy_(values)


def _parts(network: AlexNet, layer: Layer, kind: str) -> list[Tensor]:
    towers = list(network.towers)[: layer.towers]
    return [tower.get_parameter(f"{layer.name}.{kind}") for tower in towers]
