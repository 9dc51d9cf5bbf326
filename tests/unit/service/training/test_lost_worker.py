"""What Ray Train gives up with, by name."""

from __future__ import annotations

import pytest

from service.errors import InfeasibleError, WorkerLostError, WorkerOutOfMemoryError


def test_the_first_lost_worker_is_named_and_what_became_of_it(ray_here: None) -> None:
    from ray.exceptions import ActorDiedError, OutOfMemoryError
    from ray.train import WorkerGroupError
    from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError

    from service.training.lost_worker import named_error

    survivor = RuntimeError("Connection closed by peer")
    fallen = WorkerHealthCheckFailedError("it does not answer", ActorDiedError())
    lost = named_error(WorkerGroupError("x", {2: fallen, 0: survivor, 1: fallen}))
    assert isinstance(lost, WorkerLostError)
    assert (lost.rank, lost.code) == (1, "worker_lost")
    assert str(lost) == "worker 1 was lost: The actor died unexpectedly before finishing this task."

    full = named_error(WorkerGroupError("x", {0: survivor, 3: OutOfMemoryError("no\nmemory is left")}))
    assert isinstance(full, WorkerOutOfMemoryError)
    assert (full.rank, full.code) == (3, "oom")
    assert str(full).endswith("memory is left")


def test_workers_that_could_not_be_placed_are_infeasible_and_other_errors_are_their_own(
    ray_here: None,
) -> None:
    from ray.train import ControllerError, WorkerGroupError
    from ray.train.v2._internal.exceptions import WorkerGroupStartupTimeoutError

    from service.training.lost_worker import named_error

    error = named_error(ControllerError(WorkerGroupStartupTimeoutError(num_workers=2)))
    assert isinstance(error, InfeasibleError)
    assert str(error).startswith("the run's workers could not be placed: ")
    assert named_error(ControllerError(ZeroDivisionError("a bug in a callback"))) is None
    assert named_error(WorkerGroupError("x", {0: ValueError("a bug")})) is None


@pytest.mark.parametrize("kind", [MemoryError, type("OutOfMemoryError", (RuntimeError,), {})])
def test_any_memory_that_ran_out_is_told_so(kind: type[Exception]) -> None:
    from service.training.cause import cause_of

    cause = cause_of(kind("CUDA out of memory"))
    assert cause.reason == "oom"
    assert cause.hint is not None
    assert "global_batch_size" in cause.hint
