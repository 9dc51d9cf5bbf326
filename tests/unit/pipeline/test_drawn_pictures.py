"""A dataset is whole with its pictures and its class counts, which are those of its shards."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from ffcv.reader import Reader
from PIL import Image

from pipeline.batches.contact_sheet import contact_sheet, mean_image
from pipeline.config import PrepareConfig, SourceConfig
from pipeline.errors import BadDatasetError, PreparationFailedError
from pipeline.shards.manifest import Manifest
from pipeline.shards.prepare import prepare
from pipeline.shards.staging import staging_path

KILLS_A_WORKER_GETS_OVER = 2


def contents(folder):
    """The bytes of every file of a dataset; the manifest without its timestamp."""
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}
    return found | {"manifest.json": Manifest.load(folder).checksum}


def pixels_of(path):
    with Image.open(path) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        return np.asarray(image)


@pytest.fixture
def few_photos(photos, tmp_path):
    photos.write(tmp_path / "few", 2)
    return tmp_path / "few"


@pytest.fixture
def drawn_by(monkeypatch):
    """Has another function draw, in Ray's workers, who cannot import those of a test file."""
    from ray import cloudpickle

    def use(function):
        cloudpickle.register_pickle_by_value(sys.modules[__name__])
        monkeypatch.setattr("pipeline.shards.drawing._draw", function)

    return use


def test_pictures_are_those_that_are_drawn_of_the_whole_dataset(prepared):
    assert np.array_equal(pixels_of(prepared.path / "contact-sheet.png"), contact_sheet(prepared.path))
    assert np.array_equal(pixels_of(prepared.path / "mean-image.png"), mean_image(prepared.path))


def test_class_counts_are_those_of_the_labels_in_the_shards(prepared):
    manifest = Manifest.load(prepared.path)
    assert sorted(manifest.splits) == ["train", "val"]
    for split in manifest.splits.values():
        labels = np.concatenate(
            [Reader(str(prepared.path / shard.file)).metadata["f1"] for shard in split.shards]
        )
        assert list(split.class_counts) == np.bincount(labels, minlength=len(manifest.classes)).tolist()
    assert manifest.splits["val"].class_counts == (7, 8, 8)


def test_class_of_which_all_photos_are_in_quarantine_counts_none(photos, run_prepare, few_photos, tmp_path):
    for path in (few_photos / "dog").iterdir():
        path.write_bytes(b"words")
    config = PrepareConfig(image_size=32, workers=1, max_quarantine=0.5)
    run_prepare(few_photos, tmp_path / "out", config)
    assert Manifest.load(tmp_path / "out").splits["train"].class_counts == (2, 0, 2)


def test_preparation_left_with_all_shards_written_draws_over_what_an_earlier_one_left(
    prepared, run_prepare, tmp_path
):
    out = tmp_path / "out"
    progress = prepare(SourceConfig(path=str(prepared.source)), out, prepared.config, name="pets")
    while (step := next(progress)).shards_done < step.shards_total:
        pass
    progress.close()
    (staging_path(out) / "contact-sheet.png").write_bytes(b"of other photos")
    (staging_path(out) / ".123.partial").write_bytes(b"half a picture")
    run_prepare(prepared.source, out, prepared.config)
    assert contents(out) == contents(prepared.path)


def test_what_goes_wrong_while_pictures_are_drawn_keeps_the_dataset_from_being_whole(
    drawn_by, prepared, run_prepare, tmp_path, monkeypatch
):
    out = tmp_path / "out"

    def full_disk(folder):
        (folder / "contact-sheet.png").write_bytes(b"half a picture")
        raise OSError(errno.ENOSPC, "no space left", "mean-image.png")

    drawn_by(full_disk)
    with pytest.raises(PreparationFailedError, match="out cannot be written: no space left"):
        run_prepare(prepared.source, out, prepared.config)
    assert not out.exists()
    monkeypatch.undo()
    run_prepare(prepared.source, out, prepared.config)
    assert contents(out) == contents(prepared.path)


@pytest.mark.parametrize("kills", [KILLS_A_WORKER_GETS_OVER, KILLS_A_WORKER_GETS_OVER + 1])
def test_worker_that_dies_over_the_pictures_has_others_after_it_but_not_for_ever(
    drawn_by, run_prepare, few_photos, tmp_path, kills
):
    deaths = tmp_path / "deaths"
    deaths.mkdir()

    def deadly(folder):
        from pipeline.png import write_png

        if len(list(deaths.iterdir())) < kills:
            (deaths / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        for name in ("contact-sheet.png", "mean-image.png"):
            write_png(folder / name, np.zeros((8, 8, 3), np.uint8))

    drawn_by(deadly)
    config = PrepareConfig(image_size=32, workers=1)
    if kills > KILLS_A_WORKER_GETS_OVER:
        with pytest.raises(PreparationFailedError, match="3 processes in a row died while they drew"):
            run_prepare(few_photos, tmp_path / "out", config)
        assert not (tmp_path / "out").exists()
    else:
        run_prepare(few_photos, tmp_path / "out", config)
        assert (tmp_path / "out" / "mean-image.png").is_file()


@pytest.fixture
def dataset(prepared, tmp_path) -> Path:
    """A copy to do harm to."""
    return shutil.copytree(prepared.path, tmp_path / "pets")


def rewrite(dataset, class_counts):
    manifest = Manifest.load(dataset)
    splits = {
        name: split.model_copy(update={"class_counts": class_counts})
        for name, split in manifest.splits.items()
    }
    changed = manifest.model_copy(update={"splits": splits})
    (dataset / "manifest.json").write_text(changed.model_dump_json())


def test_sheet_of_a_dataset_of_before_is_the_same_as_it_counts_its_photos(dataset):
    before = contact_sheet(dataset)
    rewrite(dataset, None)
    assert Manifest.load(dataset).splits["train"].class_counts is None
    assert np.array_equal(contact_sheet(dataset), before)


@pytest.mark.parametrize("counts", [(22, 22), (22, 22, 23), (22, 22, 22, 0), (-1, 22, 45)])
def test_class_counts_that_cannot_be_the_splits_are_refused_by_name(dataset, counts):
    rewrite(dataset, counts)
    with pytest.raises(BadDatasetError, match=r"splits\.train\.class_counts"):
        Manifest.load(dataset)
