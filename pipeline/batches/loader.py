"""Batches of a dataset's photos, for one rank of a training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import torch

from pipeline.batches.decoder import PhotoDecoder
from pipeline.batches.order import BatchOrder
from pipeline.batches.read_ahead import ReadAhead
from pipeline.batches.reader import SplitReader

_BATCHES_AHEAD: Final = 3


class Batch(NamedTuple):
    """Photos as they are stored, uint8 [N, S, S, 3] RGB; labels int64 [N]; sample_ids int64 [N]."""

    images: torch.Tensor
    labels: torch.Tensor
    sample_ids: torch.Tensor


class ShardLoader:
    """All shards of a split, read as one dataset.

    `batch_size` counts the samples of all ranks together. The split `train` is shuffled anew every epoch and
    drops an incomplete last batch; any other is read in order, whole and without padding, so that a rank may
    get a smaller last batch than others, or none. The order depends on `seed` and epoch alone: the global
    batches are the same at any world size.

    Iterating yields the batches from where the loader stands to the end of the epoch, and leaves it at the
    start of the next; an iteration left early leaves it where it was. Batches are the caller's to keep. One
    iteration at a time; close it, or let go of it, and its thread is gone.

    Raises `BadDatasetError` for a dataset that cannot be read, ValueError for sizes that do not fit together.
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
    ) -> None:
        self._reader = SplitReader(Path(dataset_dir), split)
        self._order = BatchOrder(
            self._reader.num_samples,
            batch_size,
            split == "train",
            seed=seed,
            rank=rank,
            world_size=world_size,
        )
        self._decoder = PhotoDecoder(self._reader, num_threads)
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

    def _batches(self, epoch: int, first_step: int) -> Iterator[Batch]:
        order = self._order.epoch(epoch)
        for step in range(first_step, len(self)):
            positions = self._order.batch(order, step)
            yield Batch(
                images=self._decoder.decode(positions),
                labels=torch.from_numpy(self._reader.labels[positions]),
                sample_ids=torch.from_numpy(self._reader.sample_ids[positions]),
            )
