"""Copies of files in object storage on this node, shared by all its processes.

<cache>/files/<checksum>       whole and verified. Who uses one holds a shared lock on it, and then it stays
<cache>/fetching/<checksum>    on its way. Who fetches it holds a lock on it, and those who wait ask for one
<cache>/scratch/<id>/          a process's own, locked while it is at work
<cache>/lock                   held while room is made

A lock goes with its process, however that ends: what nobody holds is whole and can go, or was left and is
removed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from pipeline.errors import NodeCacheFullError, NodeCacheUnusableError, StoredFileDamagedError
from pipeline.own_folder import make_own
from pipeline.shards.durable import sync
from pipeline.storage.file_lock import held_if_there, is_at, locked, opened, removed
from pipeline.storage.opened import open_store
from pipeline.storage.settings import CacheSettings
from pipeline.storage.stored_files import StoredFile

_FETCHED_AT_ONCE: Final = 8


class Lease:
    """Files of the cache, by name: none of them goes before `close`, or before this is let go of."""

    def __init__(self, paths: Mapping[str, Path], descriptors: Sequence[int]) -> None:
        self.paths = paths
        self.close = weakref.finalize(self, _close_all, descriptors)


class _Entry(NamedTuple):
    path: Path
    size_bytes: int
    used_at: float


class NodeCache:
    """Raises `NodeCacheUnusableError` for a folder that cannot be one."""

    def __init__(self, folder: Path, limit_bytes: int | None) -> None:
        """Without a limit, half of the disk that the folder lies on."""
        self._folder = folder
        self._files, self._fetching, self._scratch = (
            folder / name for name in ("files", "fetching", "scratch")
        )
        try:
            # Others could leave files in a folder of a name that they know, and those would be believed.
            make_own(folder)
            for part in (self._files, self._fetching, self._scratch):
                part.mkdir(exist_ok=True)
        except OSError as error:
            raise NodeCacheUnusableError(
                f"{folder} cannot hold files ({error.strerror}): set TANDEM_CACHE to another folder"
            ) from error
        self.limit_bytes = limit_bytes or shutil.disk_usage(folder).total // 2

    @classmethod
    def of_this_node(cls) -> NodeCache:
        """The one that TANDEM_CACHE and TANDEM_CACHE_BYTES of this process's environment describe."""
        settings = CacheSettings()
        return cls(settings.cache, settings.cache_bytes)

    def lease(self, files: Sequence[StoredFile]) -> Lease:
        """Has all of the files here, each fetched once whoever else asks for it, and keeps them here.

        Raises `NodeCacheFullError` where they do not fit beside what is in use, `StoredFileDamagedError` for
        one that is missing or, fetched twice, is not what its checksum says, and `StorageUnavailableError`.
        """
        self._refuse_what_cannot_fit(files)
        held: list[int] = []
        threads = ThreadPoolExecutor(_FETCHED_AT_ONCE, thread_name_prefix="fetch")
        try:
            # The first alone: where nobody answers, many would be longer in finding that out.
            held.extend(map(self._hold, files[:1]))
            list(threads.map(lambda file: held.append(self._hold(file)), files[1:]))
        except BaseException:
            threads.shutdown(cancel_futures=True)
            _close_all(held)
            raise
        finally:
            threads.shutdown()
        return Lease({file.name: self._files / str(file.checksum) for file in files}, held)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """An empty folder on this node's disk, gone afterwards; so are those that killed processes left."""
        with self._alone():
            for left in self._scratch.iterdir():
                with suppress(OSError), opened(left) as descriptor:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(left, ignore_errors=True)
            folder = Path(tempfile.mkdtemp(dir=self._scratch))
            held = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(held, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(held)

    def _hold(self, file: StoredFile) -> int:
        """A descriptor whose shared lock keeps the file in the cache; fetches it first where it is not."""
        path, partial = self._files / str(file.checksum), self._fetching / str(file.checksum)
        while True:
            descriptor = held_if_there(path)
            if descriptor is not None:
                os.utime(descriptor)
                return descriptor
            descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if locked(descriptor) and is_at(descriptor, partial):
                    if not path.exists():
                        self._fetch(file, descriptor, partial)
                        partial.rename(path)
                    else:
                        # Another was done with it since.
                        partial.unlink()
                # From here on a lease: for who has fetched it, and, once that is done, for who has waited.
                fcntl.flock(descriptor, fcntl.LOCK_SH)
                if is_at(descriptor, path):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def _fetch(self, file: StoredFile, descriptor: int, partial: Path) -> None:
        """Fills a file that this process has locked, and verifies it; it is gone where that fails."""
        try:
            self._make_room(file, descriptor)
            store = open_store(file.folder_url)
            with os.fdopen(descriptor, "r+b", closefd=False) as target:
                store.fetch(file.name, target)
                target.flush()
                if not file.checksum.is_of(partial):
                    store.fetch(file.name, target)
                    target.flush()
                    if not file.checksum.is_of(partial):
                        raise StoredFileDamagedError(file.url, f"is not of checksum {file.checksum}")
            sync(partial)
        except BaseException as error:
            partial.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise NodeCacheFullError(
                    f"{self._folder} cannot take {file.url} ({error.strerror}): set TANDEM_CACHE to a larger"
                    " disk"
                ) from error
            raise

    def _refuse_what_cannot_fit(self, files: Sequence[StoredFile]) -> None:
        wanted = {str(file.checksum): file.size_bytes for file in files}
        with self._alone():
            others = [entry for entry in self._entries() if entry.path.name not in wanted]
            in_use = sum(entry.size_bytes for entry in others if not removed(entry.path, only_asked=True))
        if sum(wanted.values()) + in_use > self.limit_bytes:
            raise self._full(sum(wanted.values()), in_use)

    def _make_room(self, file: StoredFile, descriptor: int) -> None:
        """Lets files go that nobody uses, the least recently used first, until this one fits."""
        with self._alone():
            # Of its whole size at once, so that others count with it.
            os.truncate(descriptor, file.size_bytes)
            entries = sorted(self._entries(), key=lambda entry: entry.used_at)
            total = sum(entry.size_bytes for entry in entries)
            for entry in entries:
                if total <= self.limit_bytes:
                    return
                if removed(entry.path):
                    total -= entry.size_bytes
            if total > self.limit_bytes:
                raise self._full(file.size_bytes, total - file.size_bytes)

    def _full(self, needed_bytes: int, in_use_bytes: int) -> NodeCacheFullError:
        return NodeCacheFullError(
            f"{needed_bytes:,} bytes of object storage do not fit into {self._folder}, which may hold"
            f" {self.limit_bytes:,} and has {in_use_bytes:,} in use: raise TANDEM_CACHE_BYTES, or set"
            " TANDEM_CACHE to a larger disk"
        )

    def _entries(self) -> Iterator[_Entry]:
        """All that takes room. Half-fetched files come first of those that can go."""
        for folder in (self._fetching, self._files):
            for path in folder.iterdir():
                # One that is fetched takes its name at any moment.
                with suppress(FileNotFoundError):
                    found = path.stat()
                    used_at = 0.0 if folder == self._fetching else found.st_mtime
                    yield _Entry(path, found.st_size, used_at)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with opened(self._folder / "lock", os.O_RDWR | os.O_CREAT) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield


def _close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
