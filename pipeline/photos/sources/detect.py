"""From the name of a source to the source itself."""

from __future__ import annotations

from pathlib import Path

from pipeline.config import SourceConfig
from pipeline.photos.sources.base import Source
from pipeline.photos.sources.folder import FolderSource


def open_source(config: SourceConfig) -> Source:
    """The source a config names; nothing is read before its photos are listed."""
    return FolderSource(Path(config.path).expanduser().absolute())
