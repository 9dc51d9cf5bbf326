"""What somebody far away was asked a moment ago, for all who want to know it now."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from service.errors import ServiceError

T = TypeVar("T")


class Lately(Generic[T]):
    """What `ask` gave, or the `ServiceError` it raised, for some seconds. Thread-safe.

    One caller asks. Those who come meanwhile get what was found before, and `at_first` is raised for those
    who come before anything was: an answer may be long in coming, and each that waited for it would hold a
    thread of the server's.
    """

    def __init__(
        self,
        ask: Callable[[], T],
        seconds: float,
        at_first: ServiceError,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._seconds = seconds
        self._clock = clock
        self._asking = threading.Lock()
        self._found: T | ServiceError = at_first
        self._known_until: float | None = None

    def get(self) -> T:
        if self._is_old and self._asking.acquire(blocking=False):
            try:
                self._found = self._answer()
                self._known_until = self._clock() + self._seconds
            finally:
                self._asking.release()
        found = self._found
        if isinstance(found, ServiceError):
            raise found
        return found

    @property
    def _is_old(self) -> bool:
        return self._known_until is None or self._clock() >= self._known_until

    def _answer(self) -> T | ServiceError:
        try:
            return self._ask()
        except ServiceError as error:
            return error
