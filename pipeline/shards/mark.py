"""How far a worker is with its shard, for whoever waits for it or finds it dead."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

_FORM: Final = struct.Struct("<qqq")


class Mark(NamedTuple):
    """The attempt, the position of the photo at work, and how many before it were quarantined."""

    attempt: int
    position: int
    quarantined: int


class MarkFile:
    """A worker's side: one small write per photo, which outlives the worker in the page cache."""

    def __init__(self, path: Path, attempt: int) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._attempt = attempt

    def at(self, position: int, quarantined: int) -> None:
        os.pwrite(self._descriptor, _FORM.pack(self._attempt, position, quarantined), 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)


def read_mark(path: Path, attempt: int) -> Mark | None:
    """The mark of an attempt; None when it has not come to its first photo."""
    try:
        mark = Mark(*_FORM.unpack(path.read_bytes()))
    except (FileNotFoundError, struct.error):
        return None
    return mark if mark.attempt == attempt else None
