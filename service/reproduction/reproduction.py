"""A claim put to the test: every arm trained with every seed, and what comes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from model.config import ModelConfig
from model.errors import DivergedError
from model.learning.recipe import RecipeConfig
from service.reproduction.claim import Arm, Form
from service.reproduction.curve import Curve, Point
from service.reproduction.experiment import Experiment
from service.reproduction.measures import EpochsToTrainError


@dataclass(frozen=True)
class SeededRun:
    seed: int
    curve: Curve
    seconds: float


@dataclass(frozen=True)
class LearningRateTrial:
    """A learning rate and the run it was tried in, which ends early once another rate has been faster."""

    learning_rate: float
    run: SeededRun
    diverged: DivergedError | None = None


@dataclass(frozen=True)
class ArmResult:
    """What an arm was, whole, and how it went with each seed. `trials` has every learning rate tried."""

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
        """Each arm's result by its name.

        Raises DivergedError when an arm diverges at each of its learning rates, or with another seed at the
        one taken, and ValueError for too few photos.
        """
        return {arm.name: self._arm(arm) for arm in self._form.arms}

    def _arm(self, arm: Arm) -> ArmResult:
        first, *others = self._setting.seeds
        trials: list[LearningRateTrial] = []
        for rate in arm.learning_rates:
            trials.append(self._trial(arm, rate, first, self._epochs_worth_trying(trials)))
        best = fastest(trials, self._form.stop_at_train_error)
        if best.diverged:
            raise best.diverged
        rate = best.learning_rate
        runs = [best.run, *(self._run(arm, rate, seed) for seed in others)]
        return ArmResult(arm.name, *self._configs(arm, rate), trials, runs)

    def _epochs_worth_trying(self, trials: Sequence[LearningRateTrial]) -> int:
        """A rate that has not arrived when the fastest so far had is not the fastest."""
        reached = [
            trial.run.curve[-1].epoch
            for trial in trials
            if trial.run.curve[-1].train_error <= self._form.stop_at_train_error
        ]
        return min(reached, default=self._form.epochs)

    def _trial(self, arm: Arm, rate: float, seed: int, epochs: int) -> LearningRateTrial:
        curve: list[Point] = []
        began, diverged = time.monotonic(), None
        try:
            self._train(arm, rate, seed, epochs, curve)
        except DivergedError as error:
            diverged = error
            self._say(f"{arm.name} at {rate:g}, seed {seed}: {error}")
        return LearningRateTrial(rate, SeededRun(seed, curve, time.monotonic() - began), diverged)

    def _run(self, arm: Arm, rate: float, seed: int) -> SeededRun:
        curve: list[Point] = []
        began = time.monotonic()
        self._train(arm, rate, seed, self._form.epochs, curve)
        return SeededRun(seed, curve, time.monotonic() - began)

    def _train(self, arm: Arm, rate: float, seed: int, epochs: int, curve: list[Point]) -> None:
        """Adds a point to the curve for every epoch until one is low enough."""
        model, recipe = self._configs(arm, rate)
        experiment = Experiment(
            self._setting.dataset,
            model,
            recipe,
            seed=seed,
            train_photos_measured=self._form.train_photos_measured,
            num_threads=self._setting.num_threads,
        )
        for point in islice(experiment.points(), epochs + 1):
            self._say(
                f"{arm.name} at {rate:g}, seed {seed}: epoch {point.epoch} of {epochs}, training error"
                f" {point.train_error:.3f}, test error {point.test_error:.3f}"
            )
            curve.append(point)
            if point.train_error <= self._form.stop_at_train_error:
                return

    def _configs(self, arm: Arm, rate: float) -> tuple[ModelConfig, RecipeConfig]:
        return arm.model_config_for(self._setting.num_classes), arm.recipe_config(rate, self._form.epochs)


def fastest(trials: Sequence[LearningRateTrial], train_error: float) -> LearningRateTrial:
    """The trial that came down to a training error in the fewest epochs; where none did, the one that ended
    lowest. One that diverged is the last to be chosen."""
    measure = EpochsToTrainError(train_error)

    def slowness(trial: LearningRateTrial) -> tuple[bool, bool, float]:
        epochs = measure.of(trial.run.curve)
        late = epochs.at_least
        return trial.diverged is not None, late, trial.run.curve[-1].train_error if late else epochs.value

    return min(trials, key=slowness)
