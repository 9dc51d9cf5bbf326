"""Following a run: every event once and in order, whatever becomes of the connection."""

from __future__ import annotations

import threading

import httpx
import pytest

from service.client import ApiError, Client, ServerUnreachableError
from service.client.events import parse_events
from service.domain.events import EventKind
from service.domain.state import JobState


def write_events(server, job_id: str, count: int) -> None:
    for step in range(count):
        with server.plane.jobs.editing(job_id) as edit:
            edit.append(EventKind.PROGRESS, {"step": step})


def finish(server, job_id: str) -> None:
    with server.plane.jobs.editing(job_id) as edit:
        edit.move_to(JobState.SUCCEEDED)


def test_events_of_a_run_that_is_over_are_replayed_and_end(server, client: Client) -> None:
    job = server.begin_run()
    write_events(server, job.id, 3)
    finish(server, job.id)
    events = list(client.runs.events(job.id))
    assert [event.id for event in events] == [1, 2, 3, 4, 5, 6, 7]
    assert [event.data["step"] for event in events if event.kind is EventKind.PROGRESS] == [0, 1, 2]
    assert events[-1].kind is EventKind.END
    assert all(event.at for event in events)


def test_events_after_an_id_are_only_the_later_ones(server, client: Client) -> None:
    job = server.begin_run()
    write_events(server, job.id, 3)
    finish(server, job.id)
    assert [event.id for event in client.runs.events(job.id, last_event_id=5)] == [6, 7]


def test_events_come_while_the_run_goes_on(server, client: Client) -> None:
    job = server.begin_run()
    seen = []
    for event in client.runs.events(job.id):
        seen.append(event.id)
        if len(seen) == 2:
            write_events(server, job.id, 2)
        if len(seen) == 4:
            finish(server, job.id)
    assert seen == [1, 2, 3, 4, 5, 6]


def test_only_the_kinds_that_were_asked_for_come_and_the_end(server, client: Client) -> None:
    job = server.begin_run()
    seen = []
    for event in client.runs.events(job.id, last_event_id=1, kinds=[EventKind.STATE, EventKind.EPOCH]):
        seen.append((event.id, event.kind))
        if len(seen) == 1:
            write_events(server, job.id, 2)
            with server.plane.jobs.editing(job.id) as edit:
                edit.append(EventKind.EPOCH, {"epoch": 1})
            finish(server, job.id)
    assert seen == [
        (2, EventKind.STATE),
        (5, EventKind.EPOCH),
        (6, EventKind.STATE),
        (7, EventKind.END),
    ]


def test_a_kind_that_is_none_is_refused(server, client: Client) -> None:
    job = server.begin_run()
    answer = httpx.get(f"{server.url}/api/v1/runs/{job.id}/events", params={"kind": ["state", "news"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"][0]["field"] == "kind.1"


def resume(server, job_id: str) -> None:
    with server.plane.jobs.editing(job_id) as edit:
        edit.queue_again()
        edit.begin_attempt()
        edit.move_to(JobState.RUNNING)


def test_a_run_that_was_resumed_is_followed_past_its_earlier_end(server, client: Client) -> None:
    job = server.begin_run()
    with server.plane.jobs.editing(job.id) as edit:
        edit.move_to(JobState.STOPPED)
    resume(server, job.id)
    finish(server, job.id)
    events = list(client.runs.events(job.id))
    assert [event.id for event in events] == list(range(1, 9))
    assert [event.id for event in events if event.kind is EventKind.END] == [4, 8]


def test_a_run_resumed_while_its_end_is_read_is_followed_on(server, client: Client) -> None:
    job = server.begin_run()
    with server.plane.jobs.editing(job.id) as edit:
        edit.move_to(JobState.FAILED, "for once")
    seen = []
    for event in client.runs.events(job.id, retry_seconds=0.05):
        seen.append(event.id)
        if event.id == 4:
            resume(server, job.id)
        if event.id == 6:
            finish(server, job.id)
    assert seen == list(range(1, 9))


def test_a_run_deleted_after_its_end_was_told_ends_the_stream(server, client: Client) -> None:
    job = server.begin_run()
    finish(server, job.id)
    kinds = []
    for event in client.runs.events(job.id, retry_seconds=0.05):
        kinds.append(event.kind)
        if event.kind is EventKind.END:
            client.runs.delete(job.id)
    assert kinds[-1] is EventKind.END


def test_no_event_is_lost_or_doubled_when_the_server_restarts(server, client: Client) -> None:
    job = server.begin_run()
    write_events(server, job.id, 1)
    seen = []
    for event in client.runs.events(job.id, retry_seconds=0.05):
        seen.append(event.id)
        if len(seen) == 2:
            server.stop()
            restart = threading.Timer(0.3, server.start)
            restart.start()
        if len(seen) == 3:
            restart.join()
            write_events(server, job.id, 2)
            finish(server, job.id)
    assert seen == [1, 2, 3, 4, 5, 6, 7]


def test_a_server_that_stays_away_is_an_error_once_patience_ends(server, client: Client) -> None:
    job = server.begin_run()
    events = client.runs.events(job.id, retry_seconds=0.05, patience_seconds=0.2)
    next(events)
    server.stop()
    with pytest.raises(ServerUnreachableError):
        list(events)
    server.start()


def test_a_server_that_never_answered_is_an_error_at_once(server) -> None:
    server.stop()
    with Client(server.url) as client, pytest.raises(ServerUnreachableError, match="tandem up"):
        next(client.runs.events("any", patience_seconds=3600))
    server.start()


def test_events_of_an_unknown_run_are_a_404(client: Client) -> None:
    with pytest.raises(ApiError) as caught:
        next(client.runs.events("nowhere"))
    assert caught.value.status == 404


def test_keep_alives_are_no_events_and_log_lines_have_no_id() -> None:
    stream = [
        ": ping",
        "",
        "event: log",
        'data: {"line": "a: b"}',
        "",
        "id: 7",
        "event: end",
        'data: {"at": "t"}',
        "",
    ]
    log, end = parse_events(iter(stream))
    assert (log.kind, log.id, log.data) == (EventKind.LOG, None, {"line": "a: b"})
    assert (end.kind, end.id, end.at) == (EventKind.END, 7, "t")
