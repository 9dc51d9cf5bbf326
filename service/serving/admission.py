"""How many photos may be on their way at a time: who comes when it is full is told so at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Gauge

from service.errors import OverloadedError


class Admission:
    """Belongs to one event loop."""

    def __init__(self, most_photos: int, waiting: Gauge) -> None:
        self._most = most_photos
        self._admitted = 0
        self._waiting = waiting

    @contextmanager
    def admit(self, photos: int) -> Iterator[None]:
        """Holds room for a request's photos until it is answered; raises `OverloadedError` without any."""
        if self._admitted + photos > self._most:
            raise OverloadedError(f"{self._admitted} photos are waiting already: try again in a second")
        self._change(photos)
        try:
            yield
        finally:
            self._change(-photos)

    def _change(self, photos: int) -> None:
        self._admitted += photos
        self._waiting.set(self._admitted)
