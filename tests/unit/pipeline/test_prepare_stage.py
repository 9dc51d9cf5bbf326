"""From photos to a dataset, whole or not at all, and never the same work twice."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config import PrepareConfig, SourceConfig
from pipeline.errors import (
    BadSourceError,
    DatasetExistsError,
    PlanChangedError,
    PreparationFailedError,
    TooManyQuarantinedError,
)
from pipeline.photos.decode import square_photo
from pipeline.photos.sources.base import Photo
from pipeline.shards.cluster import _temporary_folder
from pipeline.shards.manifest import Manifest
from pipeline.shards.prepare import prepare
from pipeline.shards.record import ShardRecord
from pipeline.shards.staging import StagingFolder, staging_path
from pipeline.shards.statistics import Statistics
from pipeline.shards.verify import verify

# A shell that starts the tests in the background has them, and all they start, ignore interrupts.
PREPARE_ALONE = """
import os
import shutil
import signal
import sys
from pathlib import Path
from pipeline.config import PrepareConfig, SourceConfig
from pipeline.shards.prepare import prepare

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config = PrepareConfig(image_size=32, shard_size=500, workers=2)
    for progress in prepare(SourceConfig(path=sys.argv[1]), Path(sys.argv[2]), config, name="pets"):
        print(progress.photos_done, flush=True)
"""


def workers_of(pid):
    """The processes that write shards, of a preparation that has a Ray of its own."""
    return [child for child in psutil.Process(pid).children(recursive=True) if "ray::_write" in name(child)]


def both_workers(preparation):
    """Waits until two processes write shards at once: one may start later, or be between two shards."""
    while len(workers := workers_of(preparation.pid)) < 2:
        assert preparation.poll() is None
        time.sleep(0.01)
    return workers


def name(process):
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def contents(folder):
    """The bytes of every file of a dataset; the manifest without its timestamp."""
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}
    return found | {"manifest.json": Manifest.load(folder).checksum}


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
def ray_folders():
    """Where such a preparation's Ray has its folder: a short path, for that of a socket must be short."""
    with tempfile.TemporaryDirectory(prefix="t-") as folder:
        yield Path(folder)


@pytest.fixture
def prepare_at_work(many_photos, ray_folders, tmp_path):
    """A preparation in a process of its own, with a Ray of its own, its workers busy."""
    script = tmp_path / "prepare_alone.py"
    script.write_text(PREPARE_ALONE)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(ray_folders)}
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
    pictures = {"contact-sheet.png", "mean-image.png"}
    assert present == listed | pictures | {"manifest.json", "statistics.npz", "quarantine.jsonl", "plan.json"}
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
    assert contents(out) == contents(prepared.path)


def test_too_many_unusable_photos_fail_with_the_reasons_and_keep_the_ledger(
    photo_source, run_prepare, photos, tmp_path
):
    out = tmp_path / "out"
    config = PrepareConfig(image_size=32, workers=1, max_quarantine=0.01)
    with pytest.raises(TooManyQuarantinedError) as caught:
        run_prepare(photo_source, out, config)
    assert "of 93 photos" in str(caught.value)
    assert "2 not_an_image (as train/cat/notes.txt), 1 empty (as train/dog/zero.jpg)" in str(caught.value)
    ledger = staging_path(out) / "quarantine.jsonl"
    assert str(ledger) in str(caught.value)
    assert {json.loads(line)["path"] for line in ledger.read_text().splitlines()} <= set(photos.unusable)
    assert not out.exists()
    # With more patience the same command goes on.
    run_prepare(photo_source, out, config.model_copy(update={"max_quarantine": 0.1}))
    assert list(verify(out)) == []
    assert not staging_path(out).exists()


