"""How many pixels a process decodes at a time: a photo for which there is no room has its turn later."""

from __future__ import annotations

import threading
from typing import Final

from service.serving.asked_photo import AskedPhoto

# A few kilobytes can hold the most pixels that a photo may have, and a machine many cores: photos of that
# size, one on each, would take all its memory. WebP takes 16 bytes for a pixel.
_LARGEST_PHOTOS: Final = 2


class NoRoomError(Exception):
    """A photo that has to be decoded later."""


class PixelRoom:
    """Thread-safe. Has room for the largest photo where no other is decoded."""

    def __init__(self, largest_photo: int) -> None:
        self._free = _LARGEST_PHOTOS * largest_photo
        self._changing = threading.Lock()
        self._waiting: list[AskedPhoto] = []

    def take(self, pixels: int, photo: AskedPhoto) -> None:
        """Raises `NoRoomError`, and whoever gives room back next is handed the photo."""
        with self._changing:
            if pixels > self._free:
                self._waiting.append(photo)
                raise NoRoomError
            self._free -= pixels

    def give_back(self, pixels: int) -> list[AskedPhoto]:
        """Returns the photos that have found no room since the last time."""
        with self._changing:
            self._free += pixels
            waiting, self._waiting = self._waiting, []
            return waiting


class PixelShare:
    """What one photo holds of the room; whether it found any, `waits` tells."""

    def __init__(self, room: PixelRoom, photo: AskedPhoto) -> None:
        self._room = room
        self._photo = photo
        self._pixels = 0
        self.waits = False

    def take(self, pixels: int) -> None:
        """Raises `NoRoomError`. Taken again, as by another decoder of the same photo, it is no more."""
        if self._pixels:
            return
        try:
            self._room.take(pixels, self._photo)
        except NoRoomError:
            self.waits = True
            raise
        self._pixels = pixels

    def give_back(self) -> list[AskedPhoto]:
        """Returns the photos that there may be room for now."""
        return self._room.give_back(self._pixels) if self._pixels else []
