"""What the service refuses or cannot do. Every error has a stable code and says what to do about it."""

from __future__ import annotations

from typing import ClassVar, NamedTuple


class ServiceError(Exception):
    """Base of the room's errors. Arguments stay positional, so that every error survives pickling."""

    code: ClassVar[str] = "service_error"


class FieldProblem(NamedTuple):
    """One field of a request that cannot be accepted: its dotted path, and why."""

    field: str
    message: str


class InvalidSpecError(ServiceError):
    """A request that is well-formed JSON and still cannot be done as it stands."""

    code = "invalid_spec"

    def __init__(self, problems: list[FieldProblem]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "; ".join(f"{problem.field}: {problem.message}" for problem in self.problems)


class NotFoundError(ServiceError):
    """The run, dataset, model, version or alias asked for does not exist."""

    code = "not_found"


class ConflictError(ServiceError):
    """The request contradicts what is there: a name that is taken, a run that is not in a fit state."""

    code = "conflict"


class IdempotencyMismatchError(ServiceError):
    """An Idempotency-Key that was used before, for another request."""

    code = "idempotency_mismatch"


class WorkerLostError(ServiceError):
    """A worker of a run died, and so did those that took its place: its rank, and what became of it."""

    code = "worker_lost"

    def __init__(self, rank: int, message: str) -> None:
        super().__init__(rank, message)
        self.rank, self.message = rank, message

    def __str__(self) -> str:
        return self.message


class WorkerOutOfMemoryError(WorkerLostError):
    """A worker that was ended because its machine had no memory left."""

    code = "oom"


class AttemptAliveError(ServiceError):
    """An earlier attempt of a run is still at work in its folder."""

    code = "attempt_alive"


class CheckpointUnseenError(ServiceError):
    """A checkpoint that rank 0 goes on from, and that the machine of another rank does not get to see."""

    code = "checkpoint_unseen"


class InfeasibleError(ServiceError):
    """More workers, CPUs or GPUs than the cluster has."""

    code = "infeasible"


class ForbiddenSourceError(ServiceError):
    """A source outside the folders that the server may read."""

    code = "forbidden_source"


class UnauthorizedError(ServiceError):
    """No bearer token, or one that is not known."""

    code = "unauthorized"


class ForbiddenError(ServiceError):
    """A known token without the scope that the request needs."""

    code = "forbidden"


class LostFolderError(ServiceError):
    """A run's folder that is gone, or does not say any more what the run is."""

    code = "folder_lost"


class BackupError(ServiceError):
    """A database that cannot be copied, or a place it cannot be copied to."""

    code = "backup_failed"


class RateLimitedError(ServiceError):
    """More requests with one token than it may send."""

    code = "rate_limited"


class PayloadTooLargeError(ServiceError):
    """A request body above the limit."""

    code = "payload_too_large"


class UnsupportedImageError(ServiceError):
    """An upload that is not of an image type."""

    code = "unsupported_image"


class UndecodableImageError(ServiceError):
    """An upload of an image type whose pixels cannot be decoded."""

    code = "undecodable_image"


class OverloadedError(ServiceError):
    """There is no room for the request beside those that came before: ask again a little later."""

    code = "overloaded"


class AnswerTooLateError(ServiceError):
    """A request that could not be answered within the time that it may take."""

    code = "answer_too_late"


class AnswerNotFiniteError(ServiceError):
    """A model whose answer about a photo is no number."""

    code = "answer_not_finite"


class SlowBodyError(ServiceError):
    """A request whose body did not come within the time that it may take."""

    code = "slow_body"


class NotIndexedError(ServiceError):
    """A version whose training photos cannot be searched, or not yet."""

    code = "not_indexed"


class UnfitCheckpointError(ServiceError):
    """A checkpoint that does not load, or does not classify once it is loaded: it cannot be published."""

    code = "unfit_checkpoint"


class DatabaseUnavailableError(ServiceError):
    """The database does not answer, or somebody else holds it locked."""

    code = "database_unavailable"


class StorageUnavailableError(ServiceError):
    """A folder that all runs, datasets or models lie in is not there: its disk may be gone for a while."""

    code = "storage_unavailable"


class ClusterUnreachableError(ServiceError):
    """Ray's head does not answer."""

    code = "cluster_unreachable"


class ServingUnreachableError(ServiceError):
    """The serving process does not answer."""

    code = "serving_unreachable"


class StackError(ServiceError):
    """A process of the local stack that did not start: a taken port, a Ray that will not come up."""

    code = "stack_error"
