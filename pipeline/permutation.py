"""The one source of chance in this room: orders that depend on their seed and on nothing else."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Purpose(IntEnum):
    """What an order is for. Orders for different purposes are independent under the same seed."""

    EPOCH = 1
    SHARDS = 2
    VALIDATION = 3
    RAW = 4
    BLOCKS = 5


def permutation(count: int, purpose: Purpose, *, seed: int, number: int) -> NDArray[np.int64]:
    """The integers below `count`, shuffled: int64 [count], a pure function of the arguments.

    `number` tells orders of one purpose apart: the epoch, the class.
    """
    # Generator.permutation may change with NumPy's version; the raw bits of a bit generator may not.
    bits = np.random.Philox(
        key=np.array([seed, number], dtype=np.uint64),
        counter=np.array([0, 0, 0, purpose], dtype=np.uint64),
    )
    return np.argsort(bits.random_raw(count), kind="stable")
