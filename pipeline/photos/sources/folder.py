"""Photos in folders: one folder per class, its name the class's id."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Final

from pipeline.errors import BadSourceError, UnusablePhotoError
from pipeline.photos.sources.base import Photo

MAX_FILE_BYTES: Final = 512 * 2**20
_FORM: Final = "give a folder that holds one folder of photos per class, or train/ and val/ with such folders"


@dataclass(frozen=True)
class FolderSource:
    """A folder of class folders, or one whose `train/` and `val/` hold the class folders.

    Every file below a class folder counts as a photo of the class, whatever its name; hidden files and files
    beside the class folders do not. `classes.json` at the top may give class ids readable names.
    """

    root: Path

    type: ClassVar[str] = "folder"

    @property
    def location(self) -> str:
        return str(self.root)

    def listings(self) -> dict[str, list[Photo]]:
        if not self.root.is_dir():
            problem = "is not a folder" if self.root.exists() else "does not exist"
            raise BadSourceError(f"{self.root} {problem}: {_FORM}")
        try:
            # A folder named train that holds photos rather than folders is the class of railway trains.
            if not _class_folders(self.root / "train"):
                return {"all": self._photos("")}
            names = [name for name in ("train", "val") if (self.root / name).is_dir()]
            return {name: self._photos(name) for name in names}
        except OSError as error:
            raise BadSourceError(f"{error.filename} cannot be read: {error.strerror}") from error

    def class_names(self) -> dict[str, str]:
        path = self.root / "classes.json"
        if not path.is_file():
            return {}
        try:
            names = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise BadSourceError(f"{path} is not readable JSON: {error}") from error
        if not isinstance(names, dict) or not all(_is_name(name) for name in names.values()):
            raise BadSourceError(f"{path} does not map class ids to names that can be printed")
        return names

    def read(self, path: str) -> bytes:
        try:
            file = os.path.realpath(self.root / path, strict=True)
            # A shared source must not lend out what its links point at elsewhere.
            if not file.startswith(self._real_root):
                raise UnusablePhotoError("outside_source", "a link out of the source")
            # Opened without waiting: a pipe without a writer would block for ever.
            with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb") as opened:
                found = os.fstat(opened.fileno())
                if not stat.S_ISREG(found.st_mode):
                    raise UnusablePhotoError("not_a_file", "neither a file nor a link to one")
                if found.st_size > MAX_FILE_BYTES:
                    raise UnusablePhotoError("too_large", f"{found.st_size} bytes")
                return opened.read()
        except OSError as error:
            raise UnusablePhotoError("unreadable", error.strerror or str(error)) from error

    @cached_property
    def _real_root(self) -> str:
        return os.path.realpath(self.root).rstrip("/") + "/"

    def _photos(self, split: str) -> list[Photo]:
        folder = self.root / split
        class_ids = _class_folders(folder)
        if not class_ids:
            raise BadSourceError(f"{folder} holds no class folders: {_FORM}")
        photos: list[Photo] = []
        for class_id in class_ids:
            if not _is_name(class_id):
                raise BadSourceError(
                    f"class folder {class_id!r} in {folder} has a name that cannot be printed"
                )
            name = f"{split}/{class_id}" if split else class_id
            found = [Photo(path, class_id, size) for path, size in _files_below(self.root, name)]
            if not found:
                raise BadSourceError(f"class folder {folder / class_id} holds no photos: fill or remove it")
            photos.extend(found)
        return sorted(photos)


def _is_name(name: object) -> bool:
    return isinstance(name, str) and bool(name) and name.isprintable()


def _class_folders(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in _visible(folder) if entry.is_dir())


def _visible(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if not entry.name.startswith("."))


def _files_below(root: Path, folder: str) -> Iterator[tuple[str, int]]:
    for entry in _visible(root / folder):
        path = f"{folder}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _files_below(root, path)
        else:
            yield path, _size_bytes(entry)


def _size_bytes(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except OSError:
        # A link to nothing stays listed, so that reading it puts it on the ledger.
        return 0
