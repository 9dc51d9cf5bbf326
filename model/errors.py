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


class CheckpointNotSavedError(ModelError):
    """A checkpoint that could not be written, as to a disk that is full: its place, and what went wrong."""

    code = "checkpoint_not_saved"

    def __str__(self) -> str:
        place, detail = self.args
        return f"{place} could not be written: {detail}"


class ExportDiffersError(ModelError):
    """An exported file that does not answer as the model it was made from: where it was to lie, the greatest
    difference of a probability, and for how many of how many photos the likeliest classes are others."""

    code = "export_differs"

    def __init__(self, place: str, greatest_difference: float, others: int, photos: int) -> None:
        super().__init__(place, greatest_difference, others, photos)
        self.place, self.greatest_difference = place, greatest_difference
        self.others, self.photos = others, photos

    def __str__(self) -> str:
        return (
            f"{self.place} was not written: what was exported differs from the model by up to "
            f"{self.greatest_difference:.2g} in a probability, and in the likeliest classes of {self.others} "
            f"of {self.photos} photos; try the other format, with the packages that constraints.txt pins"
        )


class ExportPackagesMissingError(ModelError):
    """A format that needs packages which are not installed: the format, and the package that was missed."""

    code = "export_packages_missing"

    def __str__(self) -> str:
        form, package = self.args
        return (
            f"format {form!r} needs the package {package!r}, which is not installed: run "
            "pip install -c constraints.txt '.[export]' in Tandem's checkout, or choose torchscript"
        )


class DivergedError(ModelError):
    """The loss is no longer a number: at which step, the learning rate there, the loss, and the name of the
    last checkpoint before it, where there is one."""

    code = "diverged"

    def __init__(
        self, step: int, learning_rate: float, loss: float, last_checkpoint: str | None = None
    ) -> None:
        super().__init__(step, learning_rate, loss, last_checkpoint)
        self.step, self.learning_rate, self.loss = step, learning_rate, loss
        self.last_checkpoint = last_checkpoint

    def __str__(self) -> str:
        said = f"the loss is {self.loss} at step {self.step} with learning rate {self.learning_rate:g}"
        checkpoint = f", the last good checkpoint is {self.last_checkpoint}" if self.last_checkpoint else ""
        return f"{said}{checkpoint}: lower learning_rate"


class NothingEvaluatedError(ModelError):
    """Errors and losses that were asked for of no photos at all."""

    code = "nothing_evaluated"

    def __str__(self) -> str:
        return (
            "there was no photo to evaluate the network on: all of the split were left out as damaged; "
            "prepare the dataset again"
        )


class BadIndexError(ModelError):
    """An index of training photos that is not there or not whole: its place, and what is wrong."""

    code = "bad_index"

    def __str__(self) -> str:
        place, detail = self.args
        return f"{place}: {detail}"
