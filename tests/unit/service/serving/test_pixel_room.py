"""Photos being decoded hold only so many pixels together, whatever their number."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from service.serving.pixel_room import PixelRoom, PixelShare

SECONDS = 60


def test_there_is_room_for_two_of_the_largest_and_a_third_waits_for_one_of_them() -> None:
    room = PixelRoom(100)
    room.take(100)
    room.take(100)
    taken = threading.Event()

    def third() -> None:
        with PixelShare(room) as share:
            share.take(100)
            taken.set()

    with ThreadPoolExecutor() as aside:
        waiting = aside.submit(third)
        assert not taken.wait(0.3)
        room.give_back(100)
        assert taken.wait(SECONDS)
        waiting.result(SECONDS)
        # And what it held is free again.
        aside.submit(room.take, 100).result(SECONDS)


def test_what_is_decoded_a_second_time_holds_no_more() -> None:
    room = PixelRoom(100)
    with ThreadPoolExecutor() as aside, PixelShare(room) as share:
        for _ in range(5):
            aside.submit(share.take, 90).result(SECONDS)
        aside.submit(room.take, 110).result(SECONDS)
