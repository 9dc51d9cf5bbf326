"""The learning rate of each step."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Protocol

from model.learning.recipe import PlateauSchedule, PolySchedule, RecipeConfig

ScheduleState = dict[str, int | float | None]


class LearningRateSchedule(Protocol):
    def rate(self, step: int) -> float:
        """The learning rate of a step, of which the first is 0."""

    def end_epoch(self, val_top1_error: float | None) -> None:
        """Tells how good the network is after an epoch: a fraction, or None where nothing was measured."""

    def state_dict(self) -> ScheduleState:
        """What has to be known to continue; fit for JSON."""

    def load_state_dict(self, state: ScheduleState) -> None: ...


def schedule_of(recipe: RecipeConfig, total_steps: int) -> LearningRateSchedule:
    if isinstance(recipe.schedule, PlateauSchedule):
        return PlateauRate(recipe.learning_rate, recipe.schedule)
    return PolyRate(recipe.learning_rate, recipe.schedule, total_steps)


@dataclass
class _Plateau:
    """How far along a plateau training is."""

    best_error: float | None = None
    epochs_without_gain: int = 0
    drops_done: int = 0


class PlateauRate:
    """÷10 whenever the validation error stops improving (P §5)."""

    def __init__(self, base: float, schedule: PlateauSchedule) -> None:
        self._base = base
        self._schedule = schedule
        self._plateau = _Plateau()

    def rate(self, step: int) -> float:
        return self._base / 10.0**self._plateau.drops_done

    def end_epoch(self, val_top1_error: float | None) -> None:
        plateau = self._plateau
        if val_top1_error is None:
            return
        if plateau.best_error is None or val_top1_error < plateau.best_error:
            plateau.best_error = val_top1_error
            plateau.epochs_without_gain = 0
            return
        plateau.epochs_without_gain += 1
        if plateau.epochs_without_gain >= self._schedule.patience_epochs:
            plateau.epochs_without_gain = 0
            plateau.drops_done = min(plateau.drops_done + 1, self._schedule.drops)

    def state_dict(self) -> ScheduleState:
        return asdict(self._plateau)

    def load_state_dict(self, state: ScheduleState) -> None:
        self._plateau = _Plateau(**state)  # type: ignore[arg-type]  # the state that state_dict gave


class PolyRate:
    """A linear warm-up, then a polynomial decay to 0 at the last step: a function of the step alone."""

    def __init__(self, base: float, schedule: PolySchedule, total_steps: int) -> None:
        self._base = base
        self._power = schedule.power
        self._warmup_steps = round(schedule.warmup_fraction * total_steps)
        self._total_steps = total_steps

    def rate(self, step: int) -> float:
        if step < self._warmup_steps:
            return self._base * (step + 1) / self._warmup_steps
        progress = (step - self._warmup_steps) / (self._total_steps - self._warmup_steps)
        return self._base * math.pow(1 - progress, self._power)

    def end_epoch(self, val_top1_error: float | None) -> None:
        """The rate does not depend on it."""

    def state_dict(self) -> ScheduleState:
        return {}

    def load_state_dict(self, state: ScheduleState) -> None:
        """There is none."""
