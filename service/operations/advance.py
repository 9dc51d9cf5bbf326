"""From what Ray says of a job to the state it is in. A pure function, so that a table can test it."""

from __future__ import annotations

from typing import NamedTuple

from service.cluster.jobs import RayJob, RayStatus
from service.domain.job import StopMode
from service.domain.state import JobState


class Signs(NamedTuple):
    """What a job has written about itself since it was last looked at."""

    reported: bool
    """it reported progress, after any failure"""
    fell: bool
    """a worker fell and nothing was reported since"""


class Advance(NamedTuple):
    state: JobState
    reason: str | None


def advance(
    state: JobState, ray: RayJob | None, signs: Signs, stop_mode: StopMode | None, error: str | None
) -> Advance:
    """The state a submitted job is in now.

    `error` is what the job's own `error.json` says, where it left one; it explains a failure better than Ray.
    """
    if ray is None and stop_mode is not None:
        return Advance(JobState.STOPPED, "stopped before Ray knew of it, or with the head that did")
    if ray is None:
        return Advance(JobState.INTERRUPTED, "Ray no longer knows the job: the head was lost or restarted")
    if ray.status.is_over:
        return _ending(ray, stop_mode, error)
    if state is JobState.STOPPING:
        return Advance(JobState.STOPPING, None)
    if signs.fell:
        return Advance(JobState.RECOVERING, "a worker fell; Ray is starting the workers again")
    if signs.reported:
        return Advance(JobState.RUNNING, None)
    return Advance(state, None)


def _ending(ray: RayJob, stop_mode: StopMode | None, error: str | None) -> Advance:
    if ray.status is RayStatus.SUCCEEDED:
        return Advance(JobState.STOPPED if stop_mode else JobState.SUCCEEDED, None)
    if stop_mode is not None and ray.status is RayStatus.STOPPED:
        return Advance(JobState.STOPPED, None)
    if ray.status is RayStatus.STOPPED:
        return Advance(JobState.INTERRUPTED, "the job was stopped from outside Tandem")
    return Advance(JobState.FAILED, error or ray.message or "the job failed and left no message: see its log")
