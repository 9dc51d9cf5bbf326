"""From a folder to a dataset, whole or not at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import PrepareConfig, SourceConfig
from pipeline.errors import (
    BadSourceError,
    DatasetExistsError,
    PreparationFailedError,
    TooManyQuarantinedError,
)
from pipeline.photos.decode import square_photo
from pipeline.shards.manifest import Manifest
from pipeline.shards.prepare import prepare
from pipeline.shards.staging import StagingFolder
from pipeline.shards.statistics import Statistics
from pipeline.shards.verify import verify

# A shell that starts the tests in the background has them, and all they start, ignore interrupts.
PREPARE_ALONE = """
import signal
import sys
from pathlib import Path
from pipeline.config import PrepareConfig, SourceConfig
from pipeline.shards.prepare import prepare

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config = PrepareConfig(image_size=32, shard_size=50, workers=2)
    for progress in prepare(SourceConfig(path=sys.argv[1]), Path(sys.argv[2]), config, name="pets"):
        print(progress.photos_done, flush=True)
"""


def workers_of(pid):
    """Worker processes; multiprocessing has another child, which tracks resources and ends by itself."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def many_photos(photos, tmp_path):
    """Enough photos for a preparation to be caught at work."""
    folder = tmp_path / "many"
    folder.joinpath("a").mkdir(parents=True)
    photo = photos.encode(photos.pixels(0, 700, 700))
    (folder / "a" / "0000.jpg").write_bytes(photo)
    for number in range(1, 3000):
        os.link(folder / "a" / "0000.jpg", folder / "a" / f"{number:04d}.jpg")
    return folder


@pytest.fixture
def prepare_at_work(many_photos, tmp_path):
    """A preparation in a process of its own, its workers busy."""
    script = tmp_path / "prepare_alone.py"
    script.write_text(PREPARE_ALONE)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, str(script), str(many_photos), str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        while int(process.stdout.readline()) == 0:
            pass
        yield process
    finally:
        process.kill()
        process.communicate()


def test_dataset_holds_what_its_manifest_says(prepared, photos):
    manifest = Manifest.load(prepared.path)
    assert [(c.index, c.id, c.name) for c in manifest.classes] == [
        (0, "cat", "house cat"),
        (1, "dog", "dog"),
        (2, "owl", "tawny owl"),
    ]
    assert {name: split.num_samples for name, split in manifest.splits.items()} == {"train": 66, "val": 23}
    assert [s.file for s in manifest.splits["train"].shards] == [f"train-0000{i}.beton" for i in range(4)]
    assert [s.file for s in manifest.splits["val"].shards] == ["val-00000.beton", "val-00001.beton"]
    assert manifest.quarantined == len(photos.unusable)
    assert (manifest.name, manifest.seed, manifest.image_size) == ("pets", 7, 32)
    assert manifest.source.location == str(prepared.source)
    assert abs((datetime.now(UTC) - manifest.created_at).total_seconds()) < 3600
    listed = {s.file for split in manifest.splits.values() for s in split.shards}
    present = {path.name for path in prepared.path.iterdir()}
    assert present == listed | {"manifest.json", "statistics.npz", "quarantine.jsonl"}
    assert list(verify(prepared.path)) == []


def test_ledger_names_every_unusable_photo_and_why(prepared, photos):
    lines = [json.loads(line) for line in (prepared.path / "quarantine.jsonl").read_text().splitlines()]
    assert {line["path"]: line["reason"] for line in lines} == photos.unusable
    assert [line["path"] for line in lines] == sorted(photos.unusable)
    assert [(line["split"], line["label"]) for line in lines] == [
        ("train", 0),
        ("train", 1),
        ("train", 1),
        ("val", 2),
    ]
    assert all(line["detail"] and "\n" not in line["detail"] for line in lines)


