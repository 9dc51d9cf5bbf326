"""The demo's photos: a folder of the user's, Imagenette, or scikit-learn's scanned digits."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from sklearn.datasets import load_digits

from pipeline.config import SourceConfig
from pipeline.photos.sources.detect import open_source
from pipeline.shards.splits import choose_splits
from service.cli.errors import DownloadError
from service.cli.imagenette import IMAGENETTE, Archive, photos_of

DIGIT_SIDE = 64
HELD_OUT_DIGITS = 5
VAL_FRACTION = 0.2
SEED = 0


class DemoPhotos(NamedTuple):
    """Photos in a folder, one folder per class; `val_fraction` where they hold no `val/` of their own."""

    folder: Path
    val_fraction: float | None
    description: str


class HeldOut(NamedTuple):
    """A photo that training never sees, and the label of its class."""

    path: Path
    label: str


def find_photos(
    data: Path | None, cache: Path, say: Callable[[str], None], archive: Archive = IMAGENETTE
) -> DemoPhotos:
    """The user's folder where given; else Imagenette when it can be had; else digits.

    `say` is told what is downloaded, and why when it is not. Raises `BadSourceError` when the user's folder
    is not one of photos.
    """
    if data is not None:
        return own_photos(data)
    try:
        folder = photos_of(archive, cache, say)
    except DownloadError as error:
        say(f"no Imagenette: {error}")
        say("using the handwritten digits that scikit-learn ships instead")
        return digits(cache)
    return DemoPhotos(folder, None, "Imagenette: ten classes of ImageNet at 160 pixels")


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tandem"


def own_photos(folder: Path) -> DemoPhotos:
    """Raises `BadSourceError` when there is no folder, or none of photos."""
    listings = open_source(_source(folder)).listings()
    count = sum(map(len, listings.values()))
    val_fraction = None if "val" in listings else VAL_FRACTION
    return DemoPhotos(folder.absolute(), val_fraction, f"the {count} files in {folder}")


def digits(cache: Path) -> DemoPhotos:
    """Scans of 8×8 pixels, enlarged and written out as image files; every fifth is held out."""
    folder = cache / "digits"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as aside:
            _write_digits(Path(aside) / "digits")
            (Path(aside) / "digits").rename(folder)
    return DemoPhotos(folder, None, "handwritten digits: 1,797 scans that scikit-learn ships, as PNG files")


def held_out(photos: DemoPhotos, count: int) -> list[HeldOut]:
    """Up to `count` of the photos that training never sees, each of another class."""
    config = _source(photos.folder)
    source = open_source(config)
    val = choose_splits(source, None, photos.val_fraction, seed=SEED)[-1]
    by_class: dict[str, list[Path]] = {}
    for photo in val.photos:
        by_class.setdefault(photo.class_id, []).append(photos.folder / photo.path)
    names = source.class_names()
    chosen = []
    for class_id in list(by_class)[:: max(1, len(by_class) // count)]:
        path = next(filter(_opens, by_class[class_id]), None)
        if path is not None:
            chosen.append(HeldOut(path, names.get(class_id, class_id)))
    return chosen[:count]


def _source(folder: Path) -> SourceConfig:
    return SourceConfig(type="folder", path=str(folder.absolute()))


def _opens(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            image.load()
    except (OSError, ValueError, SyntaxError):
        return False
    return True


def _write_digits(folder: Path) -> None:
    scans = load_digits()
    # Scans count ink from 0 to 16.
    pixels = (255 - scans.images / 16 * 255).astype("uint8")
    for number, (image, digit) in enumerate(zip(pixels, scans.target, strict=True)):
        split = "val" if number % HELD_OUT_DIGITS == 0 else "train"
        path = folder / split / str(digit) / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        enlarged = Image.fromarray(image).resize((DIGIT_SIDE, DIGIT_SIDE), Image.Resampling.BICUBIC)
        enlarged.save(path)
