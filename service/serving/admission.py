"""How many photos may be on their way at a time: who comes when it is full is told so at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import OverloadedError


class Admission:
    """Belongs to one event loop."""

    def __init__(self, most_photos: int) -> None:
        self._most = most_photos
        self._admitted = 0

    @property
    def admitted(self) -> int:
        """Photos of requests that are not answered yet."""
        return self._admitted

    @contextmanager
    def admit(self, photos: int) -> Iterator[None]:
        """Holds room for a request's photos until it is answered; raises `OverloadedError` without any."""
        if self._admitted + photos > self._most:
            raise OverloadedError(f"{self._admitted} photos are waiting already: try again in a second")
        self._admitted += photos
        try:
            yield
        finally:
            self._admitted -= photos
