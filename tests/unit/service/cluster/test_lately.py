"""Somebody far away is asked by one of all who want to know, and not more often than it is worth."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.cluster.lately import Lately
from service.errors import ClusterUnreachableError

AT_FIRST = ClusterUnreachableError("is being asked")


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_what_was_found_is_found_again_until_it_is_old() -> None:
    clock, answers = Clock(), iter(["first", "second"])
    lately = Lately(lambda: next(answers), 1.0, AT_FIRST, clock)
    assert [lately.get() for _ in range(3)] == ["first"] * 3
    clock.seconds += 0.9
    assert lately.get() == "first"
    clock.seconds += 0.1
    assert [lately.get() for _ in range(3)] == ["second"] * 3


def test_a_fault_is_an_answer_too_and_is_over_when_the_next_is_none() -> None:
    clock, faults = Clock(), [ClusterUnreachableError("away")]

    def ask() -> str:
        if faults:
            raise faults.pop()
        return "back"

    lately = Lately(ask, 1.0, AT_FIRST, clock)
    for _ in range(2):
        with pytest.raises(ClusterUnreachableError, match="away"):
            lately.get()
    clock.seconds += 1.0
    assert lately.get() == "back"


def test_while_one_asks_the_others_are_told_what_is_known_and_none_waits() -> None:
    clock, begun, over = Clock(), threading.Event(), threading.Event()

    def slow() -> float:
        begun.set()
        over.wait()
        return clock.seconds

    lately = Lately(slow, 1.0, AT_FIRST, clock)
    with ThreadPoolExecutor(1) as asking:
        first = asking.submit(lately.get)
        begun.wait()
        with pytest.raises(ClusterUnreachableError, match="is being asked"):
            lately.get()
        over.set()
        assert first.result() == 100.0

        clock.seconds += 60.0
        begun.clear()
        over.clear()
        second = asking.submit(lately.get)
        begun.wait()
        assert lately.get() == 100.0
        over.set()
        assert second.result() == 160.0
