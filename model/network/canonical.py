"""The one layout in which parameters are stored, whatever placement they were trained in.

A tower holds `towers.<t>.<layer>.weight`; the canonical `<layer>.weight` holds all towers' outputs, tower 0's
first, along dimension 0. The same goes for whatever is shaped as a parameter, such as its velocity.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from model.network.architecture import Layer


def canonical_shapes(layers: Iterable[Layer]) -> dict[str, tuple[int, ...]]:
    """The shape of every canonical tensor, by name."""
    return {
        f"{layer.name}.{kind}": shape for layer in layers for kind, shape in layer.canonical_shapes.items()
    }


def to_canonical(layers: Iterable[Layer], of_towers: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors by the towers' names → copies by canonical name, contiguous and on the CPU."""
    return {
        f"{layer.name}.{kind}": torch.cat(
            [of_towers[name].detach().cpu() for name in _tower_names(layer, kind)]
        ).contiguous()
        for layer in layers
        for kind in layer.canonical_shapes
    }


def from_canonical(layers: Iterable[Layer], canonical: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors by canonical name → parts of them by the towers' names."""
    return {
        name: part
        for layer in layers
        for kind in layer.canonical_shapes
        for name, part in zip(
            _tower_names(layer, kind), canonical[f"{layer.name}.{kind}"].chunk(layer.towers), strict=True
        )
    }


def _tower_names(layer: Layer, kind: str) -> list[str]:
    return [f"towers.{tower}.{layer.name}.{kind}" for tower in range(layer.towers)]
