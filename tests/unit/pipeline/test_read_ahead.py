"""Work done in a thread ahead of its consumer."""

from __future__ import annotations

import threading

import pytest

from pipeline.batches.read_ahead import ReadAhead


def numbers(count):
    yield from range(count)


def test_items_arrive_in_order_and_the_thread_ends(new_threads):
    with ReadAhead(numbers(100), ahead=3) as items:
        assert list(items) == list(range(100))
        assert list(items) == []
    assert new_threads() == []


def test_no_more_is_done_than_was_asked_ahead():
    done, waiting = [], threading.Event()

    def source():
        for number in range(10):
            done.append(number)
            if number == 4:
                waiting.set()
            yield number

    with ReadAhead(source(), ahead=3) as items:
        assert next(items) == 0
        # 0 is taken, 1 to 3 lie ready, 4 waits for room.
        assert waiting.wait(30)
        assert done == [0, 1, 2, 3, 4]


def test_error_reaches_the_consumer_after_the_items_before_it(new_threads):
    def source():
        yield 1
        raise LookupError("lost")

    with ReadAhead(source(), ahead=3) as items:
        assert next(items) == 1
        for _ in range(2):
            with pytest.raises(LookupError, match="lost"):
                next(items)
    assert new_threads() == []


def test_even_an_exit_in_the_thread_does_not_leave_the_consumer_waiting():
    def source():
        yield from ()
        raise SystemExit(3)

    with ReadAhead(source(), ahead=1) as items, pytest.raises(SystemExit):
        next(items)


def test_closing_joins_a_thread_that_waits_for_room(new_threads):
    items = ReadAhead(numbers(100), ahead=2)
    next(items)
    items.close()
    items.close()
    assert new_threads() == []
    assert list(items) == []


def test_the_generator_is_closed_when_it_is_left_half_way():
    closed = []

    def source():
        try:
            yield from range(100)
        finally:
            closed.append(threading.current_thread().name)

    with ReadAhead(source(), ahead=2) as items:
        next(items)
    assert closed == ["read-ahead"]
