"""What was read from files and folders, for as long as they have not changed since."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, NamedTuple, TypeVar

T = TypeVar("T")

# Within the grain of a file system's clock, or of two machines', a second change could leave no trace.
_SETTLED_NANOSECONDS: Final = 2_000_000_000


class _Known(NamedTuple, Generic[T]):
    inode: int
    changed_ns: int
    size_bytes: int
    value: T


class Remembered(Generic[T]):
    """Reads a path again only after it has changed. Thread-safe; raises what `read` raises.

    A file must be replaced, not written over. What has changed just now is read each time. What it gives is
    to be left as it is: the next who asks gets the same.
    """

    def __init__(self, read: Callable[[Path], T]) -> None:
        self._read = read
        self._known: dict[Path, _Known[T]] = {}

    def get(self, path: Path) -> T:
        """What is at a path that is there; raises FileNotFoundError otherwise."""
        found = path.stat()
        known = self._known.get(path)
        mark = (found.st_ino, found.st_mtime_ns, found.st_size)
        if known is not None and known[:3] == mark:
            return known.value
        value = self._read(path)
        if abs(time.time_ns() - found.st_mtime_ns) > _SETTLED_NANOSECONDS:
            self._known[path] = _Known(*mark, value)
        return value
