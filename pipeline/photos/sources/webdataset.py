"""Photos in tars whose members belong together by name: the form of WebDataset."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import PurePosixPath
from typing import BinaryIO, ClassVar, Final, NamedTuple

from pipeline.errors import BadSourceError, UnusablePhotoError
from pipeline.photos.files import File
from pipeline.photos.sources.archive_splits import by_split
from pipeline.photos.sources.base import FilesSource, Photo, in_listing_order, integer_class_id
from pipeline.photos.sources.class_names import is_printable, read_class_names
from pipeline.photos.sources.folder import CLASS_NAMES_FILE
from pipeline.photos.sources.tar_index import TARS_AT_ONCE, TarMember, read_member, tar_members

_IMAGES: Final = frozenset(
    ("jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "ppm", "pgm", "pbm", "pnm", "img", "image")
)
_LABEL: Final = "cls"
_MAX_LABEL_BYTES: Final = 1000
_COMPRESSED_TARS: Final = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


class _Sample(NamedTuple):
    """A photo whose class is still as its label says it."""

    photo: Photo
    is_number: bool


@dataclass(frozen=True)
class WebDatasetSource(FilesSource):
    """The tars in or below a folder, or one of them; `by_split` says which train and which validate.

    Members of a tar whose names are alike up to the first dot of the file's own name are one sample: its
    photo, and its class in a `.cls`. Without that, the folder the sample lies in is its class. Where every
    class is a number, zeros before it make class ids that sort as numbers do. `classes.json` at the top may
    name them.
    A sample without a photo is listed all the same, and refused when it is read.
    """

    tar: str = ""

    type: ClassVar[str] = "webdataset"

    @property
    def location(self) -> str:
        return f"{self.files.location}/{self.tar}" if self.tar else self.files.location

    def listings(self) -> dict[str, list[Photo]]:
        splits = {"all": [File(self.tar, 0)]} if self.tar else by_split(self._tars())
        with ThreadPoolExecutor(TARS_AT_ONCE) as readers:
            found = {split: list(chain(*readers.map(self._samples, tars))) for split, tars in splits.items()}
        if all(sample.is_number for samples in found.values() for sample in samples):
            return _numbered(found)
        return {
            split: in_listing_order(sample.photo for sample in samples) for split, samples in found.items()
        }

    def class_names(self) -> Mapping[str, str]:
        return read_class_names(self.files, CLASS_NAMES_FILE) if self.files.is_file(CLASS_NAMES_FILE) else {}

    def read(self, photo: Photo) -> bytes:
        if not photo.container:
            raise UnusablePhotoError("unreadable", "the sample has no photo")
        return read_member(self.files, photo)

    def _tars(self) -> list[File]:
        listed = list(self.files.files_below())
        for file in listed:
            if file.path.lower().endswith(_COMPRESSED_TARS):
                raise BadSourceError(
                    f"{self.location}/{file.path} is compressed: decompress it first, so that photos can be"
                    " read from its midst"
                )
        tars = [file for file in listed if file.path.lower().endswith(".tar")]
        if not tars:
            raise BadSourceError(f"{self.location} holds no tars: name the folder that does")
        return tars

    def _samples(self, tar: File) -> list[_Sample]:
        images: dict[str, list[TarMember]] = {}
        labels: dict[str, list[str]] = defaultdict(list)
        location = f"{self.files.location}/{tar.path}"
        with self.files.open(tar.path) as file:
            for member in tar_members(file, location):
                key, ending = _key_and_ending(member.name)
                found = images.setdefault(key, [])
                if ending in _IMAGES:
                    found.append(member)
                elif ending == _LABEL:
                    # Read in passing: to come back for it is slow where the tar lies behind a network.
                    labels[key].append(_read_label(file, member, f"{member.name!r} in {location}"))
        samples = [self._sample(tar.path, key, images[key], labels[key]) for key in images]
        if not samples:
            raise BadSourceError(f"{location} holds no photos: fetch it again, or remove it")
        return samples

    def _sample(self, tar: str, key: str, images: Sequence[TarMember], labels: Sequence[str]) -> _Sample:
        where = f"sample {key!r} in {self.files.location}/{tar}"
        if len(images) > 1 or len(labels) > 1:
            raise BadSourceError(
                f"{where} has more than one photo or .cls: give each photo a name of its own"
            )
        class_id = labels[0] if labels else PurePosixPath(key).parent.name
        if not class_id:
            raise BadSourceError(
                f"{where} has no .cls and lies in no folder, so that its class is not known: add it"
            )
        if not is_printable(class_id):
            raise BadSourceError(f"{where} lies in a folder whose name cannot be printed")
        # Without a photo it is listed by its key, so that it gets onto the ledger.
        photo = Photo(f"{tar}/{key}", class_id, 0)
        if images:
            image = images[0]
            photo = Photo(f"{tar}/{image.name}", class_id, image.size_bytes, tar, image.place)
        return _Sample(photo, bool(labels) and class_id.isascii() and class_id.isdecimal())


def _key_and_ending(name: str) -> tuple[str, str]:
    folder, slash, file = name.rpartition("/")
    stem, _, ending = file.partition(".")
    return f"{folder}{slash}{stem}", ending.lower()


def _read_label(file: BinaryIO, member: TarMember, where: str) -> str:
    if member.size_bytes > _MAX_LABEL_BYTES:
        raise BadSourceError(
            f"{where} has {member.size_bytes} bytes and is no label: put the class alone there"
        )
    file.seek(member.place)
    try:
        label = file.read(member.size_bytes).decode("utf-8").strip()
    except ValueError as error:
        raise BadSourceError(f"{where} is no text in UTF-8: put the class there") from error
    if not is_printable(label):
        raise BadSourceError(
            f"{where} holds no class that can be printed, but {label!r}: put the class there"
        )
    return label


def _numbered(found: Mapping[str, Sequence[_Sample]]) -> dict[str, list[Photo]]:
    labels = {
        split: [(int(sample.photo.class_id), sample.photo) for sample in samples]
        for split, samples in found.items()
    }
    num_classes = 1 + max(label for pairs in labels.values() for label, _ in pairs)
    return {
        split: in_listing_order(
            photo._replace(class_id=integer_class_id(label, num_classes)) for label, photo in pairs
        )
        for split, pairs in labels.items()
    }
