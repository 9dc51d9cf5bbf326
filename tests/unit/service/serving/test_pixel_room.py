"""Photos being decoded hold only so many pixels together, whatever their number."""

from __future__ import annotations

import asyncio

import pytest

from service.serving.asked_photo import AskedPhoto, Question
from service.serving.pixel_room import NoRoomError, PixelRoom, PixelShare


class Small:
    image_size, replicas = 32, ()


async def photos(count: int) -> list[AskedPhoto]:
    return [AskedPhoto(b"", "photo", Small(), Question.ONE_VIEW) for _ in range(count)]


def test_there_is_room_for_two_of_the_largest_and_who_gives_some_back_is_told_who_waits() -> None:
    first, second, third, small = asyncio.run(photos(4))
    room = PixelRoom(100)
    room.take(100, first)
    room.take(90, second)
    with pytest.raises(NoRoomError):
        room.take(100, third)
    room.take(10, small)
    assert room.give_back(100) == [third]
    assert room.give_back(10) == []
    room.take(100, third)


def test_what_is_decoded_a_second_time_holds_no_more() -> None:
    photo, other = asyncio.run(photos(2))
    room = PixelRoom(100)
    share, refused = PixelShare(room, photo), PixelShare(room, other)
    for _ in range(5):
        share.take(90)
    with pytest.raises(NoRoomError):
        refused.take(111)
    assert (share.waits, refused.waits) == (False, True)
    assert refused.give_back() == []
    assert share.give_back() == [other]
    refused.take(111)
