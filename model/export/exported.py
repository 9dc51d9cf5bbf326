"""A file made from a published model: it has its name once it has answered as the model does."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.classifier import Classifier
from model.errors import ExportDiffersError
from model.export.agreement import Agreement
from model.export.format import Format
from model.export.portable import PortableModel


@dataclass(frozen=True)
class Exported:
    """Where the file is, and how far it agrees with the model."""

    path: Path
    size_bytes: int
    agreement: Agreement

    @classmethod
    def write(
        cls,
        model: PortableModel,
        original: Classifier,
        form: Format,
        path: Path,
        photos_NSS3: NDArray[np.uint8],
    ) -> Exported:
        """Writes `model` to `path`, over a file that is there, if it answers the photos as `original` does.

        It is written and tried beside `path`, and then renamed. Raises ExportDiffersError when it does not
        agree, and OSError, naming `path`, when it cannot be written; then what was there is there still.
        """
        target = path.resolve()
        with _renamed_at_last(path, target) as aside:
            with aside.open("wb") as file:
                form.write(model, file)
                file.flush()
                os.fsync(file.fileno())
            size_bytes = aside.stat().st_size
            agreement = Agreement.of(original.probabilities, form.open(aside), photos_NSS3)
            if not agreement.holds:
                others = agreement.photos - agreement.same_top5
                raise ExportDiffersError(str(path), agreement.greatest_difference, others, agreement.photos)
        return cls(path, size_bytes, agreement)


@contextmanager
def _renamed_at_last(path: Path, target: Path) -> Iterator[Path]:
    """A name beside the target's for what is to become it; gone where it does not."""
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        try:
            yield aside
            aside.replace(target)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(error.errno, f"the file cannot be written: {error.strerror}", str(path)) from error
