"""The steps of something long, numbered, each said to be done with its result and its time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from service.cli.output import duration, results


class Step:
    """A step under way; `result` is what will be said of it."""

    def __init__(self) -> None:
        self.result = "done"


class Steps:
    def __init__(self, total: int) -> None:
        self._total = total
        self._number = 0

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Announces a step, and once the block ends says how it went; nothing when it raises."""
        self._number += 1
        heading = f"[{self._number}/{self._total}] {name:<9}"
        results.print(f"{heading} …")
        began = time.monotonic()
        step = Step()
        yield step
        results.print(f"{heading} {step.result} ({duration(time.monotonic() - began)})")
