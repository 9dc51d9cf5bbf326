"""From photos in a folder or tar, each in train/ or test/ and there in its class's folder, to a dataset."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import xxhash

from pipeline.config import PrepareConfig, SourceConfig
from pipeline.errors import BadSourceError, PlanChangedError
from pipeline.shards.prepare import PrepareProgress, prepare

_SPLITS: Final = ("train", "test")
_FORM: Final = "give a folder or a tar that holds train/CLASS/… and test/CLASS/…"


@dataclass(frozen=True)
class PhotoSelection:
    """The first photos of each class by name, or all of them, at a size."""

    data: Path
    image_size: int
    train_per_class: int | None
    test_per_class: int | None

    @property
    def dataset_name(self) -> str:
        place = xxhash.xxh3_64_hexdigest(os.fsencode(self.data.resolve()))[:8]
        counts = "-".join(str(count or "all") for count in (self.train_per_class, self.test_per_class))
        return f"{self.data.name.partition('.')[0]}-{place}-{self.image_size}px-{counts}"

    def limit(self, split: str) -> int | None:
        return self.train_per_class if split == "train" else self.test_per_class


def prepare_photos(
    selection: PhotoSelection, cache: Path, workers: int
) -> Generator[PrepareProgress, None, None]:
    """Makes the dataset `cache / selection.dataset_name`, with the test photos as `val`, unless it is there.

    Raises `BadSourceError` when `data` is not as it should be, and what `pipeline.shards.prepare` raises.
    """
    out = cache.absolute() / selection.dataset_name
    with _staged(selection, out.with_name(f".{out.name}.photos")) as photos:
        try:
            yield from _prepare(photos, out, selection.image_size, workers, force=False)
        except PlanChangedError:
            # This is a cache: what was made of other photos is made anew.
            yield from _prepare(photos, out, selection.image_size, workers, force=True)


def _prepare(
    photos: Path, out: Path, image_size: int, workers: int, *, force: bool
) -> Iterator[PrepareProgress]:
    # Photos this small show what JPEG does to them.
    config = PrepareConfig(
        image_size=image_size, jpeg_quality=95, chroma_subsampling="4:4:4", workers=workers
    )
    train, test = (SourceConfig(type="folder", path=str(photos / split)) for split in _SPLITS)
    with closing(prepare(train, out, config, name=out.name, val=test, force=force)) as progress:
        yield from progress


@contextmanager
def _staged(selection: PhotoSelection, stage: Path) -> Iterator[Path]:
    """The selected photos in a folder of their own, for as long as the context lasts.

    Its place is part of what the dataset is made from, so it is always the same.
    """
    shutil.rmtree(stage, ignore_errors=True)
    try:
        if selection.data.is_dir():
            _copy(selection, stage)
        elif selection.data.is_file():
            _unpack(selection, stage)
        else:
            raise BadSourceError(f"{selection.data} does not exist: {_FORM}")
        for split in _SPLITS:
            if not (stage / split).is_dir():
                raise BadSourceError(f"{selection.data} has no photos in {split}/: {_FORM}")
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _copy(selection: PhotoSelection, stage: Path) -> None:
    root = next(
        (folder for folder in (selection.data, *_folders(selection.data)) if (folder / "train").is_dir()),
        selection.data,
    )
    for split in _SPLITS:
        for class_folder in _folders(root / split):
            target = stage / split / class_folder.name
            target.mkdir(parents=True)
            names = sorted(file.name for file in class_folder.iterdir() if not file.name.startswith("."))
            for name in names[: selection.limit(split)]:
                shutil.copyfile(class_folder / name, target / name)


def _unpack(selection: PhotoSelection, stage: Path) -> None:
    """Takes photos as they come: a tar that is compressed can only be read from its start."""
    taken: Counter[tuple[str, str]] = Counter()
    try:
        with tarfile.open(selection.data, mode="r|*") as tar:
            for member in tar:
                place = _place(member)
                if place is None or taken[place[:2]] == selection.limit(place[0]):
                    continue
                taken[place[:2]] += 1
                tar.extract(member.replace(name="/".join(place)), stage, filter="data")
    except (tarfile.TarError, EOFError) as error:
        raise BadSourceError(f"{selection.data} is no tar, or cut short: {error}; {_FORM}") from error


def _place(member: tarfile.TarInfo) -> tuple[str, str, str] | None:
    """Split, class and file name of a photo; None for what is none."""
    parts = PurePosixPath(member.name).parts
    if not member.isreg() or len(parts) < 3 or parts[-3] not in _SPLITS or parts[-1].startswith("."):
        return None
    return parts[-3], parts[-2], parts[-1]


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
