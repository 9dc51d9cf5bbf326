"""Folders that are gone for a while, as with a disk that is not mounted, and come back as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from service.cluster.jobs import RayCluster
from service.domain.events import EventKind
from service.domain.state import JobState
from service.operations.reconcile import Reconciler

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

PROGRESS = '{"at": "9999-01-01T00:00:00.000+00:00", "step": %d}\n'


@contextmanager
def away(folder: Path) -> Iterator[None]:
    elsewhere = folder.with_name(f"{folder.name}-elsewhere")
    folder.rename(elsewhere)
    yield
    assert not folder.exists(), "made anew, it would be in the way of the one that comes back"
    elsewhere.rename(folder)


@pytest.fixture
def http(server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{server.url}/api/v1", timeout=60) as http:
        yield http


def assert_unavailable(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
    assert "mount it again" in answer.json()["detail"]
    assert int(answer.headers["retry-after"]) > 0


def test_requests_about_runs_are_answered_while_their_folder_is_away_and_lose_nothing(
    server, http: httpx.Client
) -> None:
    job, ended = server.begin_run(), server.begin_run()
    with server.plane.jobs.editing(ended.id) as edit:
        edit.move_to(JobState.STOPPED)
    job.work.progress.write_text(PROGRESS % 5)
    job.work.log.write_text("a line\n")
    with away(server.settings.runs):
        assert http.get(f"/runs/{job.id}").json()["state"] == "running"
        assert len(http.get("/runs").json()["items"]) == 2
        assert http.get(f"/runs/{job.id}/metrics").json() == {"items": []}
        assert http.get(f"/runs/{job.id}/logs").json() == {"lines": []}
        assert http.get(f"/runs/{job.id}/checkpoints").json() == {"items": []}
        assert_unavailable(http.post(f"/runs/{job.id}/stop"))
        assert_unavailable(http.post(f"/runs/{ended.id}/resume"))
        assert_unavailable(http.delete(f"/runs/{ended.id}"))
        ready = httpx.get(f"{server.url}/readyz")
        assert ready.status_code == 503
        assert "mount it again" in ready.json()["checks"]["storage"]
    assert http.get(f"/runs/{job.id}/metrics").json()["items"][0]["step"] == 5
    assert http.get(f"/runs/{job.id}/logs").json() == {"lines": ["a line"]}
    assert httpx.get(f"{server.url}/readyz").json()["checks"]["storage"] == "ok"
    assert http.post(f"/runs/{job.id}/stop").status_code == 202
    assert job.work.stop_request.exists()
    assert http.delete(f"/runs/{ended.id}").status_code == 204
    assert not ended.work.path.exists()


def test_datasets_and_models_are_not_made_anew_where_theirs_are_away(
    server, http: httpx.Client, tmp_path: Path
) -> None:
    job = server.begin_run()
    (job.work.checkpoints / "step-00000001").mkdir()
    with away(server.settings.datasets), away(server.settings.models):
        assert_unavailable(http.get("/datasets"))
        assert_unavailable(http.get("/datasets/photos"))
        assert_unavailable(http.delete("/datasets/photos"))
        assert_unavailable(http.post("/datasets", json={"name": "new", "source": {"path": str(tmp_path)}}))
        assert_unavailable(http.post("/runs", json={"dataset": "photos"}))
        assert_unavailable(http.post("/models/some/versions", json={"run_id": job.id}))
        assert http.get("/models").json() == {"items": []}
    assert http.get("/datasets").json() == {"items": []}


def test_jobs_whose_files_are_away_stay_as_they_are_and_go_on_from_there(server, head) -> None:
    waiting, working, ending = server.queue_run(), server.begin_run(), server.begin_run()
    head.statuses |= {f"{working.id}-a1": "RUNNING", f"{ending.id}-a1": "SUCCEEDED"}
    ending.work.progress.write_text(PROGRESS % 8)
    head.cpus = 3.0
    jobs = server.plane.jobs
    with closing(RayCluster(head.url)) as cluster, capture_logs() as logs:
        reconciler = Reconciler(jobs, cluster, server.plane.models)
        with away(server.settings.runs):
            for _ in range(3):
                reconciler.reconcile()
            states = [jobs.get(job.id).state for job in (waiting, working, ending)]
            assert states == [JobState.QUEUED, JobState.RUNNING, JobState.RUNNING]
        reconciler.reconcile()
    told = [line["event"] for line in logs]
    assert {"storage_unavailable", "storage_is_back"} <= set(told)
    assert "reconcile_failed" not in told
    states = [jobs.get(job.id).state for job in (waiting, working, ending)]
    assert states == [JobState.STARTING, JobState.RUNNING, JobState.SUCCEEDED]
    steps = [
        event.data["step"] for event in jobs.events_after(ending.id, 0) if event.kind is EventKind.PROGRESS
    ]
    assert steps == [8]
