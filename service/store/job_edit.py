"""A change of a job: it and the event that tells of it are one transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from service.domain.events import EventKind
from service.domain.job import Attempt
from service.domain.job_folder import now
from service.domain.state import JobState
from service.errors import ConflictError
from service.store.tables import EventRow, JobRow


class JobEdit:
    """One transaction on one job: its fields, and the events that go with their change."""

    def __init__(self, session: Session, row: JobRow) -> None:
        self._session = session
        self.row = row

    @property
    def state(self) -> JobState:
        return JobState(self.row.state)

    def move_to(self, state: JobState, reason: str | None = None) -> None:
        """Changes the state and says so in the history; a terminal state ends the history too."""
        self.row.state = state
        self.row.reason = reason
        self.append(EventKind.STATE, {"state": state, "reason": reason})
        if state.is_terminal:
            self.row.finished_at = now()
            self._end_attempt(state, reason)
            self.append(EventKind.END, {"state": state, "reason": reason})

    def append(self, kind: EventKind, data: dict[str, Any], at: str | None = None) -> None:
        """Adds to the history what happened at a moment, or now."""
        self.row.last_sequence += 1
        moment = at or now()
        row = EventRow(job_id=self.row.id, sequence=self.row.last_sequence, kind=kind, at=moment, data=data)
        self._session.add(row)

    def begin_attempt(self) -> Attempt:
        number = len(self.row.attempts) + 1
        attempt = Attempt(number=number, submission_id=f"{self.row.id}-a{number}", started_at=now())
        self.row.attempts = [*self.row.attempts, attempt.model_dump(mode="json")]
        return attempt

    def queue_again(self) -> None:
        """Puts a job that is over back in the queue."""
        self.row.stop_mode = self.row.stop_deadline = self.row.finished_at = self.row.failure = None
        self.row.queued_at = now()
        self.move_to(JobState.QUEUED, "resumed")

    def delete(self) -> None:
        """Removes the job and its history; raises `ConflictError` unless it is over."""
        if not self.state.is_terminal:
            raise ConflictError(f"{self.row.id} is {self.row.state}: stop it before deleting it")
        self._session.delete(self.row)

    def _end_attempt(self, outcome: JobState, reason: str | None) -> None:
        # A job stopped while it is queued again has no attempt to end.
        if self.row.attempts and self.row.attempts[-1]["finished_at"] is None:
            *earlier, last = self.row.attempts
            ended = {**last, "finished_at": now(), "outcome": outcome, "reason": reason}
            self.row.attempts = [*earlier, ended]
