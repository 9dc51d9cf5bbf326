"""The forms an exported file may have."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from model.errors import ExportPackagesMissingError
from model.export.agreement import Answers
from model.export.portable import PortableModel
from model.export.torchscript import TorchScript

FormatName = Literal["onnx", "torchscript"]


class Format(Protocol):
    """How a model is written, and how what was written is run."""

    suffix: str
    """What files of the format are named, with the dot."""

    def write(self, model: PortableModel, file: BinaryIO) -> None:
        """Writes the model and its description. Raises OSError when the file cannot be written."""
        ...

    def open(self, path: Path) -> Answers:
        """What the file answers, computed on the CPU by the runtime its users have."""
        ...


def format_named(name: FormatName) -> Format:
    """Raises ExportPackagesMissingError where the packages that the format needs are not installed."""
    if name == "torchscript":
        return TorchScript()
    try:
        # What writes and runs ONNX comes with the extra `export` alone.
        from model.export.onnx import Onnx
    except ModuleNotFoundError as error:
        raise ExportPackagesMissingError(name, error.name) from error
    return Onnx()
