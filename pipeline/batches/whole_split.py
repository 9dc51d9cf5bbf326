"""Every photo of the training split once, though its batches are whole ones elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.batches.loader import Batch, ShardLoader


def whole_train_split(dataset: Path, batch_size: int) -> Iterator[Batch]:
    """In batches of `batch_size`, and what is left over one by one."""
    one_by_one = ShardLoader(dataset, "train", batch_size=1)
    size = min(batch_size, len(one_by_one))
    loader = ShardLoader(dataset, "train", batch_size=size)
    yield from loader
    # A training split drops an incomplete last batch. The order is the same whatever the size of batches, so
    # what was dropped follows.
    one_by_one.load_state_dict(one_by_one.state_dict() | {"step": len(loader) * size})
    yield from one_by_one
