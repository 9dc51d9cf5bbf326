"""A claim of the paper as data: what is trained, what is read off it, and what the paper found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from types import MappingProxyType
from typing import Any, Literal

from model.config import ModelConfig
from model.learning.recipe import RecipeConfig
from service.reproduction.measures import Measure

FormName = Literal["quick", "full"]


@dataclass(frozen=True)
class Arm:
    """One of the networks that a claim compares: presets, and what of them differs.

    Of several learning rates, tried in their order with the first seed, the one that learns fastest is taken.
    """

    name: str
    network: str
    learning_rates: tuple[float, ...]
    model: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    recipe: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def model_config_for(self, num_classes: int) -> ModelConfig:
        return ModelConfig.preset(self.network, num_classes=num_classes, **self.model)

    def recipe_config(self, learning_rate: float, epochs: int) -> RecipeConfig:
        return RecipeConfig.preset("quick", **self.recipe, learning_rate=learning_rate, epochs=epochs)


@dataclass(frozen=True)
class Comparison:
    """By the paper, `measure` is less for arm `less` than for arm `more`; `paper` says by how much."""

    measure: Measure
    less: str
    more: str
    paper: str
    as_ratio: bool = False


@dataclass(frozen=True)
class Form:
    """How much is spent on a claim. Photos are counted per class, and None stands for all there are.

    `train_photos_measured` of the training photos, the same ones every time, give the training error. An arm
    that is down to `stop_at_train_error` trains no further.
    """

    arms: tuple[Arm, ...]
    epochs: int
    seeds: tuple[int, ...]
    train_per_class: int | None = None
    test_per_class: int | None = None
    train_photos_measured: int = 10_000
    stop_at_train_error: float = -inf


@dataclass(frozen=True)
class Claim:
    """`plotted` names the errors that the plot shows; `choices` says what the paper leaves open, or what is
    otherwise here than in the paper."""

    title: str
    section: str
    paper: str
    choices: str
    comparisons: tuple[Comparison, ...]
    forms: Mapping[FormName, Form]
    plotted: tuple[Literal["train_error", "test_error"], ...]

    def comparisons_of(self, form: Form) -> list[Comparison]:
        """The comparisons whose arms the form has."""
        names = {arm.name for arm in form.arms}
        return [each for each in self.comparisons if {each.less, each.more} <= names]
