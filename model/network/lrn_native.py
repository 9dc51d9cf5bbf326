"""Local response normalisation (P §3.3) on the CPU, in one pass over maps that lie channels last.

torch's operations read and write each value a dozen times, and each row of channels by itself. Here a window
is summed in registers. Compiled once per machine: numba keeps it beside this file, or where NUMBA_CACHE_DIR
says. Nothing is reordered or contracted, so that a value does not depend on where it lies.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

# How far the window of five reaches on either side.
_REACH = 2


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def normalize(
    values_RTC: NDArray[np.float32], normalized_RTC: NDArray[np.float32], alpha: np.float32, k: np.float32
) -> None:
    """bᵢ = aᵢ / (k + α·Σ aⱼ²)^(3/4) over the 5 channels around i, of one tower.

    R pixels, T towers, C channels of each; float32, contiguous.
    """
    one = np.float32(1)
    rows, towers, channels = values_RTC.shape
    squares = np.zeros(channels + 2 * _REACH, np.float32)
    for row in range(rows):
        for tower in range(towers):
            values, normalized = values_RTC[row, tower], normalized_RTC[row, tower]
            for c in range(channels):
                squares[c + _REACH] = values[c] * values[c]
            for c in range(channels):
                total = squares[c] + squares[c + 1] + squares[c + 2] + squares[c + 3] + squares[c + 4]
                root = one / np.sqrt(k + alpha * total)
                normalized[c] = values[c] * (root * np.sqrt(root))
