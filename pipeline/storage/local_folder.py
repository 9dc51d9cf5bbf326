"""A folder whose large files may be in object storage, as code that reads files wants it."""

from __future__ import annotations

import weakref
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.storage.node_cache import NodeCache
from pipeline.storage.stored_files import STORAGE_FILE, StoredFiles


class LocalFolder:
    """`path` holds every file of a folder: it is the folder itself, or one of links where files are fetched.

    It stays until `close`, or until this is let go of. Files whose checksums only a dataset's manifest knows
    are not among them. Raises what `NodeCache.lease` raises.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder
        with ExitStack() as opening:
            stored = StoredFiles.of(folder)
            if stored is not None:
                cache = NodeCache.of_this_node()
                lease = cache.lease(stored.all)
                opening.callback(lease.close)
                self.path = opening.enter_context(cache.scratch())
                for file in folder.iterdir():
                    if file.name != STORAGE_FILE:
                        (self.path / file.name).symlink_to(file.absolute())
                for name, file in lease.paths.items():
                    (self.path / name).symlink_to(file)
            self.close = weakref.finalize(self, opening.pop_all().close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
