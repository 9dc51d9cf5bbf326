"""A run watched over REST until it is over, whatever happens to the server meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from service.client import ApiError, Client, ServerUnreachableError
from service.client.events import PASSING_STATUSES, RunEvent
from service.domain.state import RESUMABLE, JobState

MOST_RESUMES = 3
AWAY_SECONDS = 300.0
LOOK_SECONDS = 0.1
Answer = TypeVar("Answer")


class Follower(threading.Thread):
    """Keeps every event of a run, from its first to its last, whatever happens to the server meanwhile."""

    def __init__(self, client: Client, run_id: str) -> None:
        super().__init__(name=f"follower of {run_id}")
        self._client, self._run_id = client, run_id
        self._over = threading.Event()
        self.events: list[RunEvent] = []
        self.start()

    def run(self) -> None:
        over = False
        while not over:
            # Asked first: what belongs to a run that is over has happened by then.
            over = self._over.is_set()
            last = self.events[-1].id if self.events else 0
            for event in self._client.runs.events(self._run_id, last, patience_seconds=AWAY_SECONDS):
                if event.id is not None:
                    self.events.append(event)
            time.sleep(LOOK_SECONDS)

    def finish(self) -> list[RunEvent]:
        """Every event, once nothing more will happen."""
        self._over.set()
        self.join()
        return self.events


def see_through(client: Client, run_id: str) -> None:
    """Resumes a run whenever it has ended before its time; returns when it has succeeded, or will not."""
    resumes = 0
    while (state := patiently(lambda: client.runs.get(run_id)).state) is not JobState.SUCCEEDED:
        if state in RESUMABLE:
            if resumes == MOST_RESUMES:
                return
            patiently(lambda: client.runs.resume(run_id))
            resumes += 1
        time.sleep(LOOK_SECONDS)


def patiently(ask: Callable[[], Answer]) -> Answer:
    """Asks until the server answers: it may be on its way back."""
    deadline = time.monotonic() + AWAY_SECONDS
    while True:
        try:
            return ask()
        except (ApiError, ServerUnreachableError) as error:
            passes = isinstance(error, ServerUnreachableError) or error.status in PASSING_STATUSES
            if not passes or time.monotonic() > deadline:
                raise
        time.sleep(LOOK_SECONDS)