def test_source_without_a_single_photo_is_a_bad_source(run_prepare, tmp_path):
    (tmp_path / "source" / "a").mkdir(parents=True)
    (tmp_path / "source" / "a" / "1\n.jpg").write_bytes(b"words")
    with pytest.raises(
        BadSourceError, match=r"none of the 1 files read is a photo: 1 not_an_image \(as a/1\\n.jpg\)"
    ) as caught:
        run_prepare(tmp_path / "source", tmp_path / "out", PrepareConfig(image_size=32))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_missing_source_creates_nothing(run_prepare, tmp_path):
    with pytest.raises(BadSourceError, match="does not exist"):
        run_prepare(tmp_path / "absent", tmp_path / "deep" / "out", PrepareConfig())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("force", [False, True])
def test_what_is_no_dataset_is_left_alone(prepared, run_prepare, tmp_path, force):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("three years")
    with pytest.raises(DatasetExistsError, match="is no dataset"):
        run_prepare(prepared.source, tmp_path / "out", prepared.config, force=force)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "thesis.tex"]


def test_place_that_cannot_be_written_is_named(prepared, run_prepare, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PreparationFailedError, match=r"file/out cannot be written"):
        run_prepare(prepared.source, tmp_path / "file" / "out", prepared.config)


def test_same_command_again_leaves_a_whole_dataset_as_it_is(prepared, run_prepare):
    before = {path: path.stat().st_mtime_ns for path in prepared.path.iterdir()}
    assert run_prepare(prepared.source, prepared.path, prepared.config) == []
    assert {path: path.stat().st_mtime_ns for path in prepared.path.iterdir()} == before


def test_dataset_made_otherwise_is_refused_saying_what_changed_and_replaced_by_force(
    prepared, run_prepare, photos, tmp_path
):
    out = tmp_path / "out"
    photos.write(tmp_path / "source", 4)
    config = PrepareConfig(image_size=32, workers=2)
    run_prepare(tmp_path / "source", out, config)
    whole = contents(out)
    other = config.model_copy(update={"jpeg_quality": 80, "workers": 1})
    with pytest.raises(PlanChangedError, match=r"jpeg_quality was 90 and is 80;.*--force"):
        run_prepare(tmp_path / "source", out, other)
    assert contents(out) == whole
    (tmp_path / "source" / "owl" / "000.jpg").unlink()
    with pytest.raises(PlanChangedError, match="class 'owl' of train had 4 photos and has 3"):
        run_prepare(tmp_path / "source", out, config)
    run_prepare(tmp_path / "source", out, other, force=True)
    assert Manifest.load(out).jpeg_quality == 80
    assert Manifest.load(out).splits["train"].num_samples == 11
    assert {path.name for path in tmp_path.iterdir()} == {"source", "out"}


