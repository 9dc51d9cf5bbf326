"""How many pixels a process decodes at a time: who comes when there is no room waits for it."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Final

# A few kilobytes can hold the most pixels that a photo may have, and a machine many cores: photos of that
# size, one on each, would take all its memory. Pillow needs up to 15 bytes for a pixel.
_LARGEST_PHOTOS: Final = 2


class PixelRoom:
    """Thread-safe. Has room for the largest photo, so each gets its turn."""

    def __init__(self, largest_photo: int) -> None:
        self._free = _LARGEST_PHOTOS * largest_photo
        self._changed = threading.Condition()

    def take(self, pixels: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._free >= pixels)
            self._free -= pixels

    def give_back(self, pixels: int) -> None:
        with self._changed:
            self._free += pixels
            self._changed.notify_all()


class PixelShare:
    """What one photo holds of the room, until the block ends."""

    def __init__(self, room: PixelRoom) -> None:
        self._room = room
        self._pixels = 0

    def take(self, pixels: int) -> None:
        """Returns once there is room. Taken again, as by another decoder of the same photo, it is no more."""
        if not self._pixels:
            self._room.take(pixels)
            self._pixels = pixels

    def __enter__(self) -> PixelShare:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._room.give_back(self._pixels)
