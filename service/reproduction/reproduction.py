"""A claim put to the test: every arm trained with every seed, and what comes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

from model.config import ModelConfig
from model.errors import DivergedError
from model.learning.recipe import RecipeConfig
from service.reproduction.claim import Arm, Form
from service.reproduction.curve import Curve, Point
from service.reproduction.experiment import Experiment


@dataclass(frozen=True)
class LearningRateTrial:
    """The training loss, in nats, that a learning rate had led to when the trial ended; None: it diverged."""

    learning_rate: float
    train_loss: float | None


@dataclass(frozen=True)
class SeededRun:
    seed: int
    curve: Curve
    seconds: float


@dataclass(frozen=True)
class ArmResult:
    """What an arm was, whole, and how it went with each seed. No trials where the rate was given."""

    name: str
    model: ModelConfig
    recipe: RecipeConfig
    trials: Sequence[LearningRateTrial]
    runs: Sequence[SeededRun]


@dataclass(frozen=True)
class Setting:
    """On what, and with how much, a claim is tried."""

    dataset: Path
    num_classes: int
    seeds: Sequence[int]
    num_threads: int


class Reproduction:
    """Trains the arms of a form; `say` is told, in a line, how it goes."""

    def __init__(self, form: Form, setting: Setting, say: Callable[[str], None]) -> None:
        self._form, self._setting, self._say = form, setting, say

    def results(self) -> Mapping[str, ArmResult]:
        """Each arm's result by its name. Raises DivergedError, and ValueError for too few photos."""
        return {arm.name: self._arm(arm) for arm in self._form.arms}

    def _arm(self, arm: Arm) -> ArmResult:
        trials = (
            [self._trial(arm, rate) for rate in arm.learning_rates] if len(arm.learning_rates) > 1 else []
        )
        rate = fastest(trials) if trials else arm.learning_rates[0]
        runs = []
        for seed in self._setting.seeds:
            began = time.monotonic()
            curve = []
            for point in self._points(arm, rate, seed):
                self._say(
                    f"{arm.name}, seed {seed}: epoch {point.epoch} of {self._form.epochs}, training error"
                    f" {point.train_error:.3f}, test error {point.test_error:.3f}"
                )
                curve.append(point)
                if point.train_error <= (self._form.stop_at_train_error or -inf):
                    break
            runs.append(SeededRun(seed, curve, time.monotonic() - began))
        model, recipe = self._configs(arm, rate)
        return ArmResult(arm.name, model, recipe, trials, runs)

    def _trial(self, arm: Arm, rate: float) -> LearningRateTrial:
        loss: float | None = None
        try:
            for point in self._points(arm, rate, self._setting.seeds[0]):
                loss = point.train_loss
                if point.epoch == self._form.trial_epochs:
                    break
        except DivergedError:
            loss = None
        self._say(f"{arm.name}: learning rate {rate:g} gives training loss {loss}")
        return LearningRateTrial(rate, loss)

    def _points(self, arm: Arm, rate: float, seed: int) -> Iterator[Point]:
        model, recipe = self._configs(arm, rate)
        return Experiment(
            self._setting.dataset,
            model,
            recipe,
            seed=seed,
            train_photos_measured=self._form.train_photos_measured,
            num_threads=self._setting.num_threads,
        ).points()

    def _configs(self, arm: Arm, rate: float) -> tuple[ModelConfig, RecipeConfig]:
        return arm.model_config_for(self._setting.num_classes), arm.recipe_config(rate, self._form.epochs)


def fastest(trials: Sequence[LearningRateTrial]) -> float:
    """The rate of the lowest training loss; the lowest rate where all diverged."""
    losses = {trial.learning_rate: inf if trial.train_loss is None else trial.train_loss for trial in trials}
    return min(sorted(losses), key=losses.__getitem__)
