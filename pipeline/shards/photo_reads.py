"""The bytes of a shard's photos, in their order, read ahead where reading is waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from pipeline.photos.sources.base import Photo, Source


def photo_reads(source: Source, photos: Iterable[Photo]) -> Iterator[Callable[[], bytes]]:
    """For every photo a function that gives its bytes, or raises as `Source.read` does.

    Up to `source.reads_at_once` photos are on their way at a time; nothing is when the iteration has ended,
    however it ends.
    """
    if source.reads_at_once == 1:
        for photo in photos:
            yield partial(source.read, photo)
        return
    readers = ThreadPoolExecutor(source.reads_at_once)
    under_way: deque[Future[bytes]] = deque()
    try:
        for photo in photos:
            under_way.append(readers.submit(source.read, photo))
            if len(under_way) == source.reads_at_once:
                yield under_way.popleft().result
        while under_way:
            yield under_way.popleft().result
    finally:
        readers.shutdown(cancel_futures=True)
