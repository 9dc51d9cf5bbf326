"""From an error to why a job failed: a stable code, what happened, and what to try."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, NamedTuple

from model.errors import ModelError
from pipeline.errors import PipelineError
from service.errors import ServiceError


class Cause(NamedTuple):
    """Why a job failed: a stable code, what happened, and what to try."""

    reason: str
    message: str
    hint: str | None


_HINTS: Final = MappingProxyType(
    {
        "data_corrupt": "check the dataset with: tandem inspect DIR --verify",
        "diverged": "lower the learning rate or try another seed",
        "nothing_evaluated": "check the dataset with: tandem inspect DIR --verify",
        "plan_changed": "or delete it with DELETE /api/v1/datasets/NAME and prepare it again",
        "cache_too_small": "give the run more loading.cache_bytes, or loading.shuffle=blocks",
        "storage_unavailable": "when object storage answers again, ask for the same dataset again, or go on"
        " with: tandem resume RUN",
        "stored_file_damaged": "put the object back from a copy, or make anew what it belongs to",
        "source_lost": "ask for the same dataset again: what is finished is kept",
        "bad_dataset": "check the dataset with: tandem inspect DIR --verify",
        "oom": "use a smaller global_batch_size, fewer workers, or machines with more memory",
        "worker_lost": "go on from the last checkpoint with: tandem resume RUN; where workers keep falling,"
        " look into the machine's log for processes killed for their memory",
        "checkpoint_not_saved": "free some space, and go on with: tandem resume RUN",
        "infeasible": "resume the run when the cluster has its nodes again",
        "bad_checkpoint": "put the damaged files back from a copy; or, where it is a run's own checkpoint,"
        " move its folder away and go on from the one before it with: tandem resume RUN",
        "checkpoint_unseen": "mount one volume at the same place on every machine, which tandem doctor"
        " --cluster looks at, and go on with: tandem resume RUN",
        "attempt_alive": "end the other process, and resume the run then",
    }
)


def cause_of(error: BaseException) -> Cause:
    """What is not known by name is an error in the code, told with its type."""
    if isinstance(error, (PipelineError, ModelError, ServiceError)):
        return Cause(error.code, str(error), _HINTS.get(error.code))
    # torch has its own for a GPU's memory, and not every job has torch.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return Cause("oom", "out of memory", _HINTS["oom"])
    return Cause("code_error", f"{type(error).__name__}: {error}", None)
