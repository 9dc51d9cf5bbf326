"""A photo tried in a process of its own: whether it was the photo that its workers died of.

A worker may as well have been killed from outside, twice by chance at the same photo.
"""

from __future__ import annotations

import subprocess
import sys
from typing import NamedTuple

from pipeline.config import PrepareConfig
from pipeline.photos.decode import square_photo
from pipeline.photos.sources.base import Photo, Source


class _Trial(NamedTuple):
    source: Source
    photo: Photo
    config: PrepareConfig


def kills(source: Source, photo: Photo, config: PrepareConfig) -> bool:
    """Whether reading and decoding the photo ends the process that does it. What it raises does not count."""
    # Ray's own, which also takes what cannot be imported there.
    from ray import cloudpickle

    given: bytes = cloudpickle.dumps(_Trial(source, photo, config))
    ended = subprocess.run([sys.executable, "-m", __name__], input=given, capture_output=True, check=False)
    return ended.returncode < 0


def main() -> None:
    """The trial itself, given to stdin by the worker that is its parent."""
    from ray import cloudpickle

    source, photo, config = cloudpickle.load(sys.stdin.buffer)
    square_photo(source.read(photo), config.image_size, exif=config.exif, max_pixels=config.max_pixels)


if __name__ == "__main__":
    main()