def test_preparation_left_early_goes_on_without_touching_what_is_finished(prepared, run_prepare, tmp_path):
    out, source = tmp_path / "out", SourceConfig(path=str(prepared.source))
    config = prepared.config.model_copy(update={"workers": 1})
    progress = prepare(source, out, config, name="pets")
    while next(progress).shards_done < 2:
        pass
    progress.close()
    assert not out.exists()
    finished = {path.name: path.stat() for path in staging_path(out).glob("*.beton")}
    assert len(finished) >= 2
    steps = run_prepare(prepared.source, out, config)
    assert steps[0].shards_done == len(finished)
    assert steps[0].photos_done > 0
    assert contents(out) == contents(prepared.path)
    for shard, before in finished.items():
        now = (out / shard).stat()
        assert (now.st_ino, now.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_half_prepared_dataset_is_refused_for_another_plan_and_started_over_by_force(
    prepared, run_prepare, tmp_path
):
    out, source = tmp_path / "out", SourceConfig(path=str(prepared.source))
    progress = prepare(source, out, prepared.config, name="pets")
    while next(progress).shards_done < 1:
        pass
    progress.close()
    other = prepared.config.model_copy(update={"seed": 8})
    with pytest.raises(PlanChangedError, match="seed was 7 and is 8"):
        run_prepare(prepared.source, out, other)
    assert run_prepare(prepared.source, out, other, force=True)[0].shards_done == 0
    assert Manifest.load(out).seed == 8


def test_preparation_begun_before_photos_had_checksums_is_refused_by_name(prepared, run_prepare, tmp_path):
    out, source = tmp_path / "out", SourceConfig(path=str(prepared.source))
    progress = prepare(source, out, prepared.config, name="pets")
    while next(progress).shards_done < 1:
        pass
    progress.close()
    begun = staging_path(out) / "plan.json"
    plan = json.loads(begun.read_text())
    del plan["config"]["sample_checksum"]
    begun.write_text(json.dumps(plan))
    with pytest.raises(PlanChangedError, match=r"sample_checksum was None and is xxh3_64; .*--force"):
        run_prepare(prepared.source, out, prepared.config)
    run_prepare(prepared.source, out, prepared.config, force=True)
    assert contents(out) == contents(prepared.path)


def test_shard_that_went_missing_meanwhile_is_written_again(prepared, run_prepare, tmp_path):
    out, source = tmp_path / "out", SourceConfig(path=str(prepared.source))
    progress = prepare(source, out, prepared.config, name="pets")
    while next(progress).shards_done < 2:
        pass
    progress.close()
    shards = sorted(staging_path(out).glob("*.beton"))
    shards[0].unlink()
    shards[1].write_bytes(b"cut short")
    run_prepare(prepared.source, out, prepared.config)
    assert contents(out) == contents(prepared.path)


def test_preparation_left_before_a_shard_was_finished_leaves_nothing(prepared, tmp_path):
    progress = prepare(SourceConfig(path=str(prepared.source)), tmp_path / "out", prepared.config, name="x")
    next(progress)
    assert [path.name for path in tmp_path.iterdir()] == [".out.preparing"]
    progress.close()
    assert list(tmp_path.iterdir()) == []


def test_second_preparation_of_the_same_dataset_is_refused(prepared, run_prepare, tmp_path):
    with StagingFolder(tmp_path / "out"), pytest.raises(DatasetExistsError, match="another process"):
        run_prepare(prepared.source, tmp_path / "out", prepared.config)
    assert list(tmp_path.iterdir()) == []


def test_interrupt_ends_everything_it_started_and_takes_its_folder_along(prepare_at_work, ray_folders):
    both_workers(prepare_at_work)
    started = psutil.Process(prepare_at_work.pid).children(recursive=True)
    prepare_at_work.send_signal(signal.SIGINT)
    _, errors = prepare_at_work.communicate()
    assert prepare_at_work.returncode not in (0, None)
    assert errors.count("KeyboardInterrupt") == 1, errors
    assert psutil.wait_procs(started, timeout=60)[1] == []
    assert list(ray_folders.glob("tandem-prepare-*")) == []


def test_everything_a_killed_preparation_started_ends_by_itself(prepare_at_work, ray_folders, monkeypatch):
    started = psutil.Process(prepare_at_work.pid).children(recursive=True)
    prepare_at_work.kill()
    prepare_at_work.wait()
    # Ray's agents look for a head for a minute before they end.
    assert psutil.wait_procs(started, timeout=180)[1] == []
    (left,) = ray_folders.glob("tandem-prepare-*")
    monkeypatch.setattr(tempfile, "tempdir", str(ray_folders))
    with _temporary_folder() as folder:
        assert not left.exists()
        # One that is in use is nobody else's to clear away.
        with _temporary_folder():
            assert Path(folder).is_dir()


def test_sockets_of_a_local_ray_lie_in_a_folder_that_others_cannot_enter(prepare_at_work, ray_folders):
    (folder,) = ray_folders.glob("tandem-prepare-*")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {"raylet", "plasma_store"} <= {path.name for path in folder.rglob("*") if path.is_socket()}


def test_local_ray_listens_on_loopback_alone(prepare_at_work):
    processes = psutil.Process(prepare_at_work.pid).children(recursive=True)
    listening = set()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            listening |= {
                connection.laddr.ip
                for connection in process.net_connections(kind="inet")
                if connection.status == psutil.CONN_LISTEN
            }
    assert listening
    assert all(ip_address(ip.removeprefix("::ffff:")).is_loopback for ip in listening), listening


def test_shard_whose_worker_died_is_written_by_another(prepare_at_work, many_photos, tmp_path):
    both_workers(prepare_at_work)[0].kill()
    _, errors = prepare_at_work.communicate()
    assert prepare_at_work.returncode == 0, errors
    manifest = Manifest.load(tmp_path / "out")
    assert (manifest.splits["train"].num_samples, manifest.quarantined) == (3000, 0)
    assert list(verify(tmp_path / "out")) == []


class DeadlySource:
    """Photos in memory, some of which end the process that reads them."""

    type, location, reads_at_once = "deadly", "memory", 1

    def __init__(self, photo, deadly, count=12):
        self._photo, self._deadly = photo, deadly
        self._count = count

    def listings(self):
        return {"all": [Photo(f"a/{number:03d}.jpg", "a", 1) for number in range(self._count)]}

    def class_names(self):
        return {}

    def keeping_in(self, folder):
        return self

    def read(self, photo):
        if photo.path in self._deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return self._photo


@pytest.mark.parametrize("deadly", [{"a/003.jpg"}, {"a/001.jpg", "a/007.jpg", "a/008.jpg"}])
def test_photo_that_kills_its_worker_twice_is_quarantined(
    photos, ray_here, monkeypatch, run_prepare, tmp_path, deadly
):
    from ray import cloudpickle

    # A worker cannot import the classes of a test file: they go there by value.
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    source = DeadlySource(photos.encode(photos.pixels(1, 40, 40)), deadly)
    monkeypatch.setattr("pipeline.shards.prepare.open_source", lambda config: source)
    config = PrepareConfig(image_size=32, workers=1, max_quarantine=0.5)
    run_prepare(tmp_path, tmp_path / "out", config)
    lines = [json.loads(line) for line in (tmp_path / "out" / "quarantine.jsonl").read_text().splitlines()]
    assert {(line["path"], line["reason"]) for line in lines} == {(path, "kills_worker") for path in deadly}
    assert Manifest.load(tmp_path / "out").splits["train"].num_samples == 12 - len(deadly)


class UnluckySource(DeadlySource):
    """Photos, at one of which the process that reads is killed from outside, twice."""

    def __init__(self, photo, unlucky, kills):
        super().__init__(photo, {unlucky})
        self._kills = kills

    def read(self, photo):
        if photo.path in self._deadly and len(list(self._kills.iterdir())) < 2:
            (self._kills / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self._photo


def test_photo_at_which_workers_were_killed_from_outside_is_stored_all_the_same(
    photos, ray_here, monkeypatch, run_prepare, tmp_path
):
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    kills = tmp_path / "kills"
    kills.mkdir()
    source = UnluckySource(photos.encode(photos.pixels(1, 40, 40)), "a/005.jpg", kills)
    monkeypatch.setattr("pipeline.shards.prepare.open_source", lambda config: source)
    run_prepare(tmp_path, tmp_path / "out", PrepareConfig(image_size=32, workers=1))
    assert len(list(kills.iterdir())) == 2
    assert (tmp_path / "out" / "quarantine.jsonl").read_text() == ""
    assert Manifest.load(tmp_path / "out").splits["train"].num_samples == 12


class HungrySource(DeadlySource):
    """Photos, at some of which memory is short: the first two times, or each."""

    def __init__(self, photo, hungry, tries=None):
        super().__init__(photo, hungry)
        self._tries = tries

    def read(self, photo):
        if photo.path in self._deadly:
            if self._tries is None:
                raise MemoryError
            if len(list(self._tries.iterdir())) < 2:
                (self._tries / str(time.monotonic_ns())).touch()
                raise MemoryError
        return self._photo


@pytest.mark.parametrize("passes", [True, False])
def test_shard_at_which_memory_was_short_is_tried_again_as_if_its_worker_had_died(
    photos, ray_here, monkeypatch, run_prepare, tmp_path, passes
):
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    tries = tmp_path / "tries"
    tries.mkdir()
    photo = photos.encode(photos.pixels(1, 40, 40))
    source = HungrySource(photo, {"a/005.jpg"}, tries if passes else None)
    monkeypatch.setattr("pipeline.shards.prepare.open_source", lambda config: source)
    run_prepare(tmp_path, tmp_path / "out", PrepareConfig(image_size=32, workers=1, max_quarantine=0.5))
    lines = [json.loads(line) for line in (tmp_path / "out" / "quarantine.jsonl").read_text().splitlines()]
    reasons = {} if passes else {"a/005.jpg": "kills_worker"}
    assert {line["path"]: line["reason"] for line in lines} == reasons
    assert Manifest.load(tmp_path / "out").splits["train"].num_samples == 12 - len(reasons)


@pytest.fixture
def table_of_two_places(photos, tmp_path):
    """A table of 24 photos beside it and 6 below `mount`, a link that is not there yet."""
    root = tmp_path / "source"
    photos.write(root / "here", 8)
    photos.write(root / "disk", 2, seed=300)
    paths = [
        f"{place}/{path.relative_to(root / folder)}"
        for place, folder in (("here", "here"), ("mount", "disk"))
        for path in sorted((root / folder).rglob("*.jpg"))
    ]
    rows = "".join(f"{path},{path.split('/')[1]}\n" for path in paths)
    (root / "table.csv").write_text(f"path,label\n{rows}")
    return root / "table.csv"


def test_photos_that_could_not_be_read_are_read_again_once_that_was_mended(
    table_of_two_places, run_prepare, tmp_path
):
    source, out = table_of_two_places, tmp_path / "out"
    config = PrepareConfig(image_size=32, workers=1, shard_size=3, max_quarantine=0.19)
    for _ in range(2):
        with pytest.raises(
            TooManyQuarantinedError, match=r"6 unreadable .*; the same command tries .* --force"
        ):
            run_prepare(source, out, config)
    records = {path: ShardRecord.load(path) for path in (staging_path(out) / "records").glob("*.json")}
    stays = {record.file for record in records.values() if not record.quarantined}
    before = {name: (staging_path(out) / name).stat() for name in stays}
    assert before
    # Neither a path nor a size that is listed changes.
    (source.parent / "mount").symlink_to("disk")
    steps = run_prepare(source, out, config)
    assert (steps[0].shards_done, steps[-1].quarantined) == (len(stays), 0)
    now = {name: (out / name).stat() for name in stays}
    assert {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in now.items()} == {
        name: (stat.st_ino, stat.st_mtime_ns) for name, stat in before.items()
    }
    run_prepare(source, tmp_path / "at once", config)
    assert contents(out) == contents(tmp_path / "at once")


def test_shards_whose_photos_still_cannot_be_read_stay_as_they_are(
    table_of_two_places, run_prepare, tmp_path
):
    out, config = tmp_path / "out", PrepareConfig(image_size=32, workers=1, shard_size=3, max_quarantine=0.5)
    progress = prepare(SourceConfig(path=str(table_of_two_places)), out, config, name="pets")
    while (step := next(progress)).shards_done < step.shards_total:
        pass
    progress.close()
    first = run_prepare(table_of_two_places, out, config)[0]
    assert (first.shards_done, first.quarantined) == (10, 6)
    assert len((out / "quarantine.jsonl").read_text().splitlines()) == 6


def test_row_groups_that_a_power_failure_cut_short_are_unpacked_again(photos, run_prepare, tmp_path):
    images = [photos.encode(photos.pixels(number, 40, 40)) for number in range(60)]
    table = pa.table({"image": images, "label": [number % 2 for number in range(60)]})
    pq.write_table(table, tmp_path / "photos.parquet", row_group_size=10)
    source, out = tmp_path / "photos.parquet", tmp_path / "out"
    config = PrepareConfig(image_size=32, workers=1, shard_size=10)
    progress = prepare(SourceConfig(path=str(source)), out, config, name="pets")
    while next(progress).shards_done < 1:
        pass
    progress.close()
    unpacked = list((staging_path(out) / "scratch").glob("*.arrow"))
    assert unpacked
    for path in unpacked:
        path.write_bytes(path.read_bytes()[:100])
    run_prepare(source, out, config)
    run_prepare(source, tmp_path / "at once", config)
    assert contents(out) == contents(tmp_path / "at once")


def named(prepared, out, *, names=None, name="pets"):
    """Prepares the photos with other names for their classes."""
    source = SourceConfig(path=str(prepared.source), class_names=None if names is None else str(names))
    return prepare(source, out, prepared.config, name=name)


def test_names_that_cannot_be_read_are_refused_before_anything_is_written(prepared, tmp_path):
    (tmp_path / "broken.json").write_text("{")
    for names in ("absent.json", "broken.json"):
        with pytest.raises(BadSourceError, match=names):
            next(named(prepared, tmp_path / "out", names=tmp_path / names))
    assert [path.name for path in tmp_path.iterdir()] == ["broken.json"]


@pytest.mark.parametrize("of_before", [False, True])
def test_other_names_of_a_whole_dataset_are_refused(prepared, tmp_path, of_before):
    out = tmp_path / "out"
    shutil.copytree(prepared.path, out)
    if of_before:
        forget_names(out)
    whole = contents(out)
    (tmp_path / "names.json").write_text('{"dog": "hound", "unicorn": "of no class"}')
    with pytest.raises(
        PlanChangedError, match=r"the name of class 'dog' was 'dog' and is 'hound'; .*--force"
    ):
        list(named(prepared, out, names=tmp_path / "names.json"))
    with pytest.raises(PlanChangedError, match=r"the dataset's name was 'pets' and is 'beasts'; .*--force"):
        list(named(prepared, out, name="beasts"))
    (tmp_path / "names.json").write_text('{"dog": "dog", "unicorn": "of no class"}')
    assert list(named(prepared, out, names=tmp_path / "names.json")) == []
    assert contents(out) == whole


def test_preparation_begun_before_plans_had_names_goes_on(prepared, run_prepare, tmp_path):
    out = tmp_path / "out"
    progress = named(prepared, out)
    while next(progress).shards_done < 2:
        pass
    progress.close()
    with pytest.raises(PlanChangedError, match="the dataset's name was 'pets' and is 'beasts'"):
        next(named(prepared, out, name="beasts"))
    forget_names(staging_path(out))
    assert run_prepare(prepared.source, out, prepared.config)[0].shards_done >= 2
    assert contents(out) == contents(prepared.path)


def forget_names(folder):
    """Leaves the plan as it was written before it had names."""
    plan = json.loads((folder / "plan.json").read_text())
    del plan["names"]
    (folder / "plan.json").write_text(json.dumps(plan))


def test_preparation_killed_while_it_publishes_is_put_in_order_by_the_next(prepared, run_prepare, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(prepared.path, out)
    # As it is left between taking the dataset's name and clearing up.
    (out / "records").mkdir()
    (out / "records" / "train-00000.beton.json").write_text("{}")
    (out / "lock").touch()
    (tmp_path / ".out.replaced").mkdir()
    assert run_prepare(prepared.source, out, prepared.config) == []
    assert contents(out) == contents(prepared.path)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_preparation_killed_before_it_had_its_name_writes_no_shard_again(
    prepared, run_prepare, tmp_path, monkeypatch
):
    out = tmp_path / "out"

    def interrupted(staging, names):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(StagingFolder, "publish", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_prepare(prepared.source, out, prepared.config)
    first = run_prepare(prepared.source, out, prepared.config)[0]
    assert (first.shards_done, first.photos_done) == (first.shards_total, first.photos_total)
    assert contents(out) == contents(prepared.path)
