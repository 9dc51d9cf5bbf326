"""The photos in quarantine, of a dataset or of one being made. Import-light: the control plane asks."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from pipeline.errors import BadDatasetError
from pipeline.shards.record import QUARANTINE_FILE, QuarantinedPhoto, ShardRecord
from pipeline.shards.shard_files import RECORDS_FOLDER

_TYPES: Final = [str, str, int, str, str]


class Quarantine(NamedTuple):
    """Some of the photos in quarantine, in the ledger's order, and how many there are in all."""

    photos: list[QuarantinedPhoto]
    total: int


def quarantine_of(dataset_dir: Path, *, after: int, limit: int) -> Quarantine:
    """What the ledger has after its first `after` lines, `limit` lines at most.

    Raises `BadDatasetError` when it is gone, or damaged where it is read.
    """
    path = dataset_dir / QUARANTINE_FILE
    try:
        with path.open("rb") as file:
            passed = _count(islice(file, after))
            photos = [_photo(path, line) for line in islice(file, limit)]
            return Quarantine(photos, passed + len(photos) + _count(file))
    except OSError as error:
        raise BadDatasetError(f"{path} cannot be read: {error.strerror}") from error


def quarantine_so_far(staging: Path, *, after: int, limit: int) -> Quarantine:
    """The same of the shards that are finished, in the folder where a dataset is made."""
    found: list[QuarantinedPhoto] = []
    for path in (staging / RECORDS_FOLDER).glob("*.json"):
        # They go when the dataset is whole, which may be now.
        with suppress(FileNotFoundError):
            found.extend(ShardRecord.load(path).quarantined)
    return Quarantine(sorted(found)[after : after + limit], len(found))


def _count(lines: Iterable[bytes]) -> int:
    return sum(1 for _ in lines)


def _photo(path: Path, line: bytes) -> QuarantinedPhoto:
    try:
        photo = QuarantinedPhoto(**json.loads(line))
        if [type(value) for value in photo] != _TYPES:
            raise TypeError
        return photo
    # A line may be nested as deep as damage makes it.
    except (ValueError, TypeError, RecursionError) as error:
        raise BadDatasetError(
            f"{path} has a line that is no quarantined photo: tandem inspect --verify tells more"
        ) from error
