"""ImageNet's ILSVRC2012 as it is downloaded: tars of photos, read in place."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar, Final

from pipeline.errors import BadSourceError
from pipeline.photos.sources.base import FilesSource, Photo, in_listing_order
from pipeline.photos.sources.class_names import is_printable
from pipeline.photos.sources.devkit import synset_names, validation_labels
from pipeline.photos.sources.tar_index import TARS_AT_ONCE, TarMember, read_member, tar_members

TRAIN_TAR: Final = "ILSVRC2012_img_train.tar"
VAL_TAR: Final = "ILSVRC2012_img_val.tar"


@dataclass(frozen=True)
class IlsvrcSource(FilesSource):
    """A folder with `ILSVRC2012_img_train.tar`, a tar of one tar per class, and where there is one
    `ILSVRC2012_img_val.tar`, the validation photos without folders.

    What these show, and the names of the classes, say the devkit or a list beside them.
    """

    type: ClassVar[str] = "ilsvrc"

    def listings(self) -> dict[str, list[Photo]]:
        train = self._train_photos()
        if not self.files.is_file(VAL_TAR):
            return {"train": train}
        return {"train": train, "val": self._val_photos(sorted({photo.class_id for photo in train}))}

    def class_names(self) -> Mapping[str, str]:
        return synset_names(self.files)

    def read(self, photo: Photo) -> bytes:
        return read_member(self.files, photo)

    def _train_photos(self) -> list[Photo]:
        location = f"{self.location}/{TRAIN_TAR}"
        with self.files.open(TRAIN_TAR) as file:
            class_tars = list(tar_members(file, location))
        if not class_tars:
            raise BadSourceError(f"{location} holds no tars of classes: fetch it again")
        for class_tar in class_tars:
            if not (class_tar.name.endswith(".tar") and is_printable(class_tar.name)):
                raise BadSourceError(
                    f"{location} holds {class_tar.name!r}, which is no class's tar: give the file as it is"
                    " downloaded, or unpack it into class folders"
                )
        with ThreadPoolExecutor(TARS_AT_ONCE) as readers:
            photos = [photo for found in readers.map(self._class_photos, class_tars) for photo in found]
        return in_listing_order(photos)

    def _class_photos(self, class_tar: TarMember) -> list[Photo]:
        path = f"{TRAIN_TAR}/{class_tar.name}"
        class_id = PurePosixPath(class_tar.name).stem
        with self.files.open(TRAIN_TAR) as file:
            members = tar_members(file, f"{self.location}/{path}", class_tar.place, class_tar.size_bytes)
            photos = [
                Photo(f"{path}/{member.name}", class_id, member.size_bytes, TRAIN_TAR, member.place)
                for member in members
            ]
        if not photos:
            raise BadSourceError(f"{self.location}/{path} holds no photos: fetch {TRAIN_TAR} again")
        return photos

    def _val_photos(self, train_ids: list[str]) -> list[Photo]:
        with self.files.open(VAL_TAR) as file:
            members = list(tar_members(file, f"{self.location}/{VAL_TAR}"))
        if not members:
            raise BadSourceError(f"{self.location}/{VAL_TAR} holds no photos: fetch it again")
        # Labels are listed in the order of the photos' own names.
        members.sort(key=lambda member: PurePosixPath(member.name).name)
        names = [PurePosixPath(member.name).name for member in members]
        labels = validation_labels(self.files, names, train_ids)
        return in_listing_order(
            Photo(f"{VAL_TAR}/{member.name}", class_id, member.size_bytes, VAL_TAR, member.place)
            for member, class_id in zip(members, labels, strict=True)
        )
