"""A token's requests are counted by the clock: with a clock of the test's own."""

from __future__ import annotations

import pytest

from service.api.rate_limit import RateLimit
from service.errors import RateLimitedError


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def taken(limit: RateLimit, caller: str) -> int:
    """How many requests a caller has left now."""
    count = 0
    while True:
        try:
            limit.take(caller)
        except RateLimitedError:
            return count
        count += 1


def test_a_caller_has_twice_a_seconds_requests_after_a_rest_and_then_as_many_as_seconds_pass() -> None:
    clock = Clock()
    limit = RateLimit(4, clock)
    assert taken(limit, "one") == 8
    clock.now += 0.125
    assert taken(limit, "one") == 0
    clock.now += 0.125
    assert taken(limit, "one") == 1
    clock.now += 1
    assert taken(limit, "one") == 4
    clock.now += 60
    assert taken(limit, "one") == 8


def test_a_limit_below_one_a_second_lets_one_through_and_then_one_after_its_time() -> None:
    clock = Clock()
    limit = RateLimit(0.25, clock)
    assert taken(limit, "one") == 1
    clock.now += 2
    assert taken(limit, "one") == 0
    clock.now += 2
    assert taken(limit, "one") == 1


def test_callers_are_counted_apart() -> None:
    limit = RateLimit(1, Clock())
    assert taken(limit, "one") == 2
    assert taken(limit, "another") == 2


def test_the_refusal_says_how_many_there_may_be() -> None:
    limit = RateLimit(0.5, Clock())
    limit.take("one")
    with pytest.raises(RateLimitedError, match=r"more than 0\.5 requests a second"):
        limit.take("one")
