"""An object in storage as a file that lists, indices and archives can be read from."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Final

# To read over a gap as wide takes no longer than to ask for what lies behind it.
_GAP_BYTES: Final = 2**20
_READ_AHEAD_BYTES: Final = 8 * 2**20
_LEAST_BYTES: Final = 64 * 2**10


class RemoteReader(io.RawIOBase):
    """A seekable reader over requests for ranges of bytes: `fetch(start, size)` gives exactly these.

    Who goes forward through it in small steps, as headers of a tar are walked, is read ahead for; who jumps
    about, as between the columns of a Parquet file, is given little more than what was asked for.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], size_bytes: int) -> None:
        self._fetch = fetch
        self._size_bytes = size_bytes
        self._position = 0
        self._window = memoryview(b"")
        self._window_start = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size_bytes}[whence]
        if base + offset < 0:
            raise ValueError(f"seek to byte {base + offset}")
        self._position = base + offset
        return self._position

    # The type of RawIOBase's is not one that can be written down.
    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fills the buffer, unless the object ends before."""
        asked = min(len(buffer), self._size_bytes - self._position)
        if asked <= 0:
            return 0
        buffer[:asked] = self._bytes(asked)
        self._position += asked
        return asked

    def _bytes(self, asked: int) -> memoryview:
        """So many bytes at the position, out of the window where that has them."""
        skipped = self._position - self._window_start
        if 0 <= skipped <= len(self._window) - asked:
            return self._window[skipped : skipped + asked]
        steps_forward = 0 <= skipped <= len(self._window) + _GAP_BYTES
        ahead = _READ_AHEAD_BYTES if steps_forward else _LEAST_BYTES
        size = min(max(asked, ahead), self._size_bytes - self._position)
        fetched = memoryview(self._fetch(self._position, size))
        # What is read whole is not kept: many readers may be open at once.
        kept_from = asked if size == asked else 0
        self._window, self._window_start = fetched[kept_from:], self._position + kept_from
        return fetched[:asked]
