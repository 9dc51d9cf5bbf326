"""The learning rates of each step."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Protocol

from model.learning.rates import Rates
from model.learning.recipe import RecipeConfig
from model.learning.schedule_config import (
    EpochsSchedule,
    ExponentialSchedule,
    PlateauSchedule,
    PolySchedule,
)

ScheduleState = dict[str, int | float | None]


class LearningRateSchedule(Protocol):
    def rates(self, step: int, epoch: int) -> Rates:
        """The learning rates of a step in an epoch; both are counted from 0, from the start of training."""

    def end_epoch(self, val_top1_error: float | None) -> None:
        """Tells how good the network is after an epoch: a fraction, or None where nothing was measured."""

    def state_dict(self) -> ScheduleState:
        """What has to be known to continue; fit for JSON."""

    def load_state_dict(self, state: ScheduleState) -> None: ...


def schedule_of(recipe: RecipeConfig, total_steps: int) -> LearningRateSchedule:
    base, schedule = recipe.learning_rate, recipe.schedule
    match schedule:
        case PlateauSchedule():
            return PlateauRate(base, schedule)
        case PolySchedule():
            return PolyRate(base, schedule, total_steps)
        case ExponentialSchedule():
            return ExponentialRate(base, schedule, total_steps)
        case EpochsSchedule():
            return EpochsRate(base, schedule)


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

    def rates(self, step: int, epoch: int) -> Rates:
        return Rates(self._base / 10.0**self._plateau.drops_done)

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


class _Stateless:
    """A schedule that follows from the step and the epoch alone."""

    def end_epoch(self, val_top1_error: float | None) -> None:
        """The rates do not depend on it."""

    def state_dict(self) -> ScheduleState:
        return {}

    def load_state_dict(self, state: ScheduleState) -> None:
        """There is none."""


class PolyRate(_Stateless):
    """A linear warm-up, then a polynomial decay to 0 at the last step."""

    def __init__(self, base: float, schedule: PolySchedule, total_steps: int) -> None:
        self._base = base
        self._power = schedule.power
        self._warmup_steps = round(schedule.warmup_fraction * total_steps)
        self._total_steps = total_steps

    def rates(self, step: int, epoch: int) -> Rates:
        if step < self._warmup_steps:
            return Rates(self._base * (step + 1) / self._warmup_steps)
        progress = (step - self._warmup_steps) / (self._total_steps - self._warmup_steps)
        return Rates(self._base * math.pow(1 - progress, self._power))


class ExponentialRate(_Stateless):
    """An exponential decay, with every step or in equal drops."""

    def __init__(self, base: float, schedule: ExponentialSchedule, total_steps: int) -> None:
        self._base = base
        self._schedule = schedule
        self._total_steps = total_steps

    def rates(self, step: int, epoch: int) -> Rates:
        return Rates(self._base / self._schedule.total_division ** self._share_of_fall(step))

    def _share_of_fall(self, step: int) -> float:
        drops = self._schedule.drops
        if drops is None:
            return step / self._total_steps
        return step * (drops + 1) // self._total_steps / drops


class EpochsRate(_Stateless):
    """The rates of a table by epoch."""

    def __init__(self, base: float, schedule: EpochsSchedule) -> None:
        self._base = base
        self._schedule = schedule

    def rates(self, step: int, epoch: int) -> Rates:
        stage = self._schedule.stage_of(epoch)
        if stage is None:
            return Rates(self._base)
        return Rates(stage.learning_rate, stage.layer_learning_rates)
