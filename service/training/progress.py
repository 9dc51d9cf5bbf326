"""What a job writes about itself while it works: lines of JSON, each durable enough to be read at once."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

from service.domain.events import Line

# No space, no quota, and no larger file.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class LineFile:
    """Appends lines to a file. Each goes out in one write, so that readers and other writers see it whole.

    What a full disk does not take is kept, and goes out with the next line.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        size = os.fstat(self._descriptor).st_size
        # A writer before this one may have fallen in the middle of a line.
        torn = size > 0 and os.pread(self._descriptor, 1, size - 1) != b"\n"
        self._unwritten = b"\n" if torn else b""

    def append(self, line: Line) -> None:
        self._unwritten += line.model_dump_json().encode() + b"\n"
        try:
            while self._unwritten:
                written = os.write(self._descriptor, self._unwritten)
                self._unwritten = self._unwritten[written:]
        except OSError as error:
            if error.errno not in FULL:
                raise

    def close(self) -> None:
        os.close(self._descriptor)


class Pace:
    """How fast work goes lately, and when it will be done. Time is that of a monotonic clock, in seconds."""

    WINDOW_SECONDS = 20.0

    def __init__(self) -> None:
        self._marks: list[tuple[float, float]] = [(time.monotonic(), 0.0)]

    def advance(self, done: float) -> None:
        """Notes that so much is done altogether."""
        moment = time.monotonic()
        self._marks.append((moment, done))
        while len(self._marks) > 2 and moment - self._marks[0][0] > self.WINDOW_SECONDS:
            self._marks.pop(0)

    @property
    def per_second(self) -> float:
        (began, before), (ended, after) = self._marks[0], self._marks[-1]
        return (after - before) / (ended - began) if ended > began else 0.0

    def seconds_for(self, rest: float) -> float | None:
        """How long so much more will take; None before anything is known."""
        return rest / self.per_second if self.per_second else None
