"""Quantiles out of a histogram's buckets, against what histogram_quantile of Prometheus comes to by hand."""

from __future__ import annotations

import math

import pytest

from service.domain.latency import Latency

# 10 answers within 0.1 s, 30 more within 0.2 s, none within 0.5 s, 8 more within 1 s, 2 above.
FIFTY = Latency(12.0, {0.1: 10, 0.2: 40, 0.5: 40, 1.0: 48, math.inf: 50})


@pytest.mark.parametrize(
    ("share", "seconds"),
    [
        (0.1, 0.05),  # the 5th of the 10 below 0.1
        (0.2, 0.1),  # the last of them
        (0.5, 0.15),  # the 25th answer is the 15th of the 30 above 0.1
        (0.8, 0.2),  # the 40th is in the first bucket that holds it, and not in the empty one after
        (0.9, 0.8125),  # the 45th is the 5th of the 8 above 0.5
        (0.99, 1.0),  # of those above 1 s that is all there is to know
        (1.0, 1.0),
    ],
)
def test_a_quantile_lies_in_its_bucket_as_far_as_its_answer_does(share: float, seconds: float) -> None:
    assert FIFTY.quantile(share) == pytest.approx(seconds)


def test_the_mean_is_of_all_answers() -> None:
    assert (FIFTY.count, FIFTY.mean_seconds) == (50, 0.24)


def test_without_an_answer_there_is_nothing_to_tell() -> None:
    for none in (Latency(), Latency(0.0, {0.1: 0, math.inf: 0})):
        assert (none.count, none.mean_seconds, none.quantile(0.5)) == (0, None, None)


def test_several_are_as_one_that_had_all_their_answers() -> None:
    late = Latency(6.0, {0.1: 0, 0.2: 0, 0.5: 0, 1.0: 10, math.inf: 10})
    together = FIFTY + late
    assert together == Latency(18.0, {0.1: 10, 0.2: 40, 0.5: 40, 1.0: 58, math.inf: 60})
    assert FIFTY + Latency() == FIFTY
