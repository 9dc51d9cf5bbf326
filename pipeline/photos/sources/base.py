"""What every source of photos can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class Photo(NamedTuple):
    """One listed photo: its place within the source, the id of its class, and its size in bytes."""

    path: str
    class_id: str
    size_bytes: int


class Source(Protocol):
    """A collection of labelled photos. Pickles, so that worker processes can read from it."""

    @property
    def type(self) -> str: ...

    @property
    def location(self) -> str: ...

    def listings(self) -> Mapping[str, Sequence[Photo]]:
        """The photos, sorted by path: under `train` and `val` where the source has both, else under `all`.

        Raises `BadSourceError` when the source is missing, or not in its form.
        """
        ...

    def class_names(self) -> Mapping[str, str]:
        """Class id to readable name, for the classes the source has names for."""
        ...

    def read(self, path: str) -> bytes:
        """The bytes of a listed photo; raises `UnusablePhotoError` when they cannot be had."""
        ...
