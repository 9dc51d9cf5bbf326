"""A photo tried in a process of its own: whether it was the photo that its workers died of.

A worker may as well have been killed from outside, twice by chance at the same photo.
"""

from __future__ import annotations

from pipeline.config import PrepareConfig
from pipeline.photos.decode import square_photo
from pipeline.photos.sources.base import Photo, Source


def kills(source: Source, photo: Photo, config: PrepareConfig) -> bool:
    """Whether reading and decoding the photo ends the process that does it: a Ray task beside this one.

    What it raises does not count, for it will be raised here too; but for MemoryError, which stands for an
    end by the system.
    """
    # This runs in Ray's own workers, which have it by then.
    import ray

    errors = ray.exceptions
    attempt = ray.remote(max_retries=0, num_cpus=0)(_read_and_decode)
    try:
        ray.get(attempt.remote(source, photo, config))
    except errors.RayTaskError as error:
        return isinstance(error.cause, MemoryError)
    except (errors.WorkerCrashedError, errors.OutOfMemoryError, errors.NodeDiedError):
        return True
    return False


def _read_and_decode(source: Source, photo: Photo, config: PrepareConfig) -> None:
    square_photo(source.read(photo), config.image_size, exif=config.exif, max_pixels=config.max_pixels)
