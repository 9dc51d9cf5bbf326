"""How long something that is asked again and again has not answered."""

from __future__ import annotations

import time


class Silence:
    """Begins when it is first asked how long it is, and again after its end."""

    def __init__(self) -> None:
        self._since: float | None = None

    @property
    def lasts(self) -> bool:
        return self._since is not None

    def seconds(self) -> float:
        now = time.monotonic()
        if self._since is None:
            self._since = now
        return now - self._since

    def end(self) -> None:
        self._since = None
