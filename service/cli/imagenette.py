"""Imagenette at 160 pixels: fetched once, checked, and kept in a cache."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import httpx

from service.cli.errors import DownloadError

ANSWER_SECONDS = 5.0
DOWNLOAD_SECONDS = 120.0


class Archive(NamedTuple):
    """A .tgz with one folder in it that holds `train/` and `val/`, and readable names for its classes."""

    url: str
    md5: str
    class_names: Mapping[str, str]


# The URL and checksum that torchvision.datasets.Imagenette(size="160px") names.
IMAGENETTE: Final = Archive(
    "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz",
    "e793b78cc4c9e9a4ccc0c1155377a412",
    MappingProxyType(
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
    ),
)


def photos_of(archive: Archive, cache: Path, say: Callable[[str], None]) -> Path:
    """The folder of an archive's photos, from the cache or from its host.

    Raises `DownloadError` when the cache has neither folder nor archive and the host does not answer in time,
    breaks off, or sends something else.
    """
    file = cache / Path(archive.url).name
    folder = cache / file.stem
    if folder.is_dir():
        return folder
    if not file.is_file():
        if not answers(archive.url):
            raise DownloadError(f"{archive.url} does not answer in {ANSWER_SECONDS:.0f} s")
        say(f"downloading {archive.url}")
        download(archive.url, file)
    _verify(file, archive.md5)
    _unpack(file, folder, archive.class_names)
    return folder


def answers(url: str) -> bool:
    """Whether a host has the file and says so in time."""
    heard = threading.Event()

    def ask() -> None:
        with contextlib.suppress(httpx.HTTPError):
            httpx.head(url, timeout=ANSWER_SECONDS).raise_for_status()
            heard.set()

    # In a thread, for looking up a host's name heeds no time-out.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(ANSWER_SECONDS)
    return heard.is_set()


def download(url: str, target: Path) -> None:
    """Fetches a file, whole or not at all. Raises `DownloadError` when it breaks off or takes too long."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    deadline = time.monotonic() + DOWNLOAD_SECONDS
    try:
        with httpx.stream("GET", url, timeout=ANSWER_SECONDS) as response, aside.open("wb") as file:
            response.raise_for_status()
            for piece in response.iter_raw():
                file.write(piece)
                if time.monotonic() > deadline:
                    raise DownloadError(f"{url} is not here after {DOWNLOAD_SECONDS:.0f} s")
        aside.replace(target)
    except httpx.HTTPError as error:
        raise DownloadError(f"{url} broke off: {error or type(error).__name__}") from error
    finally:
        aside.unlink(missing_ok=True)


def _verify(file: Path, md5: str) -> None:
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "md5").hexdigest()
    if found != md5:
        file.unlink()
        raise DownloadError(f"{file} had MD5 {found} and should have {md5}, so it was removed")


def _unpack(file: Path, folder: Path, class_names: Mapping[str, str]) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as aside:
        with tarfile.open(file) as tar:
            tar.extractall(aside, filter="data")
        (unpacked,) = Path(aside).iterdir()
        (unpacked / "classes.json").write_text(json.dumps(dict(class_names)))
        unpacked.rename(folder)
