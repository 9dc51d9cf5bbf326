"""Positions in a split to pixels, through FFCV's compiled pipeline."""

from __future__ import annotations

import numba
import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.batches.reader import SplitReader
from pipeline.ffcv_import import ffcv_import, torch_threads_kept

with ffcv_import():
    from ffcv.fields.rgb_image import SimpleRGBImageDecoder
    from ffcv.pipeline.compiler import Compiler
    from ffcv.pipeline.graph import Graph
    from ffcv.pipeline.pipeline_spec import PipelineSpec


class PhotoDecoder:
    """Decodes the photos of a split in `num_threads` threads.

    FFCV builds and compiles the pipeline, as its Loader would; what is left out of the Loader is its ring of
    buffers, which overwrites batches that are still held, and its CUDA streams.
    """

    def __init__(self, reader: SplitReader, num_threads: int) -> None:
        self._reader = reader
        self._num_threads = num_threads
        with torch_threads_kept():
            # Whether FFCV compiles for several threads is decided by what it was last told.
            Compiler.set_num_threads(num_threads)
            graph = Graph(
                {"image": PipelineSpec("image", decoder=SimpleRGBImageDecoder())},
                reader.handlers,
                {"image": 0},
                reader.metadata,
                reader.memory.compile_reader(),
            )
            requirements, code = graph.collect_requirements()
            ((self._stage, _),), _ = graph.codegen_all(code)
        ((self._node, query),) = requirements["operation"].items()
        self._shape = tuple(int(side) for side in query.shape)

    def decode(self, positions: NDArray[np.int64]) -> torch.Tensor:
        """The samples at these positions among all shards: uint8 [N, S, S, 3] RGB, the caller's to keep."""
        images_NHWC = torch.empty((len(positions), *self._shape), dtype=torch.uint8)
        numba.set_num_threads(self._num_threads)
        self._stage(
            batch_indices=positions,
            metadata=self._reader.metadata,
            storage_state=self._reader.memory.context.state,
            **{f"memory_{self._node}": images_NHWC.numpy(), f"shared_memory_{self._node}": None},
        )
        return images_NHWC
