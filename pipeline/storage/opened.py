"""The one way to object storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.storage.address import Address

if TYPE_CHECKING:
    from pipeline.storage.object_store import ObjectStore


def open_store(url: str) -> ObjectStore:
    """What lies below a URL; nothing is looked at yet. Raises ValueError for one that is not storage's."""
    # pyarrow takes a fifth of a second to import, and whoever keeps all files at home has no use for it.
    from pipeline.storage.object_store import ObjectStore

    return ObjectStore(Address(url))
