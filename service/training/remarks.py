"""What a run says while it goes on, and its owner should look at: what it saw, and what to try."""

from __future__ import annotations

from model.errors import CheckpointNotSavedError
from model.learning.stall import STALLED_STEPS
from service.domain.events import WarningLine
from service.domain.job_folder import now


def not_saved(error: CheckpointNotSavedError) -> WarningLine:
    message = f"{error}; the run goes on and tries again at the next checkpoint: free some space"
    return WarningLine(at=now(), code="checkpoint_not_saved", message=message)


def plateau(epoch: int, before: float, after: float) -> WarningLine:
    message = (
        f"the validation error has stopped falling at epoch {epoch}:"
        f" the learning rate goes from {before:g} to {after:g}"
    )
    return WarningLine(at=now(), code="plateau", message=message)


def stalled(chance: float) -> WarningLine:
    """`chance` is the loss of guessing among the classes, in nats."""
    message = (
        f"the loss has stayed within 1 % of {chance:.3f}, which is what guessing gives, for"
        f" {STALLED_STEPS:,} steps: try another seed, initialization=fan-in, or another learning_rate"
    )
    return WarningLine(at=now(), code="stalled", message=message)
