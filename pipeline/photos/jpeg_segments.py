"""The segments that a JPEG begins with. Markers are those of ITU-T T.81, table B.1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

START: Final = 2
"""Where the first of them is: after the marker that every JPEG begins with."""

START_OF_SCAN: Final = 0xDA
ALONE: Final = (0x01, *range(0xD0, 0xD9))
"""TEM, restarts and the start: no length and no segment comes after them."""

_FILL: Final = 0xFF
# Of pixels: no marker, and no place for one of a header.
_STUFFED: Final = 0x00


class Segment(NamedTuple):
    """Its marker's second byte, and where the marker is."""

    marker: int
    place: int


def header_segments(data: bytes) -> Iterator[Segment]:
    """Those up to the first scan, and that one, for as long as each follows the one before it.

    Bytes that fill the room between two, and markers without a segment, are passed over as decoders do.
    """
    place = START
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == _STUFFED:
            return
        if marker == _FILL or marker in ALONE:
            place += 1 if marker == _FILL else 2
            continue
        yield Segment(marker, place)
        if marker == START_OF_SCAN:
            return
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
