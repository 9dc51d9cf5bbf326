"""Learning rates over a training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from model.learning.recipe import RecipeConfig

State = dict[str, float | int | None]


class Schedule(Protocol):
    """A learning rate for each step, which may depend on how validation went."""

    def learning_rate(self, step: int) -> float:
        """The rate of the step after `step` steps."""

    def end_epoch(self, val_top1_error: float) -> None:
        """Takes note of an epoch's validation error, a fraction."""

    def state_dict(self) -> State: ...

    def load_state_dict(self, state: Mapping[str, float | int | None]) -> None: ...


class Plateau:
    """Divides the rate by 10 whenever the validation error has stopped improving (P §5)."""

    def __init__(self, learning_rate: float, *, patience: int, max_drops: int) -> None:
        self._base = learning_rate
        self._patience = patience
        self._max_drops = max_drops
        self._best: float | None = None
        self._waited = 0
        self._drops = 0

    def learning_rate(self, step: int) -> float:
        return self._base / 10.0**self._drops

    def end_epoch(self, val_top1_error: float) -> None:
        if self._best is None or val_top1_error < self._best:
            self._best, self._waited = val_top1_error, 0
            return
        self._waited += 1
        if self._waited >= self._patience and self._drops < self._max_drops:
            self._drops, self._waited = self._drops + 1, 0

    def state_dict(self) -> State:
        return {"best": self._best, "waited": self._waited, "drops": self._drops}

    def load_state_dict(self, state: Mapping[str, float | int | None]) -> None:
        self._best = state["best"]
        self._waited = int(state["waited"] or 0)
        self._drops = int(state["drops"] or 0)


class Linear:
    """Rises to the rate over the first share of the steps, then falls in a line to 0 at the last."""

    def __init__(self, learning_rate: float, *, warmup: float, total_steps: int) -> None:
        self._base = learning_rate
        self._total = total_steps
        self._warm = max(1, round(warmup * total_steps))

    def learning_rate(self, step: int) -> float:
        if step < self._warm:
            return self._base * (step + 1) / self._warm
        return self._base * (self._total - step) / (self._total - self._warm)

    def end_epoch(self, val_top1_error: float) -> None:
        """Changes nothing: the line was drawn at the start."""

    def state_dict(self) -> State:
        return {}

    def load_state_dict(self, state: Mapping[str, float | int | None]) -> None:
        assert not state


def schedule_of(recipe: RecipeConfig, total_steps: int) -> Schedule:
    """The schedule a recipe asks for."""
    if recipe.schedule == "plateau":
        return Plateau(recipe.learning_rate, patience=recipe.patience, max_drops=recipe.max_drops)
    return Linear(recipe.learning_rate, warmup=recipe.warmup, total_steps=total_steps)
