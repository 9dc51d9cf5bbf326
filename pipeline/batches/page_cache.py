"""The photos of a split in recent pages, read from disk into this process."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.batches.mapped_memory import by_pointer, size_at
from pipeline.batches.reader import SplitReader
from pipeline.errors import BadDatasetError, CacheTooSmallError
from pipeline.ffcv_import import ffcv_import

with ffcv_import():
    from ffcv.memory_managers import MemoryContext, ProcessCacheManager

# Enough to keep a disk busy while one page is copied.
_READERS: Final = 4


class PageCache(ProcessCacheManager):  # type: ignore[misc]
    """FFCV's process cache, over all shards of a split and in no more than `cache_bytes` of memory.

    FFCV's own reads one file, takes what memory the order asks for, and waits for ever when a read fails.
    """

    def __init__(self, reader: SplitReader, cache_bytes: int) -> None:
        self.reader = reader
        self.ptrs, self.sizes = by_pointer(reader)
        self._cache_bytes = cache_bytes
        self._pages = (reader.pointers // np.uint64(reader.page_size)).astype(np.int64)

    def compile_reader(self) -> Any:
        return _photo

    def schedule_epoch(self, batches: Sequence[NDArray[np.int64]]) -> PageContext:
        """Memory for batches of positions that will be asked for one after the other.

        Raises `CacheTooSmallError` when there is not memory enough for this order.
        """
        schedule = _schedule([np.unique(self._pages[positions]) for positions in batches])
        page, most = self.reader.page_size, schedule.most_at_once
        num_slots = self._cache_bytes // page
        if most > num_slots:
            raise CacheTooSmallError(
                f"cache_bytes={self._cache_bytes} holds {num_slots} pages of {page} bytes, and this order"
                f" needs {most} at once: allow cache_bytes={most * page}, or shuffle=blocks with less"
                " window_bytes"
            )
        return PageContext(self, schedule, num_slots)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _photo(pointer: np.uint64, state: Any) -> NDArray[np.uint8]:
    """The bytes of the photo at a pointer: uint8 [n]."""
    memory, pointers, sizes, slots = state
    page_size = np.uint64(memory.shape[1])
    start = pointer % page_size
    end = start + size_at(pointer, pointers, sizes)
    photo: NDArray[np.uint8] = memory[slots[pointer // page_size], start:end]
    return photo


class _Schedule(NamedTuple):
    """Pages in the order they are first needed, and the batches in which they are, first and last: int64."""

    pages: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    most_at_once: int


def _schedule(pages_of_batches: Sequence[NDArray[np.int64]]) -> _Schedule:
    needed = np.concatenate([np.empty(0, np.int64), *pages_of_batches])
    batch = np.repeat(np.arange(len(pages_of_batches)), [len(pages) for pages in pages_of_batches])
    pages, first = np.unique(needed, return_index=True)
    last = len(needed) - 1 - np.unique(needed[::-1], return_index=True)[1]
    first, last = batch[first], batch[last]
    order = np.argsort(first, kind="stable")
    changes = np.zeros(len(pages_of_batches) + 1, np.int64)
    np.add.at(changes, first, 1)
    np.add.at(changes, last + 1, -1)
    return _Schedule(pages[order], first[order], last[order], int(np.cumsum(changes).max()))


class PageContext(MemoryContext):  # type: ignore[misc]
    """Pages on their way in and out while batches are decoded one after the other.

    A page is read as soon as there is room for it and all that are needed before it, and makes room once its
    last batch is over.
    """

    def __init__(self, manager: PageCache, schedule: _Schedule, num_slots: int) -> None:
        self._manager, self._reader = manager, manager.reader
        self._schedule = schedule
        self._num_slots = min(num_slots, len(schedule.pages))
        self._begun, self._read = 0, 0
        self._reads: list[Future[None]] = []
        # Places in the schedule, by when their pages are over.
        self._leaving = np.argsort(schedule.last, kind="stable")
        self._left = 0

    @property
    def state(self) -> tuple[NDArray[Any], ...]:
        """What FFCV's compiled code reads from: memory, pointers and sizes, and the slot of each page."""
        return self._memory, self._manager.ptrs, self._manager.sizes, self._slots

    def __enter__(self) -> Self:
        self._memory = np.empty((self._num_slots, self._reader.page_size), np.uint8)
        self._slots = np.zeros(self._schedule.pages.max(initial=0) + 1, np.uint32)
        self._free = list(range(self._num_slots))
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="page-reader")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._readers.shutdown(cancel_futures=True)
        del self._memory

    def start_batch(self, batch: int) -> None:
        """Returns when a batch's pages are there, where they stay until the next batch is started.

        Batches are started in order. Raises `BadDatasetError` for a shard that cannot be read.
        """
        self._make_room(batch)
        self._read_ahead()
        needed = int(np.searchsorted(self._schedule.first, batch, side="right"))
        for read in self._reads[self._read : needed]:
            read.result()
        self._read = needed

    def _make_room(self, batch: int) -> None:
        schedule = self._schedule
        while self._left < len(self._leaving):
            place = self._leaving[self._left]
            if schedule.last[place] >= batch:
                return
            self._free.append(int(self._slots[schedule.pages[place]]))
            self._left += 1

    def _read_ahead(self) -> None:
        while self._free and self._begun < len(self._schedule.pages):
            page, slot = int(self._schedule.pages[self._begun]), self._free.pop()
            self._slots[page] = slot
            self._reads.append(self._readers.submit(self._fill, page, slot))
            self._begun += 1

    def _fill(self, page: int, slot: int) -> None:
        """Reads a page into a slot: all of it, or as far as its file reaches."""
        reader = self._reader
        start = page * reader.page_size
        shard = int(np.searchsorted(reader.offsets, start, side="right")) - 1
        place = start - int(reader.offsets[shard])
        size = min(reader.page_size, reader.shards[shard].size_bytes - place)
        path, done = reader.paths[shard], 0
        try:
            opened = os.open(path, os.O_RDONLY)
            try:
                while done < size:
                    # Memory under a name of this frame would live as long as the error raised from it.
                    count = os.preadv(opened, [self._memory[slot, done:size].data], place + done)
                    if not count:
                        raise BadDatasetError(f"{path} cannot be read: it has been cut short")
                    done += count
            finally:
                os.close(opened)
        except OSError as error:
            raise BadDatasetError(f"{path} cannot be read: {error.strerror}") from error
