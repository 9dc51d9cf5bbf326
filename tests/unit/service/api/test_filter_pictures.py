"""The pictures of a run's first layer, as the API gives them."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from service.client import ApiError, Client
from service.domain.answers import FilterPictures
from service.domain.job import Job
from service.domain.state import JobState

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

PICTURES = {(500, 0): b"\x89PNG five hundred", (500, 1): b"another", (0, 0): b"first", (0, 1): b"second"}


@pytest.fixture
def job(server) -> Job:
    """A run with pictures of two steps, and of one that is being drawn."""
    job: Job = server.begin_run()
    for (step, tower), data in PICTURES.items():
        path = job.work.filter_picture(step, tower)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    unfinished = job.work.filters / ".step-00001000.0" / "tower-0.png"
    unfinished.parent.mkdir()
    unfinished.touch()
    return job


def test_steps_are_listed_oldest_first_and_each_picture_is_what_was_drawn(client: Client, job: Job) -> None:
    assert client.runs.filters(job.id) == [
        FilterPictures(step=0, towers=2),
        FilterPictures(step=500, towers=2),
    ]
    for (step, tower), data in PICTURES.items():
        assert client.runs.filter_picture(job.id, step, tower) == data


def test_a_run_that_has_drawn_nothing_has_no_steps(server, client: Client) -> None:
    assert client.runs.filters(server.begin_run().id) == []


def test_a_picture_is_sent_once_to_who_keeps_it(server, job: Job) -> None:
    url = f"{server.url}/api/v1/runs/{job.id}/filters/500/1"
    first = httpx.get(url)
    assert first.headers["content-type"] == "image/png"
    assert first.headers["cache-control"] == "no-cache"
    again = httpx.get(url, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = httpx.get(url.replace("500/1", "0/1"), headers={"If-None-Match": first.headers["etag"]})
    assert (other.status_code, other.content) == (200, PICTURES[0, 1])


@pytest.mark.parametrize(("step", "tower"), [(1000, 0), (500, 2), (1, 0), (10**12, 99)])
def test_a_picture_that_is_not_there_is_a_404(client: Client, job: Job, step: int, tower: int) -> None:
    with pytest.raises(ApiError) as refused:
        client.runs.filter_picture(job.id, step, tower)
    assert (refused.value.status, refused.value.code) == (404, "not_found")


def test_pictures_go_with_their_run(server, client: Client, job: Job) -> None:
    with server.plane.jobs.editing(job.id) as edit:
        edit.move_to(JobState.STOPPED)
    client.runs.delete(job.id)
    assert not Path(job.folder).exists()
    with pytest.raises(ApiError, match="no run"):
        client.runs.filters(job.id)
