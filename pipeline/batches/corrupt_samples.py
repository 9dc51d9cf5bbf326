"""What becomes of samples that turn out damaged when they are read."""

from __future__ import annotations

import os
from typing import Final

import numpy as np
import simplejpeg
import structlog
from numpy.typing import NDArray

from pipeline.batches.native import CHECKSUM_DIFFERS, DOES_NOT_DECODE, NO_FAULT
from pipeline.batches.reader import SplitReader
from pipeline.config import OnCorrupt
from pipeline.errors import CorruptSampleError

# A fault that no single photo has: it is stored without a checksum, and its shard's is wrong.
SHARD_CHANGED: Final = 3

_log = structlog.get_logger()


class CorruptSamples:
    """Raises the first damaged sample of a batch, or leaves all of them out, counted and logged.

    Where `some_needed`, a batch of nothing else is raised in any case: a step of training cannot do without a
    photo, and a step that one rank leaves out, the others wait for. `num_skipped` counts those left out so
    far.
    """

    def __init__(self, reader: SplitReader, on_corrupt: OnCorrupt, *, some_needed: bool = False) -> None:
        self._reader = reader
        self._on_corrupt = on_corrupt
        self._some_needed = some_needed
        self.num_skipped = 0

    def sound(self, positions: NDArray[np.int64], faults: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which samples of a batch are to be used: bool [N], for their positions and faults.

        Raises `CorruptSampleError` unless damaged ones are to be skipped and may be.
        """
        sound: NDArray[np.bool_] = faults == NO_FAULT
        for place in np.flatnonzero(~sound):
            error = self._error(int(positions[place]), int(faults[place]))
            if self._on_corrupt == "raise" or (self._some_needed and not sound.any()):
                raise error
            self.num_skipped += 1
            _log.warning(
                "corrupt_sample_skipped", shard=error.shard, sample_id=error.sample_id, reason=error.reason
            )
        return sound

    def _error(self, position: int, fault: int) -> CorruptSampleError:
        shard = self._reader.paths[int(self._reader.shards_of(np.array(position)))]
        return CorruptSampleError(
            os.fspath(shard), int(self._reader.sample_ids[position]), self._reason(position, fault)
        )

    def _reason(self, position: int, fault: int) -> str:
        if fault == CHECKSUM_DIFFERS:
            return "its bytes are not those that were written"
        if fault == SHARD_CHANGED:
            return "it is stored raw, and the checksum of its shard is not the manifest's"
        assert fault == DOES_NOT_DECODE
        try:
            simplejpeg.decode_jpeg(self._reader.stored(position), "RGB", strict=True)
        except ValueError as error:
            return f"libjpeg: {error}"
        return "libjpeg does not decode it"
