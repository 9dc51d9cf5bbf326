"""The photos that an exported file is tried on.

Shapes: N photos, S their side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from model.published import PublishedModel
from pipeline.batches.loader import ShardLoader
from pipeline.config import LoadingConfig
from pipeline.errors import BadDatasetError, UnusablePhotoError
from pipeline.photos.decode import square_photo
from pipeline.shards.manifest import Manifest
from service.errors import FieldProblem, InvalidSpecError

COUNT: Final = 100
_SPLIT: Final = "val"
_BLOTS: Final = 6


class ExportPhotos(NamedTuple):
    """uint8 [COUNT, S, S, 3], and where they are from: how many each, in words."""

    pixels: NDArray[np.uint8]
    origins: list[tuple[int, str]]


def export_photos(published: PublishedModel, datasets: Path, folder: Path | None) -> ExportPhotos:
    """The first validation photos of the dataset the model was trained on, if it is there and what it was.

    Else the first photos of `folder`, if there is one. What they lack in number, and all where there is
    neither, is made up from a seed. Raises InvalidSpecError for a folder without a photo.
    """
    size = published.image_size
    found, origin = _validation_photos(published, datasets / published.dataset.name)
    if not len(found) and folder is not None:
        found, origin = _folder_photos(folder, size), f"from {folder}"
    made = _synthetic_photos(COUNT - len(found), size)
    origins = [(len(found), origin), (len(made), "synthetic, from seed 0")]
    return ExportPhotos(np.concatenate((found, made)), [each for each in origins if each[0]])


def _validation_photos(published: PublishedModel, dataset: Path) -> tuple[NDArray[np.uint8], str]:
    none = np.empty((0, published.image_size, published.image_size, 3), dtype=np.uint8)
    try:
        manifest = Manifest.load(dataset)
        if manifest.checksum != published.dataset.checksum or _SPLIT not in manifest.splits:
            return none, ""
        # A damaged photo is nothing against the model.
        reading = LoadingConfig(on_corrupt="skip")
        batch = next(iter(ShardLoader(dataset, _SPLIT, batch_size=COUNT, config=reading)))
    except BadDatasetError:
        return none, ""
    return batch.images.numpy(), f"validation photos of dataset {published.dataset.name!r}"


def _folder_photos(folder: Path, size: int) -> NDArray[np.uint8]:
    if not folder.is_dir():
        raise InvalidSpecError([FieldProblem("--photos", f"{folder} is not a folder")])
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    photos = list(islice(_usable(files, size), COUNT))
    if not photos:
        raise InvalidSpecError([FieldProblem("--photos", f"{folder} holds no photo that can be used")])
    return np.stack(photos)


def _usable(files: Sequence[Path], size: int) -> Iterator[NDArray[np.uint8]]:
    for file in files:
        try:
            yield square_photo(file.read_bytes(), size)
        except UnusablePhotoError:
            continue


def _synthetic_photos(count: int, size: int) -> NDArray[np.uint8]:
    """Blots of colour under grain: noise alone is the same to a network, whatever its pixels."""
    generator = torch.Generator().manual_seed(0)
    coarse_N3BB = torch.rand(count, 3, _BLOTS, _BLOTS, generator=generator)
    blots_N3SS = F.interpolate(coarse_N3BB, (size, size), mode="bicubic") if count else coarse_N3BB
    grain_N3SS = torch.rand(blots_N3SS.shape, generator=generator) - 0.5
    pixels_NSS3 = (255 * blots_N3SS + 40 * grain_N3SS).clamp(0, 255).byte().permute(0, 2, 3, 1)
    photos: NDArray[np.uint8] = np.ascontiguousarray(pixels_NSS3.numpy()).reshape(count, size, size, 3)
    return photos
