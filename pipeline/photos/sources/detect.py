"""From the name of a source to the source itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from pipeline.config import SourceConfig, SourceType
from pipeline.errors import BadSourceError
from pipeline.photos.files import Files
from pipeline.photos.open_files import open_files, parent_and_name
from pipeline.photos.sources.base import Source
from pipeline.photos.sources.folder import PHOTO_ENDINGS, FolderSource
from pipeline.photos.sources.ilsvrc import TRAIN_TAR, IlsvrcSource
from pipeline.photos.sources.kaggle import DATA_FOLDER, KaggleSource
from pipeline.photos.sources.named import NamedSource
from pipeline.photos.sources.parquet import PARQUET_ENDING, ParquetSource
from pipeline.photos.sources.table import CSV_ENDING, JSONL_ENDING, TableSource
from pipeline.photos.sources.webdataset import WebDatasetSource

TAR_ENDING: Final = ".tar"
_FORMS: Final = (
    "give a folder of class folders, of tars or of Parquet files, ImageNet as it is downloaded, or one .csv, "
    ".jsonl, .tar or .parquet file"
)
_TYPE_OF_ENDING: Final[dict[str, SourceType]] = {
    CSV_ENDING: "csv",
    JSONL_ENDING: "csv",
    PARQUET_ENDING: "parquet",
    TAR_ENDING: "webdataset",
}

# Enough to meet the photos, tars or tables of any usual layout; a walk through ImageNet would take minutes.
_FOLDERS_LOOKED_INTO: Final = 20


def open_source(config: SourceConfig) -> Source:
    """The source a config names; no more is looked at than its form takes to tell.

    Raises `BadSourceError` when nothing is there, or nothing of a form known here.
    """
    source = _source(config.type, config.path)
    return source if config.class_names is None else NamedSource(source, config.class_names)


def _source(wanted: SourceType, location: str) -> Source:
    files = open_files(location)
    if files.is_folder():
        return _of_folder(files, _type_of_folder(files) if wanted == "auto" else wanted)
    folder, name = parent_and_name(location)
    parent = open_files(folder)
    if not (name and parent.is_file(name)):
        raise BadSourceError(f"{files.location} does not exist: {_FORMS}")
    if wanted == "auto":
        wanted = _TYPE_OF_ENDING.get(PurePosixPath(name).suffix.lower(), "folder")
    return _of_file(parent, name, wanted)


def _of_folder(files: Files, wanted: SourceType) -> Source:
    match wanted:
        case "ilsvrc":
            return KaggleSource(files) if files.is_folder(DATA_FOLDER) else IlsvrcSource(files)
        case "parquet":
            return ParquetSource(files)
        case "webdataset":
            return WebDatasetSource(files)
        case "csv":
            raise BadSourceError(f"{files.location} is a folder: name the .csv or .jsonl file itself")
        case _:
            return FolderSource(files)


def _of_file(parent: Files, name: str, wanted: SourceType) -> Source:
    match wanted:
        case "csv":
            return TableSource(parent, name)
        case "parquet":
            return ParquetSource(parent, name)
        case "webdataset":
            return WebDatasetSource(parent, name)
        case _:
            raise BadSourceError(f"{parent.location}/{name} is not a folder: {_FORMS}")


def _type_of_folder(files: Files) -> SourceType:
    if files.is_file(TRAIN_TAR) or files.is_folder(DATA_FOLDER):
        return "ilsvrc"
    seen: set[str] = set()
    for folder, endings in _endings_by_folder(files):
        # Archives and tables beside class folders are what these were unpacked from, or describe them.
        if folder and not PHOTO_ENDINGS.isdisjoint(endings):
            return "folder"
        seen |= endings
    if PARQUET_ENDING in seen:
        return "parquet"
    return "webdataset" if TAR_ENDING in seen else "folder"


def _endings_by_folder(files: Files) -> Iterator[tuple[str, set[str]]]:
    """The endings of the files in the first few folders, outermost first."""
    waiting = deque([""])
    for _ in range(_FOLDERS_LOOKED_INTO):
        if not waiting:
            return
        folder = waiting.popleft()
        waiting.extend(f"{folder}/{name}" if folder else name for name in files.folders(folder))
        yield folder, {PurePosixPath(file.path).suffix.lower() for file in files.files(folder)}
