"""Photos in folders: one folder per class, its name the class's id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import PurePosixPath
from typing import ClassVar, Final

from pipeline.errors import BadSourceError
from pipeline.photos.files import File, Files
from pipeline.photos.sources.base import FilesSource, Photo, in_listing_order
from pipeline.photos.sources.class_names import is_printable, read_class_names

CLASS_NAMES_FILE: Final = "classes.json"
PHOTO_ENDINGS: Final = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm"))
_SPLITS: Final = ("train", "val")
# Beside splits lie tests, and what machines leave: some of it nobody else may look into.
_BESIDE_SPLITS: Final = frozenset((*_SPLITS, "test", "lost+found", "__MACOSX"))
_FORM: Final = "give a folder that holds one folder of photos per class, or train/ and val/ with such folders"


@dataclass(frozen=True)
class FolderSource(FilesSource):
    """A folder of class folders, or one whose `train/` and `val/` hold the class folders.

    Every file below a class folder counts as a photo of the class, whatever its name; hidden files and files
    beside the class folders do not. `classes.json` at the top may give class ids readable names.
    What could be the one or the other is neither: classes beside a `train/` that holds folders.
    """

    type: ClassVar[str] = "folder"

    def listings(self) -> dict[str, list[Photo]]:
        # A folder named train that holds photos rather than folders is the class of railway trains.
        if not (self.files.is_folder("train") and self.files.folders("train")):
            return {"all": self._photos("")}
        self._refuse_other_classes()
        names = [name for name in _SPLITS if self.files.is_folder(name)]
        return {name: self._photos(name) for name in names}

    def class_names(self) -> Mapping[str, str]:
        if not self.files.is_file(CLASS_NAMES_FILE):
            return {}
        return read_class_names(self.files, CLASS_NAMES_FILE)

    def read(self, photo: Photo) -> bytes:
        return self.files.read(photo.path)

    def _refuse_other_classes(self) -> None:
        folders = (name for name in self.files.folders() if name not in _BESIDE_SPLITS)
        others = (f"{name}/" for name in folders if any(map(_is_photo, self.files.files_below(name))))
        loose = (file.path for file in self.files.files("train") if _is_photo(file))
        if (found := next(chain(others, loose), None)) is not None:
            raise BadSourceError(
                f"{self.location}/train holds folders, so that it is a split, and {found!r} is of none: where"
                " train is a class, put all class folders into a folder called train; else move it away, or"
                " name each split by itself: SOURCE/train, and --val SOURCE/val"
            )

    def _photos(self, split: str) -> list[Photo]:
        return class_folder_photos(self.files, split, _FORM)


def _is_photo(file: File) -> bool:
    return PurePosixPath(file.path).suffix.lower() in PHOTO_ENDINGS


def class_folder_photos(files: Files, folder: str, form: str) -> list[Photo]:
    """The photos of the class folders in a folder, in listing order.

    Raises `BadSourceError` for a folder without class folders, saying which `form` is wanted, and for a class
    folder that is empty or has no printable name.
    """
    place = f"{files.location}/{folder}" if folder else files.location
    class_ids = files.folders(folder)
    if not class_ids:
        raise BadSourceError(f"{place} holds no class folders: {form}")
    photos: list[Photo] = []
    for class_id in class_ids:
        if not is_printable(class_id):
            raise BadSourceError(f"class folder {class_id!r} in {place} has a name that cannot be printed")
        class_folder = f"{folder}/{class_id}" if folder else class_id
        found = [Photo(file.path, class_id, file.size_bytes) for file in files.files_below(class_folder)]
        if not found:
            raise BadSourceError(f"class folder {place}/{class_id} holds no photos: fill or remove it")
        photos.extend(found)
    return in_listing_order(photos)
