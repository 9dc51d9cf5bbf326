"""How long the training waits for its batches."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


class Waits:
    """Adds up for how many seconds nothing was trained, because the next batch was not there.

    On a CPU this is the cutting of views too: whoever trains does it, between two steps.
    """

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, batches: Iterable[T]) -> Iterator[T]:
        began = time.monotonic()
        for batch in batches:
            self.seconds += time.monotonic() - began
            yield batch
            began = time.monotonic()
