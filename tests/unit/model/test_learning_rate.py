"""Learning rates step by step, against rates worked out by hand."""

from __future__ import annotations

import pytest

from model.learning.recipe import PlateauSchedule, PolySchedule, RecipeConfig
from model.learning.schedule import LearningRateSchedule, schedule_of


def plateau(patience_epochs: int, drops: int = 3) -> LearningRateSchedule:
    schedule = PlateauSchedule(patience_epochs=patience_epochs, drops=drops)
    return schedule_of(RecipeConfig.preset("paper", schedule=schedule), total_steps=1000)


def test_the_rate_drops_tenfold_when_the_error_stops_improving() -> None:
    schedule = plateau(patience_epochs=2)
    rates = []
    for error in [0.9, 0.8, 0.8, 0.85, 0.7, 0.7, 0.71, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7]:
        schedule.end_epoch(error)
        rates.append(schedule.rate(0))
    drops_before = [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 3, 3]
    assert rates == pytest.approx([0.01 * 10.0**-drops for drops in drops_before])


def test_an_epoch_without_validation_changes_nothing() -> None:
    schedule = plateau(patience_epochs=1)
    schedule.end_epoch(0.5)
    schedule.end_epoch(None)
    assert schedule.rate(0) == 0.01


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
        assert second_half.rate(0) == whole.rate(0)
    assert whole.rate(0) == pytest.approx(0.001)


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
    assert [schedule.rate(step) for step in range(10)] == pytest.approx(expected)
    schedule.end_epoch(0.5)
    assert schedule.rate(9) == pytest.approx(1 / 64)


@pytest.mark.parametrize("total_steps", [1, 2, 3])
def test_every_step_of_a_short_run_has_a_rate(total_steps: int) -> None:
    schedule = schedule_of(RecipeConfig.preset("quick"), total_steps)
    assert all(0 < schedule.rate(step) <= 0.004 for step in range(total_steps))
