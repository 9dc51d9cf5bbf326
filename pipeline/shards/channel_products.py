"""Sums over a photo's pixels of the products of two channels, compiled.

Compiled once per machine: numba keeps it beside this file, or where NUMBA_CACHE_DIR says.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def channel_products(photo: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The sums of a photo, uint8 [S, S, 3], exactly: int64 [3, 3]."""
    height, width, _ = photo.shape
    values = photo.reshape(height, 3 * width)
    products = np.zeros((3, 3), np.int64)
    for y in range(height):
        row = values[y]
        # 32 bits hold the sums of a row of 66,000 pixels, and fit twice as often into a register as 64.
        rr = gg = bb = rg = rb = gb = np.uint32(0)
        for x in range(width):
            red, green, blue = np.uint32(row[3 * x]), np.uint32(row[3 * x + 1]), np.uint32(row[3 * x + 2])
            rr += red * red
            gg += green * green
            bb += blue * blue
            rg += red * green
            rb += red * blue
            gb += green * blue
        products[0, 0] += rr
        products[1, 1] += gg
        products[2, 2] += bb
        products[0, 1] += rg
        products[0, 2] += rb
        products[1, 2] += gb
    for first in range(3):
        for second in range(first):
            products[first, second] = products[second, first]
    return products
