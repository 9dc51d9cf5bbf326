"""A job's events as they happen: server-sent events, followed across broken connections."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict

from service.client.errors import ApiError, ServerUnreachableError
from service.client.transport import Transport
from service.domain.events import EventKind

# What a proxy, or a server that is starting, answers for a while.
PASSING_STATUSES = frozenset({429, 502, 503, 504})


class RunEvent(BaseModel):
    """One thing that happened to a run or a preparation.

    Ids count from 1; log lines (`data["line"]`) have no id, no time.
    """

    model_config = ConfigDict(frozen=True)

    kind: EventKind
    id: int | None
    at: str | None
    data: dict[str, Any]


class EventStream:
    """Iterates over the events of one job in order, each but log lines exactly once, until the job is over.

    A connection that breaks is made again from the last event seen. Raises `ServerUnreachableError` when the
    server does not answer at first, or stays away for `patience_seconds` later; `ApiError` when it refuses.
    Where `kinds` are named, events of others are left out, but for the end.
    `is_over` asks the server whether the job is in a terminal state.
    """

    def __init__(
        self,
        transport: Transport,
        path: str,
        *,
        is_over: Callable[[], bool],
        last_event_id: int | None,
        kinds: Collection[EventKind] = (),
        patience_seconds: float,
        retry_seconds: float,
    ) -> None:
        self._transport = transport
        self._path = path
        self._is_over = is_over
        self._params = {"kind": [kind.value for kind in kinds]}
        self._last_id = last_event_id or 0
        self._patience_seconds = patience_seconds
        self._retry_seconds = retry_seconds
        self._connected_before = False
        self._away_since: float | None = None

    def __iter__(self) -> Iterator[RunEvent]:
        was_over = told_of_end = False
        while True:
            before, ended = self._last_id, False
            try:
                for event in self._connection():
                    ended = event.kind is EventKind.END
                    told_of_end |= ended
                    yield event
                # A server that shuts down closes in order too, and a run that ended may have been resumed:
                # only a job that was over before the connection was made, and had nothing to tell in it, has
                # no more to tell.
                if was_over and self._last_id == before:
                    return
                was_over = self._is_over()
                if ended and was_over:
                    continue
            except (httpx.TransportError, ServerUnreachableError, ApiError) as error:
                if told_of_end and isinstance(error, ApiError) and error.status == httpx.codes.NOT_FOUND:
                    # Deleted since.
                    return
                self._bear(error)
            time.sleep(self._retry_seconds)

    def _connection(self) -> Iterator[RunEvent]:
        headers = {"Accept": "text/event-stream"}
        if self._last_id:
            headers["Last-Event-ID"] = str(self._last_id)
        with self._transport.stream(self._path, headers=headers, params=self._params) as lines:
            self._connected_before, self._away_since = True, None
            for event in parse_events(lines):
                if event.id is not None:
                    if event.id <= self._last_id:
                        continue
                    self._last_id = event.id
                yield event

    def _bear(self, error: httpx.TransportError | ServerUnreachableError | ApiError) -> None:
        """Returns while the trouble may pass; raises what the caller should see otherwise."""
        if isinstance(error, ApiError) and error.status not in PASSING_STATUSES:
            raise error
        self._away_since = self._away_since or time.monotonic()
        if self._connected_before and time.monotonic() - self._away_since < self._patience_seconds:
            return
        if isinstance(error, httpx.TransportError):
            raise self._transport.unreachable(error) from error
        raise error


def parse_events(lines: Iterator[str]) -> Iterator[RunEvent]:
    """Events from the lines of a text/event-stream; comments (keep-alives) are passed over."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        else:
            if "data" in fields:
                yield _event(fields)
            fields = {}


def _event(fields: dict[str, str]) -> RunEvent:
    data = json.loads(fields["data"])
    number = int(fields["id"]) if "id" in fields else None
    return RunEvent(kind=EventKind(fields["event"]), id=number, at=data.pop("at", None), data=data)
