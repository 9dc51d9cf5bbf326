"""A model as an ONNX file, for whatever runs ONNX, on any device."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import onnxruntime

# torch asks for it only in the midst of an export.
import onnxscript  # noqa: F401
import torch
from numpy.typing import NDArray

from model.export.agreement import Answers
from model.export.description import description_of
from model.export.portable import PortableModel

# Of 2023; said here, so that a newer torch does not ask more of those who run the file.
_OPSET: Final = 20
_INPUT, _OUTPUT = "photos", "probabilities"


class Onnx:
    """Written by torch.onnx. The description is in the file's `metadata_props`."""

    suffix = ".onnx"

    def write(self, model: PortableModel, file: BinaryIO) -> None:
        any_number = ({0: torch.export.Dim("N")},)
        with _quietly(), torch.no_grad():
            recorded = torch.export.export(model, (model.example_photos,), dynamic_shapes=any_number)
            program = torch.onnx.export(
                recorded,
                input_names=[_INPUT],
                output_names=[_OUTPUT],
                # Which alone keeps the name of the dimension.
                dynamic_shapes=({0: "N"},),
                opset_version=_OPSET,
                verbose=False,
            )
        assert program is not None
        _forget_where_it_was_made(program.model)
        program.model.metadata_props.update(description_of(model.published))
        file.write(program.model_proto.SerializeToString())

    def open(self, path: Path) -> Answers:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

        def answers(photos_NSS3: NDArray[np.uint8]) -> NDArray[np.float32]:
            (found,) = session.run([_OUTPUT], {_INPUT: photos_NSS3})
            probabilities_NK: NDArray[np.float32] = found
            return probabilities_NK

        return answers


def _forget_where_it_was_made(model: Any) -> None:
    """Takes out what torch notes beside each operation: stack traces, with this machine's paths in them."""
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()
    for value in (*model.graph.inputs, *model.graph.initializers.values()):
        value.metadata_props.clear()


@contextmanager
def _quietly() -> Iterator[None]:
    """Leaves out what torch says of its own insides: operations of torchvision's that it misses, and a copy
    that it makes in a way it advises others against."""
    registration = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registration.level
    registration.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)`", FutureWarning)
            yield
    finally:
        registration.setLevel(level)
