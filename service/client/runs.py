"""`client.runs`: start training, follow it, stop it, go on with it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from service.client.events import EventStream, RunEvent
from service.client.transport import Transport
from service.domain.answers import FilterList, FilterPictures, Run
from service.domain.events import EventKind
from service.domain.job import StopMode
from service.domain.resolved_run import ResolvedRun
from service.domain.spec import RunSpec
from service.domain.state import JobState

PAGE_RUNS = 100

# Named here because inside `Runs`, `list` is a method.
MetricLines = list[dict[str, Any]]
LogLines = list[str]
FilterSteps = list[FilterPictures]


class Runs:
    """The verbs on runs. Errors are those of `Client`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, spec: RunSpec | Mapping[str, Any], idempotency_key: str | None = None) -> Run:
        """Queues a run. Asked again with the same key and specification, answers with the first run."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return Run.model_validate(self._transport.call("POST", "/runs", json=body(spec), headers=headers))

    def list(self, state: JobState | None = None, limit: int = 50) -> list[Run]:
        """The newest `limit` runs, newest first."""
        found: list[Run] = []
        params: dict[str, Any] = {"state": state.value} if state else {}
        while len(found) < limit:
            params["limit"] = min(limit - len(found), PAGE_RUNS)
            page = self._transport.call("GET", "/runs", params=params)
            found += [Run.model_validate(entry) for entry in page["items"]]
            if page["next_cursor"] is None:
                break
            params["cursor"] = page["next_cursor"]
        return found

    def get(self, run_id: str) -> Run:
        return Run.model_validate(self._transport.call("GET", f"/runs/{run_id}"))

    def resolved(self, run_id: str) -> ResolvedRun:
        """The run made complete when it was asked for: each field of its presets, versions, checksums."""
        return ResolvedRun.model_validate(self._transport.call("GET", f"/runs/{run_id}/resolved"))

    def stop(self, run_id: str, mode: StopMode = "graceful", grace_seconds: float = 60.0) -> Run:
        """Asks a run to stop, after a last checkpoint or now; a run that is over stays as it is."""
        request = {"mode": mode, "grace_seconds": grace_seconds}
        return Run.model_validate(self._transport.call("POST", f"/runs/{run_id}/stop", json=request))

    def resume(self, run_id: str) -> Run:
        """Goes on with a run that was stopped, failed or was interrupted, from its newest checkpoint."""
        return Run.model_validate(self._transport.call("POST", f"/runs/{run_id}/resume"))

    def delete(self, run_id: str) -> None:
        """Removes a run that is over, with its checkpoints and its history."""
        self._transport.call("DELETE", f"/runs/{run_id}")

    def metrics(self, run_id: str, after: int = 0, limit: int = 1000) -> MetricLines:
        """Lines of progress with a step above `after`, oldest first: step, epoch, loss, learning_rate, …"""
        params = {"after": after, "limit": limit}
        answer = self._transport.call("GET", f"/runs/{run_id}/metrics", params=params)
        items: MetricLines = answer["items"]
        return items

    def curve(self, run_id: str, points: int = 1000, after: int = 0) -> MetricLines:
        """At most `points` lines of progress, spread evenly over all with a step above `after`."""
        params = {"after": after, "points": points}
        items: MetricLines = self._transport.call("GET", f"/runs/{run_id}/metrics", params=params)["items"]
        return items

    def filters(self, run_id: str) -> FilterSteps:
        """The steps at which the first layer's kernels were drawn, oldest first."""
        answer = self._transport.call("GET", f"/runs/{run_id}/filters")
        return FilterList.model_validate(answer).items

    def filter_picture(self, run_id: str, step: int, tower: int = 0) -> bytes:
        """One tower's kernels as they were at a step that `filters` names: a PNG."""
        return self._transport.download(f"/runs/{run_id}/filters/{step}/{tower}")

    def logs(self, run_id: str, tail: int = 100) -> LogLines:
        """The last `tail` lines that the run's processes wrote."""
        lines: LogLines = self._transport.call("GET", f"/runs/{run_id}/logs", params={"tail": tail})["lines"]
        return lines

    def events(
        self,
        run_id: str,
        last_event_id: int | None = None,
        *,
        kinds: Collection[EventKind] = (),
        patience_seconds: float = 120.0,
        retry_seconds: float = 1.0,
    ) -> Iterator[RunEvent]:
        """Yields the run's events after `last_event_id`, then each as it happens, until the run is over.

        Where `kinds` are named, events of others are left out, but for the end. A broken connection is made
        again every `retry_seconds` and goes on where it was, so a server may restart; one that stays away for
        `patience_seconds` raises.
        """
        return iter(
            EventStream(
                self._transport,
                f"/runs/{run_id}/events",
                is_over=lambda: self.get(run_id).state.is_terminal,
                last_event_id=last_event_id,
                kinds=kinds,
                patience_seconds=patience_seconds,
                retry_seconds=retry_seconds,
            )
        )


def body(spec: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
    """A specification as the JSON the server reads."""
    if isinstance(spec, BaseModel):
        return spec.model_dump(mode="json")
    return dict(spec)
