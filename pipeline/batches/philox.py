"""Random numbers that can be looked up: Philox4x32-10 (Salmon et al., SC 2011) in NumPy's integers."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_ROUNDS: Final = 10
_MULTIPLIER_A, _MULTIPLIER_C = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_KEY_STEPS: Final = (0x9E3779B9, 0xBB67AE85)
_WORD: Final = 0xFFFFFFFF
_LOW, _HALF = np.uint64(_WORD), np.uint64(32)


def philox(key: tuple[int, int], counters_4N: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Four random words for each counter of four words: uint64 [4, …] to [4, …], each in [0, 2³²).

    The same key and counter give the same words on every machine.
    """
    a, b, c, d = counters_4N
    key_a, key_b = key
    for _ in range(_ROUNDS):
        product_a, product_c = a * _MULTIPLIER_A, c * _MULTIPLIER_C
        a, c = product_c >> _HALF ^ b ^ np.uint64(key_a), product_a >> _HALF ^ d ^ np.uint64(key_b)
        b, d = product_c & _LOW, product_a & _LOW
        key_a, key_b = key_a + _KEY_STEPS[0] & _WORD, key_b + _KEY_STEPS[1] & _WORD
    return np.stack((a, b, c, d))
