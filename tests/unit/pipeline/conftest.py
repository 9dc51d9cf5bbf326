"""Photos and datasets for the tests of this room, made by code."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from pipeline.config import PrepareConfig, SourceConfig
from pipeline.shards.prepare import PrepareProgress, prepare


class Prepared(NamedTuple):
    """A prepared dataset, what it was made from, and the progress reported meanwhile."""

    source: Path
    path: Path
    config: PrepareConfig
    progress: list[PrepareProgress]


class Photos:
    """Makes photos. Test files cannot import from each other, so they are handed this."""

    class_ids = ("cat", "dog", "owl")
    image_size = 32

    def __init__(self) -> None:
        # What `write_unusable` writes, and the reason each should be given.
        self.unusable = {
            "train/cat/notes.txt": "not_an_image",
            "train/dog/text.jpg": "not_an_image",
            "train/dog/zero.jpg": "empty",
            "val/owl/cut.jpg": "corrupt",
        }

    def pixels(self, seed: int, height: int, width: int) -> np.ndarray:
        """Smooth colours, so that JPEG keeps them nearly as they are: uint8 [height, width, 3]."""
        blobs = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        return np.asarray(Image.fromarray(blobs).resize((width, height), Image.Resampling.BICUBIC))

    def encode(self, pixels: np.ndarray, form: str = "JPEG", **options: object) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, form, **options)
        return buffer.getvalue()

    def write(self, folder: Path, per_class: int, seed: int = 0) -> None:
        """Class folders of photos in several sizes, the stored one among them."""
        sizes = ((self.image_size, self.image_size), (48, 70), (90, 40), (200, 150))
        for number, class_id in enumerate(self.class_ids):
            (folder / class_id).mkdir(parents=True)
            for index in range(per_class):
                pixels = self.pixels(seed + 1000 * number + index, *sizes[index % len(sizes)])
                (folder / class_id / f"{index:03d}.jpg").write_bytes(self.encode(pixels, quality=92))

    def write_unusable(self, source: Path) -> None:
        photo = self.encode(self.pixels(1, 64, 64))
        contents = (b"no photo at all\n", b"these are words\n", b"", photo[: len(photo) // 2])
        for path, content in zip(self.unusable, contents, strict=True):
            (source / path).write_bytes(content)


def run_prepare(source: Path, out: Path, config: PrepareConfig, **options: object) -> list[PrepareProgress]:
    with closing(prepare(SourceConfig(path=str(source)), out, config, name="pets", **options)) as progress:
        return list(progress)


@pytest.fixture(scope="session")
def photos() -> Photos:
    return Photos()


@pytest.fixture(scope="session", name="run_prepare")
def run_prepare_fixture(ray_here: None) -> Callable[..., list[PrepareProgress]]:
    return run_prepare


@pytest.fixture(scope="session")
def photo_source(photos: Photos, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train/ with 66 photos, val/ with 23, hidden files, names of classes, and the unusable files."""
    source = tmp_path_factory.mktemp("photos")
    photos.write(source / "train", 22)
    photos.write(source / "val", 8, seed=500)
    (source / "val" / "cat" / "000.jpg").unlink()
    (source / "train" / ".hidden").write_bytes(b"hidden")
    (source / "train" / "cat" / ".hidden.jpg").write_bytes(b"hidden")
    (source / "classes.json").write_text('{"cat": "house cat", "owl": "tawny owl", "yak": "yak"}')
    photos.write_unusable(source)
    return source


@pytest.fixture(scope="session")
def prepared(
    photos: Photos, photo_source: Path, ray_here: None, tmp_path_factory: pytest.TempPathFactory
) -> Prepared:
    """The photos as JPEG in shards of 20 at most, written by two workers."""
    config = PrepareConfig(image_size=photos.image_size, shard_size=20, seed=7, workers=2, max_quarantine=0.1)
    out = tmp_path_factory.mktemp("datasets") / "pets"
    return Prepared(photo_source, out, config, run_prepare(photo_source, out, config))


@pytest.fixture(scope="session")
def shared_data(request: pytest.FixtureRequest) -> Path:
    folder = request.config.rootpath.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data beside the checkout")
    return folder


@pytest.fixture
def new_threads() -> Callable[[], list[str]]:
    """Names of the threads that were not there when the test began."""
    before = set(threading.enumerate())
    return lambda: [thread.name for thread in threading.enumerate() if thread not in before]
