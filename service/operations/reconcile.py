"""Brings the database and Ray together, again and again: what is queued starts, what moves is followed."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import structlog

from model.errors import ModelError
from pipeline.errors import PipelineError
from service.cluster.jobs import RayCluster, RayJob
from service.domain.failure import Failure
from service.domain.job import Attempt, Job, JobKind, StopMode
from service.domain.state import JobState
from service.errors import (
    ClusterUnreachableError,
    DatabaseUnavailableError,
    LostFolderError,
    ServiceError,
    ServingUnreachableError,
    StorageUnavailableError,
)
from service.operations.advance import Advance, advance
from service.operations.failure import failure_of
from service.operations.history import News, read_news, record
from service.operations.models import ModelOperations
from service.operations.outage import Outage
from service.operations.queue import Queue
from service.operations.silence import Silence
from service.store.jobs import JobStore

log = structlog.get_logger()

ENTRYPOINTS: Final[Mapping[JobKind, str]] = {
    "run": "tandem-train-job",
    "dataset": "tandem-prepare-job",
    "index": "tandem-index-job",
}
PATIENCE_SECONDS = 60.0
ORPHANS_LOOKED_FOR = 200
JOB_ENVIRONMENT = {"RAY_JOB_STOP_SIGNAL": "SIGINT", "RAY_JOB_STOP_WAIT_TIME_S": "5"}


class Reconciler:
    """One thread that looks at every job that is not over, once in each interval and whenever it is woken.

    It has patience with a Ray head that does not answer, and with a publishing for which serving processes or
    files are not there: then the run is interrupted, or ends unpublished.
    """

    def __init__(
        self,
        jobs: JobStore,
        cluster: RayCluster,
        models: ModelOperations,
        interval_seconds: float = 1.0,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._jobs = jobs
        self._cluster = cluster
        self._models = models
        self._interval = interval_seconds
        self._patience = patience_seconds
        self._wake = threading.Event()
        self._ended = False
        self._silence = Silence()
        self._unpublished: dict[str, Silence] = {}
        self._database_outage = Outage("database")
        self._storage_outage = Outage("storage")
        self._orphans_may_live = True
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
            try:
                self.reconcile()
            except Exception:
                log.exception("reconcile_failed")
            self._wake.wait(self._interval)

    def reconcile(self) -> None:
        """Looks at every active job once; without the database at none, and then all of it is done again."""
        try:
            self._look_at_all()
        except DatabaseUnavailableError as error:
            self._database_outage.tell(error)
        else:
            self._database_outage.tell(None)

    def _look_at_all(self) -> None:
        """One job's trouble does not keep the others waiting. Those whose files are away stay as they are."""
        storage_fault = None
        unreachable = False
        active = self._jobs.active()
        queue = Queue(active, self._cluster.resources)
        for job in active:
            try:
                self._look_at(job, queue)
            except ClusterUnreachableError as error:
                unreachable = True
                self._count_silence(job, error)
            except StorageUnavailableError as error:
                storage_fault = error
            except DatabaseUnavailableError:
                raise
            except Exception:
                log.exception("reconcile_failed", job=job.id)
        if not unreachable:
            self._silence.end()
        self._storage_outage.tell(storage_fault)
        self._end_orphans()

    def _look_at(self, job: Job, queue: Queue) -> None:
        if job.state is JobState.QUEUED:
            if self._ends_if_alive(job):
                queue.pass_over(job)
                return
            if job.kind != "dataset" and self._has_to_wait(job, queue):
                return
            job = self._begin(job)
        attempt = job.attempt
        if attempt is None or job.state.is_terminal:
            # It was stopped just now.
            return
        news = read_news(job)
        ray = self._find(attempt)
        if ray is None and job.state is JobState.STARTING:
            # The row came first: the control plane may have ended between writing it and submitting.
            self._submit(job)
            return
        if ray is not None and ray.status.is_over:
            # Ray may have seen the end after the files were read, and after a stop that the job has heard.
            job = self._jobs.get(job.id)
            news = read_news(job)
        elif ray is not None and job.state is JobState.STOPPING and _out_of_grace(job):
            self._cluster.stop(attempt.submission_id)
        error = _explained(job.work.read_error())
        found = advance(job.state, ray, news.signs, _stop_mode(job), error)
        # What it told is read to the end first: of a job that is over nothing is read any more.
        self._settle(job, news, found if news.is_whole else Advance(job.state, None))

    def _find(self, attempt: Attempt) -> RayJob | None:
        found = self._cluster.find(attempt.submission_id)
        self._silence.end()
        return found

    def _end_orphans(self) -> None:
        """Ends attempts that were given up while Ray's head did not answer, and went on all the same.

        Ray is asked when this control plane has begun, and when a head answers again.
        """
        if not self._orphans_may_live:
            return
        try:
            for job in self._jobs.page("run", states=[JobState.INTERRUPTED], limit=ORPHANS_LOOKED_FOR).items:
                if self._ends_if_alive(job):
                    log.warning("orphan_ended", job=job.id)
        except ClusterUnreachableError:
            return
        self._orphans_may_live = False

    def _ends_if_alive(self, job: Job) -> bool:
        """Whether Ray still works at a job's last attempt, which is over or given up; it is told to end."""
        if job.attempt is None:
            return False
        ray = self._find(job.attempt)
        if ray is None or ray.status.is_over:
            return False
        self._cluster.stop(job.attempt.submission_id)
        return True

    def _has_to_wait(self, job: Job, queue: Queue) -> bool:
        """Whether a run's turn has not come; its history says why. One that cannot be read fails."""
        try:
            reason = queue.reason_to_wait(job)
        except LostFolderError as error:
            queue.pass_over(job)
            failure = Failure(reason=error.code, message=str(error), hint="start a new run")
            with self._jobs.editing(job.id) as edit:
                if edit.state is JobState.QUEUED:
                    edit.row.failure = failure.model_dump(mode="json")
                    edit.move_to(JobState.FAILED, f"{error.code}: {error}")
            return True
        if reason is not None and reason != job.reason:
            with self._jobs.editing(job.id) as edit:
                if edit.state is JobState.QUEUED:
                    edit.move_to(JobState.QUEUED, reason)
        return reason is not None

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
            seen = job.progress_offset, job.events_offset
            if edit.state.is_terminal or (edit.row.progress_offset, edit.row.events_offset) != seen:
                # Another control plane on the same database was first.
                return
            record(edit, news)
            # A stop asked for while Ray was being asked outranks what Ray said of a job that still works.
            overtaken = edit.state is JobState.STOPPING and not found.state.is_terminal
            if found.state is not edit.state and not overtaken:
                if found.state is JobState.FAILED:
                    edit.row.failure = failure_of(job, found.reason).model_dump(mode="json")
                edit.move_to(found.state, found.reason)
                log.info("job_moved", job=job.id, state=found.state, reason=found.reason)

    def _publish(self, job: Job, found: Advance) -> Advance:
        """How the run ends. While what may pass is in the way, and for a while, it does not."""
        wanted = job.spec["publish"]
        try:
            # Once, for the run is looked at again where the database does not take its end.
            self._models.publish_once(wanted["model"], job, alias=wanted["alias"])
        except (ServiceError, ModelError, PipelineError, OSError) as error:
            silence = self._unpublished.setdefault(job.id, Silence())
            may_pass = isinstance(error, StorageUnavailableError | ServingUnreachableError)
            if may_pass and silence.seconds() < self._patience:
                log.warning("not_published_yet", job=job.id, detail=str(error))
                return Advance(job.state, None)
            found = Advance(found.state, f"trained, but not published: {error}")
        self._unpublished.pop(job.id, None)
        return found

    def _count_silence(self, job: Job, error: ClusterUnreachableError) -> None:
        self._orphans_may_live = True
        if not self._silence.lasts:
            log.warning("cluster_unreachable", detail=str(error))
        silent = self._silence.seconds()
        if silent < self._patience or job.state is JobState.QUEUED:
            return
        with self._jobs.editing(job.id) as edit:
            if not edit.state.is_terminal:
                edit.move_to(JobState.INTERRUPTED, f"Ray's head has not answered for {silent:.0f} s")


def _stop_mode(job: Job) -> StopMode | None:
    """How it was asked to stop; the job may have heard of it where the database did not."""
    return job.stop_mode or ("graceful" if job.work.stop_request.exists() else None)


def _out_of_grace(job: Job) -> bool:
    return job.stop_deadline is not None and datetime.now(UTC) >= datetime.fromisoformat(job.stop_deadline)


def _explained(error: dict[str, object] | None) -> str | None:
    if error is None:
        return None
    hint = f" ({error['hint']})" if error.get("hint") else ""
    return f"{error['reason']}: {error['message']}{hint}"
