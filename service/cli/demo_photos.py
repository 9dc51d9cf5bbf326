"""Where the demo's photos come from: a folder of the user's, Imagenette, or scikit-learn's scanned digits."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import httpx
from PIL import Image
from sklearn.datasets import load_digits

from pipeline.errors import BadSourceError
from service.cli.errors import DownloadError

# The archive that torchvision.datasets.Imagenette(size="160px") names, and the MD5 it names for it.
IMAGENETTE_URL = "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz"
IMAGENETTE_MD5 = "e793b78cc4c9e9a4ccc0c1155377a412"
IMAGENETTE_CLASSES: Final = MappingProxyType(
    {
        "n01440764": "tench",
        "n02102040": "English springer",
        "n02979186": "cassette player",
        "n03000684": "chain saw",
        "n03028079": "church",
        "n03394916": "French horn",
        "n03417042": "garbage truck",
        "n03425413": "gas pump",
        "n03445777": "golf ball",
        "n03888257": "parachute",
    }
)
ANSWER_SECONDS = 5.0
DOWNLOAD_SECONDS = 120.0
DIGIT_SIDE = 64
VAL_FRACTION = 0.2


class DemoPhotos(NamedTuple):
    """Photos in folders, one per class."""

    folder: Path
    """holds `train/` and `val/`, unless `val_fraction` says how much to hold out"""
    val_fraction: float | None
    description: str


Say = Callable[[str], None]


def find_photos(data: Path | None, cache: Path, say: Say) -> DemoPhotos:
    """The user's folder where given; else Imagenette when it can be had; else digits.

    `say` gets a plain sentence about each choice that was not the first. Raises `BadSourceError` when the
    user's folder is not there.
    """
    if data is not None:
        return own_photos(data)
    try:
        return imagenette(cache, IMAGENETTE_URL, IMAGENETTE_MD5, say)
    except DownloadError as error:
        say(f"Imagenette cannot be had ({error}): using the scanned digits that scikit-learn ships instead")
        return digits(cache)


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tandem"


def own_photos(folder: Path) -> DemoPhotos:
    if not folder.is_dir():
        raise BadSourceError(f"{folder} is not a folder: give one that has a folder of photos per class")
    split = (folder / "train").is_dir() and (folder / "val").is_dir()
    return DemoPhotos(folder.absolute(), None if split else VAL_FRACTION, f"the photos in {folder}")


def imagenette(cache: Path, url: str, md5: str, say: Say) -> DemoPhotos:
    """Imagenette at 160 pixels, from the cache or its host. Raises `DownloadError` when neither has it."""
    archive = cache / Path(url).name
    folder = cache / archive.stem
    if not folder.is_dir():
        if not archive.is_file():
            if not answers(url):
                raise DownloadError(f"{httpx.URL(url).host} does not answer within {ANSWER_SECONDS:.0f} s")
            say(f"downloading {url}")
            download(url, archive)
        _verify(archive, md5)
        _unpack(archive, folder)
    return DemoPhotos(folder, None, "Imagenette: photos of ten ImageNet classes at 160 pixels")


def answers(url: str) -> bool:
    """Whether a host answers in time. Asked in a thread: looking up its name heeds no time-out."""
    heard = threading.Event()

    def ask() -> None:
        try:
            if httpx.head(url, timeout=ANSWER_SECONDS).is_success:
                heard.set()
        except httpx.HTTPError:
            return

    threading.Thread(target=ask, daemon=True).start()
    return heard.wait(ANSWER_SECONDS)
