"""ImageNet's ILSVRC2012 as Kaggle's competition hands it out, unpacked."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar, Final

from pipeline.errors import BadSourceError
from pipeline.photos.sources.base import FilesSource, Photo, in_listing_order
from pipeline.photos.sources.class_names import is_printable
from pipeline.photos.sources.devkit import read_synset_words
from pipeline.photos.sources.folder import class_folder_photos

DATA_FOLDER: Final = "ILSVRC/Data/CLS-LOC"
VAL_LABELS: Final = "LOC_val_solution.csv"
NAMES: Final = "LOC_synset_mapping.txt"

_TRAIN: Final = f"{DATA_FOLDER}/train"
_VAL: Final = f"{DATA_FOLDER}/val"


@dataclass(frozen=True)
class KaggleSource(FilesSource):
    """The folder that holds `ILSVRC/` and the lists beside it: photos to train with in class folders, those
    to validate with in one folder, and their classes in `LOC_val_solution.csv`.

    A validation photo that the list names and the folder lacks is listed all the same, and found absent when
    it is read. The test photos have no labels, and are not used.
    """

    type: ClassVar[str] = "ilsvrc"

    def listings(self) -> dict[str, list[Photo]]:
        train = class_folder_photos(self.files, _TRAIN, "unpack the download again")
        return {"train": train, "val": self._val_photos()} if self.files.is_folder(_VAL) else {"train": train}

    def class_names(self) -> Mapping[str, str]:
        return read_synset_words(self.files, NAMES) if self.files.is_file(NAMES) else {}

    def read(self, photo: Photo) -> bytes:
        return self.files.read(photo.path)

    def _val_photos(self) -> list[Photo]:
        class_ids = self._val_class_ids()
        photos = []
        absent = dict(class_ids)
        for file in self.files.files_below(_VAL):
            name = PurePosixPath(file.path).stem
            if name not in class_ids:
                raise BadSourceError(
                    f"{VAL_LABELS} has no line for {file.path!r}: fetch it again, or move the photo away"
                )
            absent.pop(name, None)
            photos.append(Photo(file.path, class_ids[name], file.size_bytes))
        photos += [Photo(f"{_VAL}/{name}.JPEG", class_id, 0) for name, class_id in absent.items()]
        return in_listing_order(photos)

    def _val_class_ids(self) -> dict[str, str]:
        """Class id by the photo's name without its ending."""
        location = f"{self.location}/{VAL_LABELS}"
        if not self.files.is_file(VAL_LABELS):
            raise BadSourceError(
                f"{location} is not there, which says what the validation photos show: fetch it"
            )
        class_ids: dict[str, str] = {}
        with self.files.open(VAL_LABELS) as file:
            try:
                text = file.read().decode("utf-8-sig")
                rows = list(csv.DictReader(io.StringIO(text, newline="")))
            except (ValueError, csv.Error) as error:
                raise BadSourceError(f"{location} is not readable CSV: {error}: fetch it again") from error
        for row in rows:
            name, boxes = row.get("ImageId"), row.get("PredictionString")
            # A class and four numbers per object; of one class, as the photos of the challenge are.
            class_id = boxes.split(" ", 1)[0] if boxes else ""
            if not (name and is_printable(class_id)) or class_ids.setdefault(name, class_id) != class_id:
                raise BadSourceError(
                    f"{location} has a line that does not give an ImageId one class: {name!r}: fetch it again"
                )
        return class_ids
