"""What can go wrong with a network, its checkpoints and its training. Each error has a stable code."""

from __future__ import annotations

from typing import ClassVar


class ModelError(Exception):
    """Base of the room's errors. Arguments stay positional, so that every error survives pickling."""

    code: ClassVar[str] = "model_error"


class BadPlacementError(ModelError):
    """A device that this machine does not have: its name, and what torch says of it."""

    code = "bad_placement"

    def __str__(self) -> str:
        device, detail = self.args
        return f"no device {device!r} here: {detail}"


class BadCheckpointError(ModelError):
    """A checkpoint or published model that is damaged or of another network: its place, and what is wrong."""

    code = "bad_checkpoint"

    def __str__(self) -> str:
        place, detail = self.args
        return f"{place}: {detail}"


class DivergedError(ModelError):
    """The loss is no longer a number: after how many steps, and the learning rate of the one that failed."""

    code = "diverged"

    def __str__(self) -> str:
        step, learning_rate, loss = self.args
        return (
            f"the loss is {loss} at step {step} with learning rate {learning_rate:g}: "
            "lower learning_rate, or resume from an earlier checkpoint"
        )
