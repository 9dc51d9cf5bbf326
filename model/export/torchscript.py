"""A model as a TorchScript file, for whatever has libtorch, in Python or without. It computes on the CPU."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray

from model.export.agreement import Answers
from model.export.description import description_of
from model.export.portable import PortableModel


class TorchScript:
    """Written by torch.jit.trace. The description is in the file's `_extra_files`, one for each entry."""

    suffix = ".pt"

    def write(self, model: PortableModel, file: BinaryIO) -> None:
        with _unwarned(), torch.no_grad():
            # What trace would check on two photos is checked on more of them later.
            traced = torch.jit.trace(  # type: ignore[no-untyped-call]
                model, model.example_photos, check_trace=False
            )
            torch.jit.save(traced, file, _extra_files=description_of(model.published))

    def open(self, path: Path) -> Answers:
        with _unwarned():
            loaded = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]

        def answers(photos_NSS3: NDArray[np.uint8]) -> NDArray[np.float32]:
            found: NDArray[np.float32] = loaded(torch.from_numpy(photos_NSS3)).numpy()
            return found

        return answers


@contextmanager
def _unwarned() -> Iterator[None]:
    """Leaves out what TorchScript's functions all warn of: torch would have torch.export used instead."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        yield
