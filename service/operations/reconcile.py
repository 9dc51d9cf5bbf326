"""Brings the database and Ray together, again and again: what is queued starts, what moves is followed."""

from __future__ import annotations

import shlex
import threading
import time
from datetime import UTC, datetime

import structlog

from service.cluster.jobs import RayCluster
from service.domain.job import Job
from service.domain.state import JobState
from service.errors import ClusterUnreachableError, ServiceError
from service.operations.advance import Advance, advance
from service.operations.history import News, read_news, record
from service.operations.models import ModelOperations
from service.store.jobs import JobStore

log = structlog.get_logger()

ENTRYPOINTS = {"run": "tandem-train-job", "dataset": "tandem-prepare-job"}
LOST_SECONDS = 60.0
JOB_ENVIRONMENT = {"RAY_JOB_STOP_SIGNAL": "SIGINT", "RAY_JOB_STOP_WAIT_TIME_S": "5"}


class Reconciler:
    """One thread that looks at every job that is not over, once in each interval and whenever it is woken."""

    def __init__(
        self, jobs: JobStore, cluster: RayCluster, models: ModelOperations, interval_seconds: float = 1.0
    ) -> None:
        self._jobs = jobs
        self._cluster = cluster
        self._models = models
        self._interval = interval_seconds
        self._wake = threading.Event()
        self._ended = False
        self._unreachable_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="reconciler", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def wake(self) -> None:
        """Looks at the jobs now rather than at the end of the interval."""
        self._wake.set()

    def close(self) -> None:
        self._ended = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended:
            self._wake.clear()
            self.reconcile()
            self._wake.wait(self._interval)

    def reconcile(self) -> None:
        """Looks at every active job once. One job's trouble does not keep the others waiting."""
        for job in self._jobs.active():
            try:
                self._look_at(job)
            except ClusterUnreachableError as error:
                self._count_silence(job, error)
                continue
            except Exception:
                log.exception("reconcile_failed", job=job.id)
                continue
            self._unreachable_since = None

    def _look_at(self, job: Job) -> None:
        if job.state is JobState.QUEUED:
            job = self._begin(job)
        assert job.attempt is not None
        news = read_news(job)
        ray = self._cluster.find(job.attempt.submission_id)
        if ray is None and job.state is JobState.STARTING:
            # The row came first: the control plane may have ended between writing it and submitting.
            self._submit(job)
            return
        if ray is not None and ray.status.is_over:
            # Ray may have seen the end after the files were read.
            news = read_news(job)
        elif ray is not None and job.state is JobState.STOPPING and _out_of_grace(job):
            self._cluster.stop(job.attempt.submission_id)
        self._settle(
            job, news, advance(job.state, ray, news.signs, job.stop_mode, _explained(job.work.read_error()))
        )

    def _begin(self, job: Job) -> Job:
        with self._jobs.editing(job.id) as edit:
            if edit.state is JobState.QUEUED:
                edit.begin_attempt()
                edit.move_to(JobState.STARTING)
        return self._jobs.get(job.id)

    def _submit(self, job: Job) -> None:
        assert job.attempt is not None
        entrypoint = f"{ENTRYPOINTS[job.kind]} {shlex.quote(job.folder)}"
        self._cluster.submit(job.attempt.submission_id, entrypoint, JOB_ENVIRONMENT)
        log.info("job_submitted", job=job.id, kind=job.kind, attempt=job.attempt.number)

    def _settle(self, job: Job, news: News, found: Advance) -> None:
        if found.state is JobState.SUCCEEDED and job.spec.get("publish"):
            found = self._publish(job, found)
        with self._jobs.editing(job.id) as edit:
            if edit.state.is_terminal:
                return
            record(edit, news)
            # A stop asked for while Ray was being asked outranks what Ray said of a job that still works.
            overtaken = edit.state is JobState.STOPPING and not found.state.is_terminal
            if found.state is not edit.state and not overtaken:
                edit.move_to(found.state, found.reason)
                log.info("job_moved", job=job.id, state=found.state, reason=found.reason)

    def _publish(self, job: Job, found: Advance) -> Advance:
        wanted = job.spec["publish"]
        try:
            self._models.publish(wanted["model"], job, checkpoint=None, alias=wanted["alias"])
        except ServiceError as error:
            return Advance(found.state, f"trained, but not published: {error}")
        return found

    def _count_silence(self, job: Job, error: ClusterUnreachableError) -> None:
        if self._unreachable_since is None:
            self._unreachable_since = time.monotonic()
            log.warning("cluster_unreachable", detail=str(error))
        silent = time.monotonic() - self._unreachable_since
        if silent < LOST_SECONDS or job.state is JobState.QUEUED:
            return
        with self._jobs.editing(job.id) as edit:
            if not edit.state.is_terminal:
                edit.move_to(JobState.INTERRUPTED, f"Ray's head has not answered for {silent:.0f} s")


def _out_of_grace(job: Job) -> bool:
    return job.stop_deadline is not None and datetime.now(UTC) >= datetime.fromisoformat(job.stop_deadline)


def _explained(error: dict[str, object] | None) -> str | None:
    if error is None:
        return None
    hint = f" ({error['hint']})" if error.get("hint") else ""
    return f"{error['reason']}: {error['message']}{hint}"
