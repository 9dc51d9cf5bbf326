"""The curves of a run: the lines of its progress by their steps, each step as it was told first."""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple

from pydantic_core import from_json

from service.domain.job import Job

_STEP: Final = re.compile(rb'"step":\s*(\d+)')
# How far before what is asked for a reading may begin.
_BYTES_APART: Final = 2**18


def metrics(job: Job, after: int, limit: int) -> list[dict[str, Any]]:
    """The first lines of the run's progress with a step above `after`, in the order of steps."""
    return list(_parsed(islice(_told_first(job.work.progress, after), limit)))


def thinned_metrics(job: Job, after: int, points: int) -> list[dict[str, Any]]:
    """At most `points` lines of the run's progress with a step above `after`, in the order of steps.

    They are spread evenly over all such lines, the first and the last among them; one alone is the last.
    """
    path = job.work.progress
    # Read twice, so that of a run of any length no more is held than what is answered.
    chosen = _spread(points, over=sum(1 for _ in _told_first(path, after)))
    return list(_parsed(line for place, line in enumerate(_told_first(path, after)) if place in chosen))


class _Mark(NamedTuple):
    """Where a line begins in a file, and the highest step of all lines before it."""

    offset: int
    highest: int


class _Marks:
    """Places in one file, which only grows, from which it can be read. Thread-safe."""

    def __init__(self) -> None:
        self._marks = [_Mark(0, 0)]
        self._adding = Lock()

    def before(self, step: int) -> _Mark:
        """The last one before which no step above this one was told."""
        return self._marks[bisect_right(self._marks, step, key=lambda mark: mark.highest) - 1]

    def wants(self, offset: int) -> bool:
        """Whether a mark there would be far enough from those that are known."""
        return offset >= self._marks[-1].offset + _BYTES_APART

    def add(self, mark: _Mark) -> None:
        with self._adding:
            if self.wants(mark.offset):
                self._marks.append(mark)


@lru_cache(maxsize=1024)
def _marks_of(path: Path, inode: int) -> _Marks:
    return _Marks()


def _told_first(path: Path, after: int) -> Iterator[bytes]:
    """Lines of progress with a step above `after`, in the order of steps.

    A run that went on from a checkpoint told of some steps again; the first telling counts. What was told
    long before a step is not read again.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        # Where a backup was restored lies another file, of another inode.
        marks = _marks_of(path, os.fstat(file.fileno()).st_ino)
        offset, highest = marks.before(after)
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                # It is still being written.
                break
            if marks.wants(offset):
                marks.add(_Mark(offset, highest))
            offset += len(line)
            # A line in the middle of which its writer was killed is none; the next one follows below it. To
            # find the step takes half as long as to read all of the JSON, of which most may not be wanted.
            if line.endswith(b"}\n") and (found := _STEP.search(line)) and (step := int(found[1])) > highest:
                highest = step
                if step > after:
                    yield line


def _parsed(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        # A machine that went down may have left anything.
        with suppress(ValueError):
            yield from_json(line)


def _spread(points: int, *, over: int) -> Container[int]:
    """Places among so many, as evenly as can be; the first and the last, or the last alone."""
    if points >= over:
        return range(over)
    if points == 1:
        return {over - 1}
    return {place * (over - 1) // (points - 1) for place in range(points)}
