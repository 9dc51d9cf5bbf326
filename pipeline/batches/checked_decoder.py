"""FFCV's decoder of stored photos, with its faults reported instead of hidden."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.batches.native import copy_past_caches, decode_jpeg
from pipeline.ffcv_import import ffcv_import

with ffcv_import():
    from ffcv.fields.rgb_image import IMAGE_MODES
    from ffcv.pipeline.allocation_query import AllocationQuery
    from ffcv.pipeline.operation import Operation
    from ffcv.pipeline.state import State


class CheckedDecoder(Operation):  # type: ignore[misc]
    """An FFCV operation from a row of metadata to pixels, for photos that are all of one size.

    It takes the place of FFCV's SimpleRGBImageDecoder, and gives the same pixels. Its memory is a pair:
    images uint8 [N, S, S, 3], and faults int32 [N], one of the faults of `native` for each; the pixels of a
    photo with a fault are not to be used. FFCV's own ignores what libjpeg returns, so that a damaged photo
    keeps the pixels of whichever was there before.
    """

    def __init__(self, *, sealed: bool) -> None:
        super().__init__()
        self._sealed = sealed

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, tuple[AllocationQuery, ...]]:
        shape = (int(self.metadata["height"][0]), int(self.metadata["width"][0]), 3)
        pixel, fault = np.dtype(np.uint8), np.dtype(np.int32)
        state = replace(previous_state, jit_mode=True, shape=shape, dtype=pixel)
        return state, (AllocationQuery(shape, pixel), AllocationQuery((), fault))

    def generate_code(self) -> Callable[..., Any]:
        jpeg = IMAGE_MODES["jpg"]
        sealed = self._sealed
        read = self.memory_read

        def decode(batch_indices: Any, memory: Any, metadata: Any, storage_state: Any) -> Any:
            images, faults = memory
            for place in range(len(batch_indices)):
                photo = metadata[batch_indices[place]]
                stored = read(photo["data_ptr"], storage_state)
                if photo["mode"] == jpeg:
                    faults[place] = decode_jpeg(stored, images[place], sealed)
                else:
                    copy_past_caches(stored, images[place].reshape(-1))
                    faults[place] = 0
            return images[: len(batch_indices)]

        return decode
