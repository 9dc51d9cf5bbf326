"""Learning rates step by step, against rates worked out by hand."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from model.learning.rates import Rates
from model.learning.recipe import RecipeConfig
from model.learning.schedule import LearningRateSchedule, schedule_of
from model.learning.schedule_config import PlateauSchedule, PolySchedule


def plateau(patience_epochs: int, drops: int = 3) -> LearningRateSchedule:
    schedule = PlateauSchedule(patience_epochs=patience_epochs, drops=drops)
    return schedule_of(RecipeConfig.preset("paper", schedule=schedule), total_steps=1000)


def rates_of(schedule: LearningRateSchedule, steps: int) -> list[float]:
    return [schedule.rates(step, epoch=0).base for step in range(steps)]


def test_the_rate_drops_tenfold_when_the_error_stops_improving() -> None:
    schedule = plateau(patience_epochs=2)
    rates = []
    for epoch, error in enumerate([0.9, 0.8, 0.8, 0.85, 0.7, 0.7, 0.71, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7]):
        schedule.end_epoch(error)
        rates.append(schedule.rates(0, epoch).base)
    drops_before = [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 3, 3]
    assert rates == pytest.approx([0.01 * 10.0**-drops for drops in drops_before])


def test_an_epoch_without_validation_changes_nothing() -> None:
    schedule = plateau(patience_epochs=1)
    schedule.end_epoch(0.5)
    schedule.end_epoch(None)
    assert schedule.rates(0, 2) == Rates(0.01)


def test_a_plateau_is_continued_from_its_state() -> None:
    whole, first_half = plateau(patience_epochs=3), plateau(patience_epochs=3)
    for error in [0.9, 0.9, 0.9]:
        whole.end_epoch(error)
        first_half.end_epoch(error)
    second_half = plateau(patience_epochs=3)
    second_half.load_state_dict(first_half.state_dict())
    for error in [0.9, 0.8, 0.8]:
        whole.end_epoch(error)
        second_half.end_epoch(error)
        assert second_half.rates(0, 0) == whole.rates(0, 0)
    assert whole.rates(0, 0).base == pytest.approx(0.001)


def test_poly_warms_up_and_falls_to_nothing() -> None:
    recipe = RecipeConfig.preset(
        "quick", learning_rate=1.0, schedule=PolySchedule(power=2.0, warmup_fraction=0.2)
    )
    schedule = schedule_of(recipe, total_steps=10)
    expected = [
        1 / 2,
        2 / 2,
        1.0,
        (7 / 8) ** 2,
        (6 / 8) ** 2,
        (5 / 8) ** 2,
        0.25,
        (3 / 8) ** 2,
        1 / 16,
        1 / 64,
    ]
    assert rates_of(schedule, 10) == pytest.approx(expected)
    schedule.end_epoch(0.5)
    assert schedule.rates(9, 1).base == pytest.approx(1 / 64)


@pytest.mark.parametrize("total_steps", [1, 2, 3])
def test_every_step_of_a_short_run_has_a_rate(total_steps: int) -> None:
    schedule = schedule_of(RecipeConfig.preset("quick"), total_steps)
    assert all(0 < rate <= 0.004 for rate in rates_of(schedule, total_steps))


def test_the_large_batch_warms_up_for_2_epochs_of_100_and_ends_quadratically() -> None:
    schedule = schedule_of(RecipeConfig.preset("large-batch"), total_steps=100 * 312)
    assert schedule.rates(0, 0).base == pytest.approx(10 / 624)
    assert schedule.rates(311, 0).base == pytest.approx(10 * 312 / 624)
    assert schedule.rates(624, 2).base == 10
    # Half of what is left, and the last step: one step's share of it, squared.
    assert schedule.rates(624 + 49 * 312, 51).base == pytest.approx(2.5)
    assert schedule.rates(31_199, 99).base == pytest.approx(10 / 30_576**2)


def test_the_exponential_falls_by_the_same_factor_with_every_step() -> None:
    recipe = RecipeConfig.preset("paper", schedule={"kind": "exponential", "total_division": 1000.0})
    rates = rates_of(schedule_of(recipe, total_steps=6), 7)
    assert rates[0] == 0.01
    assert rates[6] == pytest.approx(0.00001)
    assert [later / earlier for earlier, later in pairwise(rates)] == pytest.approx([10**-0.5] * 6)


def test_the_exponential_in_drops_is_that_of_net_170() -> None:
    schedule = {"kind": "exponential", "total_division": 250.0, "drops": 3}
    rates = rates_of(schedule_of(RecipeConfig.preset("paper", schedule=schedule), total_steps=400), 400)
    factor = 250 ** (1 / 3)
    for quarter in range(4):
        expected = [0.01 / factor**quarter] * 100
        assert rates[100 * quarter : 100 * (quarter + 1)] == pytest.approx(expected)
    assert rates[-1] == pytest.approx(0.00004)


@pytest.mark.parametrize("total_steps", [1, 2, 3, 5, 7])
def test_the_exponential_in_drops_never_rises_in_a_short_run(total_steps: int) -> None:
    schedule = {"kind": "exponential", "total_division": 250.0, "drops": 3}
    recipe = RecipeConfig.preset("paper", schedule=schedule)
    rates = rates_of(schedule_of(recipe, total_steps), total_steps)
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == 0.01
    assert rates[-1] >= 0.01 / 250


# What net 145's notes have in each epoch counted from 0: all layers' rate, and conv1's where it has its own.
TABLE: list[tuple[range, float, float]] = [
    (range(23), 0.01, 0.01),
    (range(23, 51), 0.001, 0.001),
    (range(51, 68), 0.0001, 0.0001),
    (range(68, 72), 0.0001, 0.00001),
    (range(72, 78), 0.0001, 0.0),
    (range(78, 93), 0.00001, 0.0),
]


def test_the_2012_table_holds_epoch_by_epoch() -> None:
    recipe = RecipeConfig.preset("original")
    schedule = schedule_of(recipe, recipe.total_steps(steps_per_epoch=10))
    seen = 0
    for epochs, base, of_conv1 in TABLE:
        for epoch in epochs:
            rates = schedule.rates(10 * epoch + 5, epoch)
            assert rates.base == base
            for block in ("towers.0.conv1.weights.0", "towers.1.conv1.bias"):
                assert rates.of(block) == of_conv1
            for other in ("towers.0.conv2.weights.0", "towers.1.fc6.bias", "towers.0.fc8.weights.1"):
                assert rates.of(other) == base
            schedule.end_epoch(0.5)
            seen += 1
    assert seen == recipe.epochs == 93


@pytest.mark.parametrize(
    "schedule",
    [
        {"kind": "plateau"},
        {"kind": "poly"},
        {"kind": "exponential", "total_division": 10.0},
        {"kind": "epochs", "stages": [{"after_epochs": 1, "learning_rate": 0.5}]},
    ],
    ids=lambda schedule: schedule["kind"],
)
def test_every_schedule_is_continued_from_what_json_keeps_of_its_state(schedule: dict[str, Any]) -> None:
    recipe = RecipeConfig.preset("paper", schedule=schedule)
    whole, continued = schedule_of(recipe, 30), schedule_of(recipe, 30)
    for _ in range(7):
        whole.end_epoch(0.5)
    continued.load_state_dict(json.loads(json.dumps(whole.state_dict())))
    assert continued.rates(8, 7) == whole.rates(8, 7)
