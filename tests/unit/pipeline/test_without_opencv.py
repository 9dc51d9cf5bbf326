"""OpenCV and SciPy are there for tests and for FFCV's own writer: where they are missing, all else works."""

from __future__ import annotations

import hashlib
import pickle

import pytest
from fresh_process import run

from pipeline.config import PrepareConfig
from pipeline.photos.local_files import LocalFiles
from pipeline.photos.sources.folder import FolderSource
from pipeline.shards.shard_files import RECORDS_FOLDER, ShardFiles
from pipeline.shards.task import ListedPhoto, ShardTask
from pipeline.shards.writer import write_shard


@pytest.fixture(scope="module")
def without(tmp_path_factory):
    """A folder for PYTHONPATH, with which neither is found, in child processes either."""
    folder = tmp_path_factory.mktemp("without")
    for name in ("cv2", "scipy"):
        (folder / f"{name}.py").write_text(f"raise ModuleNotFoundError('no {name}', name={name!r})\n")
    return str(folder)


@pytest.fixture
def source(photos, tmp_path):
    photos.write(tmp_path / "photos", 3)
    return FolderSource(LocalFiles(tmp_path / "photos"))


def task(folder, source):
    (folder / RECORDS_FOLDER).mkdir(parents=True)
    listed = enumerate(source.listings()["all"])
    photos = [ListedPhoto(photo, place % 3, place, raw=place % 2 == 0) for place, photo in listed]
    return ShardTask(
        ShardFiles(folder, "train-00000.beton"), "train", source, photos, PrepareConfig(image_size=32)
    )


def test_a_shard_has_the_same_bytes(source, tmp_path, without):
    here, there = task(tmp_path / "here", source), task(tmp_path / "there", source)
    write_shard(here)
    (tmp_path / "task").write_bytes(pickle.dumps(there))
    script = "import pickle, sys; from pathlib import Path; from pipeline.shards.writer import write_shard; "
    run(
        script + "write_shard(pickle.loads(Path(sys.argv[1]).read_bytes()))",
        tmp_path / "task",
        PYTHONPATH=without,
    )
    assert there.files.shard.read_bytes() == here.files.shard.read_bytes()
    assert there.files.sums.read_bytes() == here.files.sums.read_bytes()


def test_photos_are_read_with_the_same_pixels(prepared, without):
    script = """
import hashlib, sys
from pathlib import Path
from pipeline.batches.loader import ShardLoader
loader = ShardLoader(Path(sys.argv[1]), "val", batch_size=8)
print(hashlib.sha256(b"".join(batch.images.numpy().tobytes() for batch in loader)).hexdigest())
"""
    with_both = run(script, prepared.path)
    assert run(script, prepared.path, PYTHONPATH=without) == with_both
    assert with_both != hashlib.sha256(b"").hexdigest()


def test_every_kind_of_source_is_imported(without):
    run("import pipeline.photos.sources.detect, pipeline.photos.sources.ilsvrc", PYTHONPATH=without)


def test_ffcvs_own_writer_says_what_it_lacks(without):
    script = """
import numpy as np
import pipeline.shards.writer
from ffcv.fields.rgb_image import encode_jpeg
try:
    encode_jpeg(np.zeros((8, 8, 3), np.uint8), 90)
except ModuleNotFoundError as error:
    print(error.name, error)
"""
    said = run(script, PYTHONPATH=without)
    assert said.startswith("cv2 FFCV encodes and resizes photos with OpenCV")
    assert "pip install opencv-python-headless" in said


def test_opencv_is_imported_when_ffcv_uses_it():
    script = """
import sys
import numpy as np
import pipeline.shards.writer, pipeline.batches.loader
assert "cv2" not in sys.modules
from ffcv.fields.rgb_image import encode_jpeg
print(encode_jpeg(np.zeros((8, 8, 3), np.uint8), 90)[:2].tobytes().hex(), "cv2" in sys.modules)
"""
    assert run(script) == "ffd8 True\n"
