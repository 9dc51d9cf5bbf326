"""What Ray Train gives up with, as an error that says which worker was lost, and to what."""

from __future__ import annotations

from typing import Final

from ray.exceptions import OutOfMemoryError, RayActorError, WorkerCrashedError
from ray.train import ControllerError, TrainingFailedError, WorkerGroupError

from service.errors import InfeasibleError, ServiceError, WorkerLostError, WorkerOutOfMemoryError

# Of Ray Train's own, which it does not export.
_NO_ROOM: Final = frozenset({"WorkerGroupStartupTimeoutError", "InsufficientClusterResourcesError"})


def named_error(error: TrainingFailedError) -> ServiceError | None:
    """The error by its name; None where a worker raised it, and has told of it by itself."""
    if isinstance(error, ControllerError):
        return _of_controller(error.controller_failure)
    if not isinstance(error, WorkerGroupError):
        return None
    for rank, failure in sorted(error.worker_failures.items()):
        # A worker that does not answer is told of by the error of looking at it.
        cause = getattr(failure, "health_check_failure", failure)
        if isinstance(cause, OutOfMemoryError):
            return WorkerOutOfMemoryError(
                rank, f"worker {rank} was ended for its memory: {_last_line(cause)}"
            )
        if isinstance(cause, (RayActorError, WorkerCrashedError)):
            return WorkerLostError(rank, f"worker {rank} was lost: {_last_line(cause)}")
    return None


def _of_controller(failure: Exception) -> ServiceError | None:
    kind = type(failure).__name__
    if kind in _NO_ROOM:
        return InfeasibleError(f"the run's workers could not be placed: {_last_line(failure)}")
    return None


def _last_line(error: BaseException) -> str:
    return str(error).strip().rpartition("\n")[2].strip()
