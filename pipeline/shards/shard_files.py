"""Where a shard and what is known of it lie while the dataset is being made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, NamedTuple

RECORDS_FOLDER: Final = "records"


class ShardFiles(NamedTuple):
    """The files of one shard in the staging folder. `name` is the shard's own: train-00000.beton.

    With a `storage` URL the shard itself lies below that, and all else in the folder.
    """

    folder: Path
    name: str
    storage: str | None = None

    @property
    def shard(self) -> Path:
        """The shard, unless it is in object storage."""
        return self.folder / self.name

    @property
    def record(self) -> Path:
        """What makes the shard count as finished."""
        return self.folder / RECORDS_FOLDER / f"{self.name}.json"

    @property
    def sums(self) -> Path:
        """The pixel sums of its photos."""
        return self.folder / RECORDS_FOLDER / f"{self.name}.npz"

    @property
    def mark(self) -> Path:
        """How far its worker is."""
        return self.folder / RECORDS_FOLDER / f"{self.name}.mark"

    @property
    def stop(self) -> Path:
        """While it is there, workers leave the shards of this folder unfinished."""
        return self.folder / ".stop"

    def partial(self, attempt: int) -> Path:
        """Where an attempt writes: a process that was given up for dead may still be at an earlier one."""
        return self.folder / f".{self.name}.{os.getpid()}-{attempt}.partial"
