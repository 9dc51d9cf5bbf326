"""The segments that a JPEG begins with. Markers are those of ITU-T T.81, table B.1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

START: Final = 2
"""Where the first of them is: after the marker that every JPEG begins with."""

START_OF_SCAN: Final = 0xDA


class Segment(NamedTuple):
    """Its marker's second byte, and where the marker is."""

    marker: int
    place: int


def header_segments(data: bytes) -> Iterator[Segment]:
    """Those up to the first scan, and that one, for as long as each follows the one before it."""
    place = START
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        yield Segment(marker, place)
        if marker == START_OF_SCAN:
            return
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
