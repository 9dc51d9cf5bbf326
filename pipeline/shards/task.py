"""What a worker is asked for. Import-light: it crosses between processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.config import PrepareConfig
from pipeline.errors import ShardStoppedError
from pipeline.photos.sources.base import Photo, Source
from pipeline.shards.shard_files import ShardFiles


class ListedPhoto(NamedTuple):
    """A photo to be stored: where it is, the label and sample_id it gets, and whether it is stored raw."""

    photo: Photo
    label: int
    sample_id: int
    raw: bool


@dataclass(frozen=True)
class ShardTask:
    """One shard to be written, its photos in the order of the plan.

    `attempt` counts from 1. Photos at the positions `suspects` were at work each time when workers of earlier
    attempts died: they are tried in a process of their own before they are used.
    """

    files: ShardFiles
    split: str
    source: Source
    photos: Sequence[ListedPhoto]
    config: PrepareConfig
    attempt: int = 1
    suspects: frozenset[int] = frozenset()

    @property
    def with_statistics(self) -> bool:
        return self.split == "train"


def refuse_stopped(task: ShardTask) -> None:
    """Raises `ShardStoppedError` once the driver wants the shard left unfinished."""
    if task.files.stop.exists():
        raise ShardStoppedError(task.files.name)
