"""Positions in a split to pixels, through FFCV's compiled pipeline."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numba
import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.batches.reader import SplitMemory, SplitReader
from pipeline.ffcv_import import ffcv_import, torch_threads_kept

with ffcv_import():
    from ffcv.fields import RGBImageField
    from ffcv.fields.rgb_image import SimpleRGBImageDecoder
    from ffcv.pipeline.compiler import Compiler
    from ffcv.pipeline.graph import Graph
    from ffcv.pipeline.pipeline_spec import PipelineSpec

Decode = Callable[
    [NDArray[np.int64], NDArray[np.uint8], NDArray[np.void], tuple[NDArray[np.generic], ...]], None
]


class PhotoDecoder:
    """Decodes the photos of a split in `num_threads` threads.

    FFCV builds and compiles the pipeline, as its Loader would; what is left out of the Loader is its ring of
    buffers, which overwrites batches that are still held, and its CUDA streams.
    Raises ValueError for more threads than numba was started with: one per core, if nothing else was said.
    """

    def __init__(self, reader: SplitReader, num_threads: int) -> None:
        self._reader = reader
        self._num_threads = num_threads
        self._decode = _compiled(num_threads)

    def decode(self, positions: NDArray[np.int64]) -> torch.Tensor:
        """The samples at these positions among all shards: uint8 [N, S, S, 3] RGB, the caller's to keep."""
        size = self._reader.image_size
        images_NSS3 = torch.empty((len(positions), size, size, 3), dtype=torch.uint8)
        numba.set_num_threads(self._num_threads)
        self._decode(positions, images_NSS3.numpy(), self._reader.metadata, self._reader.memory.context.state)
        return images_NSS3


@cache
def _compiled(num_threads: int) -> Decode:
    """FFCV's pipeline from a row of metadata to pixels; nothing in it belongs to one dataset."""
    field = RGBImageField()
    any_photo = np.ones(1, np.dtype([("f0", field.metadata_type)]))
    no_bytes, no_pointers = np.empty(0, np.uint8), np.empty(0, np.uint64)
    with torch_threads_kept():
        # Whether FFCV compiles for several threads is decided by what it was last told.
        Compiler.set_num_threads(num_threads)
        graph = Graph(
            {"image": PipelineSpec("image", decoder=SimpleRGBImageDecoder())},
            {"image": field},
            {"image": 0},
            any_photo,
            SplitMemory(no_bytes, no_pointers, no_pointers).compile_reader(),
        )
        _, code = graph.collect_requirements()
        ((stage, _),), (node,) = graph.codegen_all(code)

    def decode(
        positions: NDArray[np.int64],
        destination: NDArray[np.uint8],
        metadata: NDArray[np.void],
        memory: tuple[NDArray[np.generic], ...],
    ) -> None:
        buffers = {f"memory_{node}": destination, f"shared_memory_{node}": None}
        stage(batch_indices=positions, metadata=metadata, storage_state=memory, **buffers)

    return decode
