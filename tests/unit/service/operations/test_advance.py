"""What Ray says of a job, and the state that follows: the table of the design, row by row."""

from __future__ import annotations

import pytest

from service.cluster.jobs import RayJob, RayStatus
from service.domain.job import StopMode
from service.domain.state import JobState as S
from service.operations.advance import Signs, advance

SILENT = Signs(reported=False, fell=False)
REPORTED = Signs(reported=True, fell=False)
FELL = Signs(reported=False, fell=True)
R = RayStatus


@pytest.mark.parametrize(
    ("state", "ray", "signs", "stop", "expected"),
    [
        (S.STARTING, R.PENDING, SILENT, None, S.STARTING),
        (S.STARTING, R.RUNNING, SILENT, None, S.STARTING),
        (S.STARTING, R.RUNNING, REPORTED, None, S.RUNNING),
        (S.RUNNING, R.RUNNING, SILENT, None, S.RUNNING),
        (S.RUNNING, R.RUNNING, FELL, None, S.RECOVERING),
        (S.RECOVERING, R.RUNNING, SILENT, None, S.RECOVERING),
        (S.RECOVERING, R.RUNNING, REPORTED, None, S.RUNNING),
        (S.STOPPING, R.RUNNING, REPORTED, "graceful", S.STOPPING),
        (S.STOPPING, R.SUCCEEDED, SILENT, "graceful", S.STOPPED),
        (S.STOPPING, R.STOPPED, SILENT, "now", S.STOPPED),
        (S.RUNNING, R.SUCCEEDED, REPORTED, None, S.SUCCEEDED),
        (S.RUNNING, R.STOPPED, SILENT, None, S.INTERRUPTED),
        (S.RUNNING, R.FAILED, SILENT, None, S.FAILED),
        (S.STOPPING, R.FAILED, SILENT, "graceful", S.FAILED),
        (S.RUNNING, None, SILENT, None, S.INTERRUPTED),
        (S.STOPPING, None, SILENT, "now", S.STOPPED),
    ],
)
def test_state_follows_from_what_ray_says(
    state: S, ray: RayStatus | None, signs: Signs, stop: StopMode | None, expected: S
) -> None:
    job = None if ray is None else RayJob(ray, "ray's message")
    assert advance(state, job, signs, stop, None).state is expected


def test_a_failure_is_explained_by_the_job_before_ray() -> None:
    ray = RayJob(RayStatus.FAILED, "exit code 1")
    assert (
        advance(S.RUNNING, ray, SILENT, None, "diverged: the loss is nan").reason
        == "diverged: the loss is nan"
    )
    assert advance(S.RUNNING, ray, SILENT, None, None).reason == "exit code 1"
