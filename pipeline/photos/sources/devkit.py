"""Labels of ImageNet's validation photos and names of its classes, from the devkit or from lists."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from pipeline.errors import BadSourceError
from pipeline.photos.files import Files
from pipeline.photos.sources.class_names import is_printable
from pipeline.photos.sources.matlab import read_table

DEVKIT: Final = "ILSVRC2012_devkit_t12.tar.gz"
SYNSET_LISTS: Final = ("imagenet_2012_validation_synset_labels.txt", "synset_labels.txt")
INDEX_LIST: Final = "val.txt"
NAME_LISTS: Final = ("LOC_synset_mapping.txt", "synset_words.txt")

_SYNSETS: Final = "data/meta.mat"
_GROUND_TRUTH: Final = "data/ILSVRC2012_validation_ground_truth.txt"


@dataclass(frozen=True)
class Devkit:
    """Names of the photographed classes by id, and the class ids of the validation photos in name order."""

    names: Mapping[str, str]
    labels: Sequence[str]


def validation_labels(files: Files, photos: Sequence[str], train_ids: Sequence[str]) -> list[str]:
    """The class id of every validation photo, from what lies beside their tar.

    `photos` are the photos' file names, sorted; `train_ids` the class ids of the training photos, sorted.
    Raises `BadSourceError` when nothing says what they show, or what does so is not of these photos.
    """
    if files.is_file(DEVKIT):
        return _one_each(read_devkit(files).labels, photos, files, DEVKIT)
    for path in SYNSET_LISTS:
        if files.is_file(path):
            return _one_each(_printable(_lines(files, path), files, path), photos, files, path)
    if files.is_file(INDEX_LIST):
        lines = _one_each(_lines(files, INDEX_LIST), photos, files, INDEX_LIST)
        by_photo = dict(_named_class(line, train_ids, files) for line in lines)
        if absent := [photo for photo in photos if photo not in by_photo]:
            raise BadSourceError(f"{files.location}/{INDEX_LIST} has no line for {absent[0]!r}")
        return [by_photo[photo] for photo in photos]
    raise BadSourceError(
        f"nothing in {files.location} says what the validation photos show: put {DEVKIT}, {SYNSET_LISTS[0]}"
        f" or {INDEX_LIST} there"
    )


def synset_names(files: Files) -> Mapping[str, str]:
    """Class id to name, from the devkit or a list; empty where there is neither."""
    if files.is_file(DEVKIT):
        return read_devkit(files).names
    for path in NAME_LISTS:
        if files.is_file(path):
            return read_synset_words(files, path)
    return {}


def read_synset_words(files: Files, path: str) -> dict[str, str]:
    """Class id to name, from lines such as `n01440764 tench, Tinca tinca`."""
    pairs = [line.partition(" ") for line in _lines(files, path)]
    for class_id, _, name in pairs:
        if not (is_printable(class_id) and is_printable(name.strip())):
            raise BadSourceError(
                f"{files.location}/{path} has a line that is no class id and name: {class_id!r}"
            )
    return {class_id: name.strip() for class_id, _, name in pairs}


def read_devkit(files: Files) -> Devkit:
    """Raises `BadSourceError` when the devkit is cut off, damaged, or another one."""
    location = f"{files.location}/{DEVKIT}"
    with files.open(DEVKIT) as file:
        try:
            with tarfile.open(fileobj=file, mode="r:gz") as tar:
                synsets, ground_truth = (_extract(tar, path) for path in (_SYNSETS, _GROUND_TRUTH))
            class_ids, names = _photographed(synsets)
            labels = [class_ids[int(line)] for line in ground_truth.split()]
        # gzip, tarfile and the parser of the table let through whatever they trip over.
        except Exception as error:
            raise BadSourceError(
                f"{location} is not ILSVRC2012's devkit, or damaged ({_in_one_line(error)}): fetch it again"
            ) from error
    return Devkit(names, _printable(labels, files, DEVKIT))


def _extract(tar: tarfile.TarFile, path: str) -> bytes:
    for member in tar:
        if PurePosixPath(member.name).match(f"*/{path}") and (file := tar.extractfile(member)):
            return file.read()
    raise KeyError(f"no {path}")


def _photographed(document: bytes) -> tuple[dict[int, str], dict[str, str]]:
    """Number to class id and class id to name, of the synsets that have photos: those without children."""
    columns = ("ILSVRC2012_ID", "WNID", "words", "num_children")
    leaves = [row[:-1] for row in read_table(document, "synsets", columns) if row[-1] == 0]
    class_ids = {int(number): str(class_id) for number, class_id, _ in leaves}
    names = {str(class_id): str(words) for _, class_id, words in leaves}
    return class_ids, {class_id: name for class_id, name in names.items() if is_printable(name)}


def _named_class(line: str, train_ids: Sequence[str], files: Files) -> tuple[str, str]:
    """The photo's name and its class id, from a line such as `ILSVRC2012_val_00000001.JPEG 65`."""
    name, _, index = line.rpartition(" ")
    if not (index.isascii() and index.isdecimal() and int(index) < len(train_ids)):
        raise BadSourceError(
            f"{files.location}/{INDEX_LIST} has a line that is not a photo and one of {len(train_ids)}"
            f" classes, counted from 0: {line!r}"
        )
    return PurePosixPath(name.strip()).name, train_ids[int(index)]


def _one_each(labels: Sequence[str], photos: Sequence[str], files: Files, path: str) -> list[str]:
    if len(labels) != len(photos):
        raise BadSourceError(
            f"{files.location}/{path} labels {len(labels)} validation photos, and there are {len(photos)}:"
            " fetch both again"
        )
    return list(labels)


def _printable(class_ids: Sequence[str], files: Files, path: str) -> Sequence[str]:
    for class_id in class_ids:
        if not is_printable(class_id):
            raise BadSourceError(
                f"{files.location}/{path} has a class id that cannot be printed: {class_id!r}"
            )
    return class_ids


def _lines(files: Files, path: str) -> list[str]:
    with files.open(path) as file:
        try:
            text = file.read().decode("utf-8")
        except ValueError as error:
            raise BadSourceError(f"{files.location}/{path} is not text in UTF-8: {error}") from error
    return [line.strip() for line in text.rstrip().split("\n")] if text.strip() else []


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