def test_statistics_are_those_of_the_usable_training_photos(prepared, photos):
    paths = sorted((prepared.source / "train").glob("*/[0-9]*.jpg"))
    pixels = np.stack([square_photo(path.read_bytes(), 32) for path in paths]).astype(np.float64)
    statistics = Statistics.load(prepared.path)
    assert statistics.count == len(paths) == 66
    np.testing.assert_allclose(statistics.mean_image, pixels.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(statistics.channel_mean, pixels.mean(axis=(0, 1, 2)), rtol=1e-12)


def test_progress_counts_up_to_everything(prepared):
    first, last = prepared.progress[0], prepared.progress[-1]
    assert (first.photos_done, first.shards_done, first.photos_per_second) == (0, 0, None)
    assert (last.photos_done, last.photos_total, last.quarantined) == (93, 93, 4)
    assert (last.shards_done, last.shards_total, last.eta_seconds) == (6, 6, 0)
    done = [progress.photos_done for progress in prepared.progress]
    assert done == sorted(done)


def test_one_worker_and_two_write_the_same_bytes(prepared, run_prepare, tmp_path):
    out = tmp_path / "again"
    run_prepare(prepared.source, out, prepared.config.model_copy(update={"workers": 1}))
    for path in prepared.path.iterdir():
        if path.name != "manifest.json":
            assert (out / path.name).read_bytes() == path.read_bytes(), path.name
    assert Manifest.load(out).checksum == Manifest.load(prepared.path).checksum


def test_too_many_unusable_photos_fail_with_the_reasons_and_leave_nothing(
    photo_source, run_prepare, tmp_path
):
    config = PrepareConfig(image_size=32, workers=1, max_quarantine=0.01)
    with pytest.raises(TooManyQuarantinedError) as caught:
        run_prepare(photo_source, tmp_path / "out", config)
    assert "of 93 photos" in str(caught.value)
    assert "2 not_an_image (as train/cat/notes.txt), 1 empty (as train/dog/zero.jpg)" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_source_without_a_single_photo_is_a_bad_source(run_prepare, tmp_path):
    (tmp_path / "source" / "a").mkdir(parents=True)
    (tmp_path / "source" / "a" / "1.jpg").write_bytes(b"words")
    with pytest.raises(BadSourceError, match=r"none of the 1 files read is a photo: 1 not_an_image"):
        run_prepare(tmp_path / "source", tmp_path / "out", PrepareConfig(image_size=32))
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_missing_source_creates_nothing(run_prepare, tmp_path):
    with pytest.raises(BadSourceError, match="does not exist"):
        run_prepare(tmp_path / "absent", tmp_path / "deep" / "out", PrepareConfig())
    assert list(tmp_path.iterdir()) == []


def test_existing_dataset_is_left_alone(prepared, run_prepare, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(DatasetExistsError, match="exists"):
        run_prepare(prepared.source, tmp_path / "out", prepared.config)
    assert list(tmp_path.rglob("*")) == [tmp_path / "out"]


def test_place_that_cannot_be_written_is_named(prepared, run_prepare, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PreparationFailedError, match=r"file/out cannot be written"):
        run_prepare(prepared.source, tmp_path / "file" / "out", prepared.config)


def test_preparation_left_early_leaves_nothing(prepared, tmp_path):
    progress = prepare(SourceConfig(path=str(prepared.source)), tmp_path / "out", prepared.config, name="x")
    next(progress)
    assert [path.name for path in tmp_path.iterdir()] == [".out.preparing"]
    progress.close()
    assert list(tmp_path.iterdir()) == []


def test_second_preparation_of_the_same_dataset_is_refused(prepared, run_prepare, tmp_path):
    with StagingFolder(tmp_path / "out"), pytest.raises(DatasetExistsError, match="another process"):
        run_prepare(prepared.source, tmp_path / "out", prepared.config)
    assert list(tmp_path.iterdir()) == []


def test_remains_of_a_killed_preparation_are_cleared_away(tmp_path):
    stale = tmp_path / ".out.preparing"
    stale.mkdir()
    for name in ("lock", "train-00000.beton", ".train-00001.beton.partial"):
        (stale / name).write_bytes(b"stale")
    with StagingFolder(tmp_path / "out") as staging:
        (staging.path / "fresh").write_bytes(b"fresh")
        staging.publish()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "fresh"]


def test_interrupt_ends_the_workers_and_leaves_nothing(prepare_at_work, tmp_path):
    workers = workers_of(prepare_at_work.pid)
    assert len(workers) == 2
    prepare_at_work.send_signal(signal.SIGINT)
    _, errors = prepare_at_work.communicate()
    assert prepare_at_work.returncode not in (0, None)
    assert errors.count("Traceback") == 1, errors
    assert not any(is_running(worker) for worker in workers)
    assert not list(tmp_path.glob("*out*"))


def test_workers_of_a_killed_preparation_end_by_themselves(prepare_at_work, tmp_path):
    workers = workers_of(prepare_at_work.pid)
    prepare_at_work.kill()
    prepare_at_work.wait()
    while any(is_running(worker) for worker in workers):
        time.sleep(0.05)
    assert [path.name for path in tmp_path.glob(".out*")] == [".out.preparing"]


def test_dead_worker_fails_the_preparation(many_photos, tmp_path):
    config = PrepareConfig(image_size=32, workers=1)
    progress = prepare(SourceConfig(path=str(many_photos)), tmp_path / "out", config, name="x")
    while next(progress).photos_done == 0:
        pass
    (worker,) = workers_of(os.getpid())
    os.kill(worker, signal.SIGKILL)
    with pytest.raises(PreparationFailedError, match="worker process died"):
        list(progress)
    assert not list(tmp_path.glob("*out*"))
