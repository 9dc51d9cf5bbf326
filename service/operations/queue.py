"""Which queued run or indexing is next, and whether there is room for it now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from service.cluster.jobs import ClusterResources
from service.domain.job import Job
from service.domain.state import JobState
from service.errors import ClusterUnreachableError, LostFolderError, StorageUnavailableError
from service.operations.jobs import resolved_run


class Queue:
    """The runs among the jobs that are not over, oldest first, for one look at all of them.

    Runs start in the order they were queued, so that a large one is not kept waiting by small ones that came
    later. A run that the whole cluster cannot hold waits for more nodes and holds nobody up. What a run at
    work holds is all it was allocated, as far as there is room: an elastic run leaves nothing of it unused.
    The cluster is asked once, and only when a run waits. Of indexings, one is at work at a time: nobody waits
    for them.
    """

    def __init__(self, active: Sequence[Job], resources: Callable[[], ClusterResources]) -> None:
        runs = [job for job in active if job.kind == "run"]
        self._waiting = [job.id for job in runs if job.state is JobState.QUEUED]
        self._at_work = [job for job in runs if job.state is not JobState.QUEUED]
        self._indexing = any(job.kind == "index" and job.state is not JobState.QUEUED for job in active)
        self._ask = resources
        self._answer: ClusterResources | ClusterUnreachableError | None = None

    def reason_to_wait(self, job: Job) -> str | None:
        """Why a queued run or indexing cannot start yet; None when it can, and then it counts as at work.

        Raises `ClusterUnreachableError`, `StorageUnavailableError`, and `LostFolderError` for a run whose
        folder tells nothing of it.
        """
        if job.kind == "index":
            return self._reason_to_wait_to_index()
        allocation = resolved_run(job).allocation
        total = self._resources()
        ahead = self._waiting.index(job.id)
        if not total.hold(allocation):
            self._waiting.remove(job.id)
            return f"waits for {allocation}, which the cluster cannot hold: it has {total}"
        if ahead:
            return f"{ahead} run(s) ahead in the queue"
        room = total
        for other in self._at_work:
            # One whose folder was taken away ends by itself.
            with suppress(LostFolderError, StorageUnavailableError):
                room = room.without(resolved_run(other).allocation)
        if not room.hold(allocation):
            return f"waits for {allocation}: {len(self._at_work)} run(s) at work leave {room}"
        self._waiting.remove(job.id)
        self._at_work.append(job)
        return None

    def _reason_to_wait_to_index(self) -> str | None:
        if self._indexing:
            return "waits for another indexing"
        self._indexing = True
        return None

    def pass_over(self, job: Job) -> None:
        """A run that does not start holds nobody up."""
        if job.id in self._waiting:
            self._waiting.remove(job.id)

    def _resources(self) -> ClusterResources:
        if self._answer is None:
            try:
                self._answer = self._ask()
            except ClusterUnreachableError as error:
                self._answer = error
        if isinstance(self._answer, ClusterUnreachableError):
            raise self._answer
        return self._answer
