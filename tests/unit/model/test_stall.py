"""A loss that stays where guessing leaves it is noticed, once."""

from __future__ import annotations

import math

from model.learning.stall import STALLED_STEPS, StallWatch

CHANCE = math.log(1000)


def noticed(losses: list[float]) -> list[int]:
    """The steps, counted from 1, at which a stall is told."""
    watch = StallWatch(1000)
    return [step for step, loss in enumerate(losses, start=1) if watch.stalled(loss)]


def test_chance_is_the_logarithm_of_the_classes() -> None:
    assert StallWatch(1000).chance == CHANCE


def test_a_loss_at_chance_is_told_once_after_two_thousand_steps() -> None:
    assert STALLED_STEPS == 2000
    assert noticed([CHANCE] * 6000) == [2000]


def test_one_percent_either_way_counts_as_chance_and_more_does_not() -> None:
    assert noticed([CHANCE * 1.0099] * 2000) == noticed([CHANCE * 0.9901] * 2000) == [2000]
    assert noticed([CHANCE * 1.011] * 3000) == noticed([CHANCE * 0.989] * 3000) == []


def test_a_single_better_step_starts_the_count_again() -> None:
    assert noticed([CHANCE] * 1999 + [6.0] + [CHANCE] * 2500) == [4000]


def test_a_loss_that_is_no_number_is_not_chance() -> None:
    assert noticed([math.nan] * 3000) == []
