"""The checksum that a JPEG in a shard carries behind its end."""

from __future__ import annotations

from typing import Final

import numpy as np
import xxhash
from numpy.typing import NDArray

CHECKSUM_BYTES: Final = 8


def sealed(jpeg: bytes) -> NDArray[np.uint8]:
    """The JPEG and, behind its end-of-image marker, xxh3_64 of its bytes, little-endian: uint8 [n + 8].

    Decoders stop at the marker and see the JPEG as it was.
    """
    checksum = xxhash.xxh3_64_intdigest(jpeg).to_bytes(CHECKSUM_BYTES, "little")
    return np.frombuffer(jpeg + checksum, np.uint8)
