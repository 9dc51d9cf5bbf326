"""How many times a JPEG goes over its pixels: once as a rule, and otherwise once for each of its scans.

A scan takes a few bytes where it changes nothing, and all the time that its pixels take. Markers and fields
are those of ITU-T T.81, annex B.
"""

from __future__ import annotations

import re
from typing import Final

from pipeline.photos.jpeg_segments import ALONE, START, START_OF_SCAN, header_segments

MAX_SCANS: Final = 100

_SEQUENTIAL_FRAMES: Final = (0xC0, 0xC1)
_END_OF_IMAGE: Final = 0xD9
_MARKER: Final = re.compile(rb"\xff([^\x00\xff])")


def has_too_many_scans(data: bytes) -> bool:
    """Whether a JPEG has more than `MAX_SCANS`, as far as it can be read."""
    return not is_one_scan(data) and _scans(data, MAX_SCANS + 1) > MAX_SCANS


def is_one_scan(data: bytes) -> bool:
    """Whether the first scan has all components, each of them whole: libjpeg-turbo then takes no other."""
    components = b""
    for marker, place in header_segments(data):
        if marker in _SEQUENTIAL_FRAMES:
            components = data[place + 9 : place + 10]
        elif marker == START_OF_SCAN:
            return components != b"" and data[place + 4 : place + 5] == components
    return False


def _scans(data: bytes, enough: int) -> int:
    """How many there are, counted until there are enough."""
    place, scans = START, 0
    while scans < enough and (found := _MARKER.search(data, place)):
        marker, place = found[1][0], found.end()
        if marker == _END_OF_IMAGE:
            break
        if marker == START_OF_SCAN:
            scans += 1
        if marker not in ALONE:
            place += int.from_bytes(data[place : place + 2])
    return scans
