"""Photos that could not be read when their shard was written, tried when the preparation goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from pipeline.errors import UnusablePhotoError
from pipeline.photos.sources.base import Photo, Source
from pipeline.shards.photo_reads import photo_reads
from pipeline.shards.record import ShardRecord

_UNREADABLE: Final = "unreadable"


def is_outdated(record: ShardRecord, source: Source, photos: Iterable[Photo]) -> bool:
    """Whether one of the shard's `photos` that its record calls unreadable is so no more.

    Rights or a mount were mended: neither changes a photo's path or size. Raises `SourceLostError`.
    """
    paths = {photo.path for photo in record.quarantined if photo.reason == _UNREADABLE}
    unread = [photo for photo in photos if photo.path in paths] if paths else []
    return any(_is_readable(read) for read in photo_reads(source, unread))


def _is_readable(read: Callable[[], bytes]) -> bool:
    try:
        read()
    except UnusablePhotoError as error:
        reason, _ = error.args
        return bool(reason != _UNREADABLE)
    return True
