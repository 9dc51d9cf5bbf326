"""The learning rates of one step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from model.network.canonical import canonical_name


@dataclass(frozen=True)
class Rates:
    """`base` is the rate of all layers but those in `by_layer`, which have their own."""

    base: float
    by_layer: Mapping[str, float] = field(default_factory=dict)

    def of(self, parameter: str) -> float:
        """The rate of a network's parameter, by its name there."""
        if not self.by_layer:
            return self.base
        layer, _, _ = canonical_name(parameter).partition(".")
        return self.by_layer.get(layer, self.base)
