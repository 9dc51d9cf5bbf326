"""A source whose classes are named by a file of the user's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.photos.open_files import open_files, parent_and_name
from pipeline.photos.sources.base import Photo, Source
from pipeline.photos.sources.class_names import read_class_names


@dataclass(frozen=True)
class NamedSource:
    """Another source, with names from a JSON file, a path or URL, over its own."""

    source: Source
    names: str

    @property
    def type(self) -> str:
        return self.source.type

    @property
    def location(self) -> str:
        return self.source.location

    @property
    def reads_at_once(self) -> int:
        return self.source.reads_at_once

    def listings(self) -> Mapping[str, Sequence[Photo]]:
        return self.source.listings()

    def class_names(self) -> Mapping[str, str]:
        folder, name = parent_and_name(self.names)
        return {**self.source.class_names(), **read_class_names(open_files(folder), name)}

    def read(self, photo: Photo) -> bytes:
        return self.source.read(photo)

    def keeping_in(self, folder: Path) -> NamedSource:
        return replace(self, source=self.source.keeping_in(folder))
