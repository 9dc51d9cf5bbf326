"""What is known of a shard once it is written, which makes it count as finished after any restart."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from pipeline.shards.durable import write_whole
from pipeline.shards.manifest import Shard

QUARANTINE_FILE: Final = "quarantine.jsonl"


class QuarantinedPhoto(NamedTuple):
    """A line of quarantine.jsonl: a photo that could not be used, and why."""

    path: str
    split: str
    label: int
    reason: str
    detail: str


def ledger(quarantined: Iterable[QuarantinedPhoto]) -> str:
    """The text of quarantine.jsonl: sorted, one object a line, ASCII whatever bytes a file name has."""
    return "".join(f"{json.dumps(photo._asdict())}\n" for photo in sorted(quarantined))


@dataclass(frozen=True)
class ShardRecord:
    """A shard as it was written, and its quarantined photos; `shard` is None when none could be used."""

    file: str
    split: str
    num_photos: int
    shard: Shard | None
    quarantined: tuple[QuarantinedPhoto, ...]

    def save(self, path: Path) -> None:
        """Writes the record whole or not at all, and last of all that belongs to the shard."""
        document = {
            "file": self.file,
            "split": self.split,
            "num_photos": self.num_photos,
            "shard": None if self.shard is None else self.shard.model_dump(),
            "quarantined": self.quarantined,
        }
        # All of it ASCII, though a path may hold bytes that are not UTF-8.
        write_whole(path, json.dumps(document))

    @classmethod
    def load(cls, path: Path) -> ShardRecord:
        document = json.loads(path.read_text("ascii"))
        return cls(
            document["file"],
            document["split"],
            document["num_photos"],
            None if document["shard"] is None else Shard.model_validate(document["shard"]),
            tuple(QuarantinedPhoto(*photo) for photo in document["quarantined"]),
        )
