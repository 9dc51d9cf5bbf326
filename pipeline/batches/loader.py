"""Batches of a dataset's photos, for one rank of a training."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.batches.block_shuffle import BlockShuffle
from pipeline.batches.corrupt_samples import SHARD_CHANGED, CorruptSamples
from pipeline.batches.decoder import Decoding, PhotoDecoder
from pipeline.batches.host_memory import HostMemory
from pipeline.batches.mapped_memory import MappedMemory
from pipeline.batches.order import BatchOrder
from pipeline.batches.page_cache import PageCache
from pipeline.batches.read_ahead import ReadAhead
from pipeline.batches.reader import SplitReader
from pipeline.batches.shard_check import ShardCheck
from pipeline.config import LoadingConfig

_BATCHES_AHEAD: Final = 2
_DEFAULTS: Final = LoadingConfig()


class Batch(NamedTuple):
    """Photos as they are stored, uint8 [N, S, S, 3] RGB; labels int64 [N]; sample_ids int64 [N]."""

    images: torch.Tensor
    labels: torch.Tensor
    sample_ids: torch.Tensor


class ShardLoader:
    """All shards of a split, read as one dataset.

    `batch_size` counts the samples of all ranks together. The split `train` is shuffled anew every epoch and
    drops an incomplete last batch; any other is read in order, whole and without padding, so that a rank may
    get a smaller last batch than others, or none. The order depends on `seed`, epoch and `config` alone: the
    global batches are the same at any world size.

    Iterating yields the batches from where the loader stands to the end of the epoch, and leaves it at the
    start of the next; an iteration left early leaves it where it was. Batches are the caller's to keep: their
    memory is used again once they are let go of. One iteration at a time; close it, or let go of it, and its
    threads are gone. `pin_memory` puts batches where a GPU fetches them by itself.

    Iterating raises `CorruptSampleError` for a damaged sample, or leaves it out of its batch, as `config`
    says; a training batch always holds some. Raises `BadDatasetError` for a dataset that cannot be read,
    ValueError for sizes that do not fit together.
    """

    def __init__(
        self,
        dataset_dir: Path,
        split: str,
        *,
        batch_size: int,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        num_threads: int = 1,
        config: LoadingConfig = _DEFAULTS,
        pin_memory: bool = False,
    ) -> None:
        self._reader = reader = SplitReader(Path(dataset_dir), split)
        self._order = BatchOrder(
            reader.num_samples,
            batch_size,
            split == "train",
            seed=seed,
            rank=rank,
            world_size=world_size,
            blocks=_blocks(reader, config),
        )
        self._memory = MappedMemory(reader) if config.os_cache else PageCache(reader, config.cache_bytes)
        self._decoder = PhotoDecoder(reader, self._memory)
        self._shard_check = ShardCheck(reader) if config.verify == "full" else None
        self._corrupt = CorruptSamples(reader, config.on_corrupt, some_needed=split == "train")
        size = reader.image_size
        self._host_memory = HostMemory(
            -(-batch_size // world_size), (size, size, 3), torch.uint8, pinned=pin_memory
        )
        self._num_threads = num_threads
        self._epoch = 0
        self._step = 0

    def __len__(self) -> int:
        """Batches of a whole epoch for this rank."""
        return len(self._order)

    def __iter__(self) -> Iterator[Batch]:
        with ReadAhead(self._batches(self._epoch, self._step), _BATCHES_AHEAD) as batches:
            for batch in batches:
                self._step += 1
                yield batch
        self.set_epoch(self._epoch + 1)

    @property
    def num_skipped(self) -> int:
        """Damaged samples left out so far, those of batches read ahead among them."""
        return self._corrupt.num_skipped

    def set_epoch(self, epoch: int) -> None:
        """Goes to the start of an epoch."""
        self._epoch = epoch
        self._step = 0

    def state_dict(self) -> dict[str, int]:
        """Where the loader stands: {seed, epoch, step}, step counting the batches handed out in the epoch."""
        return {"seed": self._order.seed, "epoch": self._epoch, "step": self._step}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Goes where another loader stood, of this dataset, batch size and seed; the world size may differ.

        Raises ValueError when the seed is another: its epochs hold other batches.
        """
        if state["seed"] != self._order.seed:
            raise ValueError(f"state has seed={state['seed']}, the loader seed={self._order.seed}")
        self._epoch = state["epoch"]
        self._step = state["step"]

    def _batches(self, epoch: int, first_step: int) -> Generator[Batch]:
        order = self._order.epoch(epoch)
        batches = [self._order.batch(order, step) for step in range(first_step, len(self))]
        memory = self._memory.schedule_epoch(_with_the_one_before(batches))
        with memory, _threads(self._num_threads) as threads:
            begun: deque[tuple[NDArray[np.int64], Decoding]] = deque()
            for number, positions in enumerate(batches):
                memory.start_batch(number)
                images = self._host_memory.take(len(positions))
                begun.append((positions, self._decoder.begin(positions, images, memory.state, threads)))
                # The next batch is begun before this one ends, so that no thread waits for another.
                if len(begun) == 2:
                    yield self._finish(*begun.popleft(), threads)
            while begun:
                yield self._finish(*begun.popleft(), threads)

    def _finish(self, positions: NDArray[np.int64], decoding: Decoding, threads: Executor) -> Batch:
        images, faults = decoding.wait()
        if self._shard_check:
            faults[self._shard_check.untrusted(positions, threads)] = SHARD_CHANGED
        if faults.any():
            sound = self._corrupt.sound(positions, faults)
            positions, images = positions[sound], images[torch.from_numpy(sound)]
        return Batch(
            images=images,
            labels=torch.from_numpy(self._reader.labels[positions]),
            sample_ids=torch.from_numpy(self._reader.sample_ids[positions]),
        )


def _blocks(reader: SplitReader, config: LoadingConfig) -> BlockShuffle | None:
    if config.shuffle == "full":
        return None
    return BlockShuffle.of_pages(
        reader.pointers,
        reader.page_size,
        block_bytes=config.block_bytes,
        window_bytes=config.window_bytes,
    )


def _with_the_one_before(batches: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """Each batch and the one before it: two are decoded at a time, so the pages of both must be there."""
    return [np.concatenate(batches[max(0, number - 1) : number + 1]) for number in range(len(batches))]


@contextmanager
def _threads(count: int) -> Iterator[Executor]:
    threads = ThreadPoolExecutor(count, thread_name_prefix="decode")
    try:
        yield threads
    finally:
        threads.shutdown(cancel_futures=True)
