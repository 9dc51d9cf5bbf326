"""Following a preparation over HTTP: every event once, from where the client was, if there is anything."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from pipeline.shards.manifest import MANIFEST_FILE, DatasetClass, Manifest, SourceRecord, StatisticsRecord
from service.api import events
from service.client import ApiError, Client
from service.domain.events import EventKind
from service.domain.job import Job
from service.domain.job_folder import JobFolder
from service.domain.state import JobState
from service.store.jobs import new_job_id


def begin_preparation(server, name: str = "pets") -> Job:
    """A preparation as if Ray had it: a row, a folder, and two events. Without Ray, nothing else moves it."""
    job_id = new_job_id()
    folder = JobFolder(server.settings.logs / f"prepare-{name}-{job_id[:8]}")
    folder.create({})
    job = server.plane.jobs.create("dataset", name=name, spec={}, folder=folder.path, job_id=job_id)
    with server.plane.jobs.editing(job.id) as edit:
        edit.begin_attempt()
        edit.move_to(JobState.RUNNING)
    return job


def write_progress(server, job: Job, *photos_done: int) -> None:
    for done in photos_done:
        with server.plane.jobs.editing(job.id) as edit:
            edit.append(EventKind.PROGRESS, {"photos_done": done, "photos_total": 30})


def finish(server, job: Job, state: JobState = JobState.FAILED) -> None:
    with server.plane.jobs.editing(job.id) as edit:
        edit.move_to(state, "for the test")


def write_dataset(server, name: str) -> None:
    """A folder that is a dataset as far as the control plane looks."""
    manifest = Manifest(
        name=name,
        created_at=datetime.now(UTC),
        image_size=32,
        write_mode="jpg",
        jpeg_quality=90,
        seed=0,
        source=SourceRecord(type="folder", location="/photos", fingerprint="0"),
        classes=(DatasetClass(index=0, id="cat", name="cat"),),
        splits={},
        statistics=StatisticsRecord(xxh3_128="0" * 32),
        quarantined=0,
        tool_version="0",
    )
    folder: Path = server.settings.datasets / name
    folder.mkdir()
    (folder / MANIFEST_FILE).write_text(manifest.model_dump_json())


def ask(server, name: str, headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.get(f"{server.url}/api/v1/datasets/{name}/events", headers=headers, trust_env=False)


def test_a_preparation_that_is_over_is_told_from_its_beginning_to_its_end(server) -> None:
    job = begin_preparation(server)
    write_progress(server, job, 10, 20)
    finish(server, job)
    answer = ask(server, "pets")
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = re.findall(r"^(id|event): (.*?)\r?$", answer.text, re.MULTILINE)
    assert [value for field, value in told if field == "id"] == ["1", "2", "3", "4", "5", "6"]
    assert [value for field, value in told if field == "event"] == [
        "state",
        "state",
        "progress",
        "progress",
        "state",
        "end",
    ]


def test_last_event_id_is_where_the_telling_goes_on(server) -> None:
    job = begin_preparation(server)
    write_progress(server, job, 10, 20)
    finish(server, job)
    answer = ask(server, "pets", {"Last-Event-ID": "4"})
    assert re.findall(r"^id: (\d+)", answer.text, re.MULTILINE) == ["5", "6"]
    assert ask(server, "pets", {"Last-Event-ID": "-1"}).status_code == 422


def test_events_come_to_the_client_while_photos_are_prepared(server, client: Client) -> None:
    job = begin_preparation(server)
    seen = []
    for event in client.datasets.events("pets"):
        seen.append(event)
        if len(seen) == 2:
            write_progress(server, job, 10, 20)
        if len(seen) == 4:
            finish(server, job, JobState.STOPPED)
    assert [event.id for event in seen] == [1, 2, 3, 4, 5, 6]
    assert [event.data["photos_done"] for event in seen if event.kind is EventKind.PROGRESS] == [10, 20]
    assert (seen[-1].kind, seen[-1].data["state"]) == (EventKind.END, "stopped")
    assert all(event.at for event in seen)
    assert [event.id for event in client.datasets.events("pets", last_event_id=5)] == [6]


def test_no_event_is_lost_or_doubled_when_the_server_restarts(server, client: Client) -> None:
    job = begin_preparation(server)
    seen = []
    for event in client.datasets.events("pets", retry_seconds=0.05):
        seen.append(event.id)
        if len(seen) == 2:
            server.stop()
            server.start()
            write_progress(server, job, 10)
            finish(server, job)
    assert seen == [1, 2, 3, 4, 5]


def test_the_newest_preparation_of_a_name_is_told(server, client: Client) -> None:
    finish(server, begin_preparation(server))
    job = begin_preparation(server)
    write_progress(server, job, 7)
    finish(server, job)
    told = [event.data.get("photos_done") for event in client.datasets.events("pets")]
    assert told == [None, None, 7, None, None]


def test_a_preparation_deleted_while_it_is_followed_ends_the_stream(server) -> None:
    job = begin_preparation(server)
    with (
        httpx.Client(base_url=server.url, trust_env=False) as http,
        http.stream("GET", "/api/v1/datasets/pets/events") as answer,
    ):
        lines = answer.iter_lines()
        assert "id: 1" in (next(lines), next(lines))
        finish(server, job)
        server.plane.jobs.delete(job.id)
        # Reading to the end raises when the connection breaks instead.
        for _ in lines:
            pass


@pytest.mark.parametrize("kind", ["run", "dataset"])
def test_a_silent_stream_is_kept_alive(server, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    assert events.KEEP_ALIVE_SECONDS == 15
    monkeypatch.setattr(events, "KEEP_ALIVE_SECONDS", 0.05)
    job = begin_preparation(server) if kind == "dataset" else server.begin_run()
    path = "datasets/pets" if kind == "dataset" else f"runs/{job.id}"
    with (
        httpx.Client(base_url=server.url, trust_env=False) as http,
        http.stream("GET", f"/api/v1/{path}/events") as answer,
    ):
        pings = (line for line in answer.iter_lines() if line.startswith(":"))
        next(pings)
        next(pings)
        finish(server, job)


def test_a_dataset_that_no_job_prepared_has_no_preparation_to_follow(server, client: Client) -> None:
    write_dataset(server, "copied")
    assert client.datasets.get("copied").state is JobState.SUCCEEDED
    answer = ask(server, "copied")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not_found"
    assert "no preparation to follow" in answer.json()["detail"]
    with pytest.raises(ApiError, match="no preparation to follow"):
        next(client.datasets.events("copied"))


def test_a_dataset_prepared_here_is_told_although_it_is_whole(server, client: Client) -> None:
    job = begin_preparation(server)
    write_dataset(server, "pets")
    finish(server, job, JobState.SUCCEEDED)
    assert [event.kind for event in client.datasets.events("pets")][-1] is EventKind.END


@pytest.mark.parametrize("name", ["absent", "..", "a%2Fb", ".hidden"])
def test_a_name_of_no_dataset_is_refused(server, name: str) -> None:
    assert ask(server, name).status_code in {404, 422}


def test_following_wants_the_scope_to_read(server) -> None:
    begin_preparation(server)
    assert ask(server, "absent").status_code == 404
    predict = server.plane.tokens.create("predict", ["predict"])
    read = server.plane.tokens.create("read", ["read"])
    assert ask(server, "pets").status_code == 401
    assert ask(server, "pets", {"Authorization": f"Bearer {predict}"}).status_code == 403
    assert ask(server, "absent", {"Authorization": f"Bearer {read}"}).status_code == 404
