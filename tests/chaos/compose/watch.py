"""Those who ask all the while: what they were answered, and since when nobody was."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import httpx


class Asked(NamedTuple):
    """One request: when it was sent and answered, and with what; status 0 is no answer at all."""

    sent_at: float
    answered_at: float
    status: int


class Watch:
    """Threads that send the same request again and again, from `with` on until its end."""

    def __init__(self, send: Callable[[httpx.Client], httpx.Response], clients: int, pause: float) -> None:
        self._send = send
        self._pause = pause
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]
        self.asked: list[Asked] = []

    def __enter__(self) -> Watch:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def refused(self) -> list[Asked]:
        """What was answered by 5xx, or not at all."""
        return [each for each in self.asked if each.status == 0 or each.status >= 500]

    @property
    def outage_seconds(self) -> float:
        """From the first refused request to the last."""
        refused = self.refused
        return max(each.answered_at for each in refused) - refused[0].sent_at if refused else 0.0

    def _ask(self) -> None:
        with httpx.Client(timeout=30) as client:
            while not self._over.wait(self._pause):
                sent_at = time.monotonic()
                try:
                    status = self._send(client).status_code
                except httpx.HTTPError:
                    status = 0
                self.asked.append(Asked(sent_at, time.monotonic(), status))
