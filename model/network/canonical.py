"""The one layout in which parameters are stored, whatever placement they were trained in.

The canonical `<layer>.weight` holds all towers' outputs, tower 0's first, along dimension 0, and all towers'
inputs in the same order along dimension 1. The network has it in blocks: `towers.<p>.<layer>.weights.<s>` is
what part p of the network makes of what part s sends it. Biases and the parameters and statistics of batch
normalisation, `towers.<p>.<layer>.bias` and so on, are divided along their only dimension. The same goes for
whatever is shaped as a parameter, such as its velocity.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import torch
from torch import Tensor

from model.network.architecture import Layer

# The towers that are computed together on one device.
Part = tuple[int, ...]

_OWN_NAME: Final = re.compile(r"towers\.\d+\.(?P<layer>\w+)\.(?P<kind>.+?)(\.\d+)?")


def canonical_shapes(layers: Iterable[Layer]) -> dict[str, tuple[int, ...]]:
    """The shape of every canonical tensor, by name."""
    return {
        f"{layer.name}.{kind}": shape for layer in layers for kind, shape in layer.canonical_shapes.items()
    }


def canonical_parameter_shapes(layers: Iterable[Layer]) -> dict[str, tuple[int, ...]]:
    """The shape of every canonical tensor that is learnt, by name."""
    return {
        f"{layer.name}.{kind}": shape for layer in layers for kind, shape in layer.parameter_shapes.items()
    }


def canonical_name(own_name: str) -> str:
    """Of which canonical tensor the network's parameter of that name is a block."""
    match = _OWN_NAME.fullmatch(own_name)
    assert match is not None, own_name
    kind = "weight" if match["kind"] == "weights" else match["kind"]
    return f"{match['layer']}.{kind}"


class Division:
    """How a network's parts divide its canonical tensors among themselves."""

    def __init__(self, layers: Sequence[Layer], parts: Sequence[Part]) -> None:
        self._layers = layers
        self._parts = parts

    def to_canonical(self, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors by the network's names → copies by canonical name, contiguous and on the CPU.

        What is not among them, such as a velocity of what is not learnt, is left out.
        """
        return {
            f"{layer.name}.{kind}": self._joined(layer, kind, own)
            for layer in self._layers
            for kind in layer.canonical_shapes
            if self._rows(layer, kind)[0][0] in own
        }

    def from_canonical(self, canonical: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors by canonical name → blocks of them by the network's names."""
        blocks: dict[str, Tensor] = {}
        for layer in self._layers:
            for kind in layer.canonical_shapes:
                name = f"{layer.name}.{kind}"
                if name not in canonical:
                    continue
                rows = self._rows(layer, kind)
                sizes = [layer.weight_shape[0] * held_towers(part, layer) for part in self._holders(layer)]
                for names, row in zip(rows, torch.split(canonical[name], sizes), strict=True):
                    columns = row.chunk(len(names), dim=1) if len(names) > 1 else (row,)
                    blocks.update(zip(names, columns, strict=True))
        return blocks

    def _joined(self, layer: Layer, kind: str, own: Mapping[str, Tensor]) -> Tensor:
        rows = [[own[name].detach().cpu() for name in names] for names in self._rows(layer, kind)]
        return torch.cat([torch.cat(row, dim=1) if len(row) > 1 else row[0] for row in rows]).contiguous()

    def _rows(self, layer: Layer, kind: str) -> list[list[str]]:
        """The network's names for the blocks of a canonical tensor, row by row."""
        stems = [f"towers.{number}.{layer.name}" for number, _ in enumerate(self._holders(layer))]
        if kind != "weight":
            return [[f"{stem}.{kind}"] for stem in stems]
        blocks = len(self._parts) if layer.exchange else 1
        return [[f"{stem}.weights.{source}" for source in range(blocks)] for stem in stems]

    def _holders(self, layer: Layer) -> list[Part]:
        return [part for part in self._parts if held_towers(part, layer)]


def held_towers(part: Part, layer: Layer) -> int:
    """How many towers' shares of a layer a part of the network holds."""
    return sum(tower < layer.towers for tower in part)
