"""How many requests a token may send in a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from service.errors import RateLimitedError


class _Bucket(NamedTuple):
    tokens: float
    at: float


class RateLimit:
    """A token bucket for each caller: `per_second` requests, and twice as many at once after a rest.

    Thread-safe. Only callers with a known token are counted, so there are no more buckets than tokens.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = max(1.0, 2 * per_second)
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}
        self._lock = threading.Lock()

    def take(self, caller: str) -> None:
        """Counts a request; raises `RateLimitedError` when the caller has none left."""
        with self._lock:
            now = self._clock()
            bucket = self._buckets.get(caller, _Bucket(self._burst, now))
            tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._per_second)
            if tokens < 1:
                raise RateLimitedError(
                    f"more than {self._per_second:g} requests a second with one token: ask a little later"
                )
            self._buckets[caller] = _Bucket(tokens - 1, now)
