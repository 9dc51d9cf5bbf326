"""What a worker is asked for, and what it answers. Import-light: it crosses between processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline.config import PrepareConfig
from pipeline.photos.sources.base import Source
from pipeline.shards.manifest import Shard
from pipeline.shards.statistics import PixelSums


class ListedPhoto(NamedTuple):
    """A photo to be stored: where it is, and the label and sample_id it gets."""

    path: str
    label: int
    sample_id: int


@dataclass(frozen=True)
class ShardTask:
    """One shard to be written: `number` among all shards of the dataset, photos in the order of the plan."""

    number: int
    split: str
    path: Path
    source: Source
    photos: Sequence[ListedPhoto]
    config: PrepareConfig
    with_statistics: bool


class QuarantinedPhoto(NamedTuple):
    """A line of quarantine.jsonl: a photo that could not be used, and why."""

    path: str
    split: str
    label: int
    reason: str
    detail: str


@dataclass(frozen=True)
class ShardResult:
    """A shard that was written; `shard` is None when not one of its photos could be used."""

    split: str
    shard: Shard | None
    quarantined: Sequence[QuarantinedPhoto]
    sums: PixelSums | None
