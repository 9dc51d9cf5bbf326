"""Positions in a split to pixels, through FFCV's compiled pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.batches.checked_decoder import CheckedDecoder
from pipeline.batches.reader import SplitReader
from pipeline.ffcv_import import ffcv_import

with ffcv_import():
    from ffcv.fields import RGBImageField
    from ffcv.pipeline.graph import Graph
    from ffcv.pipeline.pipeline_spec import PipelineSpec

# Enough that starting a piece of work costs nothing beside it, few enough that threads end together.
_PHOTOS_AT_A_TIME: Final = 32

# What FFCV's managers of memory hand to compiled code to find a photo by its pointer.
MemoryState = tuple[NDArray[Any], ...]
Decode = Callable[
    [NDArray[np.int64], NDArray[np.uint8], NDArray[np.int32], NDArray[np.void], MemoryState], None
]


class SplitMemory(Protocol):
    """Where the bytes of photos are: one of FFCV's managers of memory."""

    def compile_reader(self) -> Any: ...


class Decoding(NamedTuple):
    """Photos being decoded: where their pixels, uint8 [N, S, S, 3] RGB, and their faults, int32 [N],
    appear."""

    images: torch.Tensor
    faults: NDArray[np.int32]
    pieces: tuple[Future[None], ...]

    def wait(self) -> tuple[torch.Tensor, NDArray[np.int32]]:
        """Images and faults, once all are there. Raises what decoding raised."""
        for piece in self.pieces:
            piece.result()
        return self.images, self.faults


class PhotoDecoder:
    """Decodes the photos of a split.

    FFCV builds and compiles the pipeline, as its Loader would, for one thread: threads here share a batch out
    in pieces and run without Python's lock. What is left out of the Loader is its ring of buffers, which
    overwrites batches that are still held, and its threads, which nobody joins.
    """

    def __init__(self, reader: SplitReader, memory: SplitMemory) -> None:
        self._reader = reader
        self._decode = _compiled(memory, reader.manifest.sample_checksum is not None)

    def begin(
        self,
        positions: NDArray[np.int64],
        images: torch.Tensor,
        state: MemoryState,
        threads: Executor,
    ) -> Decoding:
        """Begins to decode the samples at these positions into `images`, uint8 [N, S, S, 3]."""
        pixels, faults = images.numpy(), np.empty(len(positions), np.int32)
        pieces = [
            threads.submit(
                self._decode, positions[piece], pixels[piece], faults[piece], self._reader.metadata, state
            )
            for piece in _pieces(len(positions))
        ]
        return Decoding(images, faults, tuple(pieces))


def _pieces(count: int) -> Iterator[slice]:
    return (slice(start, start + _PHOTOS_AT_A_TIME) for start in range(0, count, _PHOTOS_AT_A_TIME))


# One for each way to memory, sealed or not; nothing in them belongs to one dataset.
_COMPILED: Final[dict[tuple[type[SplitMemory], bool], Decode]] = {}


def _compiled(memory: SplitMemory, sealed: bool) -> Decode:
    known = type(memory), sealed
    if known not in _COMPILED:
        _COMPILED[known] = _compile(memory, sealed)
    return _COMPILED[known]


def _compile(memory: SplitMemory, sealed: bool) -> Decode:
    """FFCV's pipeline from a row of metadata to pixels and faults."""
    field = RGBImageField()
    any_photo = np.ones(1, np.dtype([("f0", field.metadata_type)]))
    graph = Graph(
        {"image": PipelineSpec("image", decoder=CheckedDecoder(sealed=sealed))},
        {"image": field},
        {"image": 0},
        any_photo,
        memory.compile_reader(),
    )
    _, code = graph.collect_requirements()
    ((stage, _),), (node,) = graph.codegen_all(code)

    def decode(
        positions: NDArray[np.int64],
        images: NDArray[np.uint8],
        faults: NDArray[np.int32],
        metadata: NDArray[np.void],
        state: MemoryState,
    ) -> None:
        buffers = {f"memory_{node}": (images, faults), f"shared_memory_{node}": None}
        stage(batch_indices=positions, metadata=metadata, storage_state=state, **buffers)

    return decode
