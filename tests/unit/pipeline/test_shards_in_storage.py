"""A dataset whose shards are in object storage: how they come there, how they are read, and how they go."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fresh_process import run
from object_server import BUCKET, ObjectServer, object_server

from pipeline.batches.contact_sheet import contact_sheet
from pipeline.batches.loader import ShardLoader
from pipeline.config import PrepareConfig
from pipeline.errors import BadDatasetError, NodeCacheFullError, StorageUnavailableError
from pipeline.photos.local_files import LocalFiles
from pipeline.photos.sources.folder import FolderSource
from pipeline.shards.manifest import Manifest
from pipeline.shards.prepare import finished
from pipeline.shards.record import ShardRecord
from pipeline.shards.shard_files import RECORDS_FOLDER, ShardFiles
from pipeline.shards.staging import StagingFolder, staging_path
from pipeline.shards.task import ListedPhoto, ShardTask
from pipeline.shards.verify import verify
from pipeline.shards.writer import write_shard
from pipeline.storage.opened import open_store
from pipeline.storage.stored_files import StoredFiles

URL = f"s3://{BUCKET}/datasets/pets"
PLAN = {"sources": {}, "config": {}, "libraries": {}, "photos": {}}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    monkeypatch.setenv("TANDEM_CACHE", str(tmp_path / "cache"))
    with object_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def away(prepared, store: ObjectServer, tmp_path: Path) -> Path:
    """The prepared dataset with its shards in storage."""
    folder = tmp_path / "away"
    shutil.copytree(prepared.path, folder)
    StoredFiles(url=URL).save(folder)
    for shard in folder.glob("*.beton"):
        store.put(f"datasets/pets/{shard.name}", shard.read_bytes())
        shard.unlink()
    return folder


def task(folder: Path, source: FolderSource, storage: str | None) -> ShardTask:
    (folder / RECORDS_FOLDER).mkdir(parents=True)
    photos = [ListedPhoto(photo, 0, place, False) for place, photo in enumerate(source.listings()["all"])]
    files = ShardFiles(folder, "train-00000.beton", storage)
    return ShardTask(files, "train", source, photos, PrepareConfig(image_size=32))


def test_a_shard_is_uploaded_as_it_would_lie_here_and_its_record_stays(
    photos, store: ObjectServer, tmp_path: Path
) -> None:
    photos.write(tmp_path / "photos", 3)
    source = FolderSource(LocalFiles(tmp_path / "photos"))
    here, there = (task(tmp_path / name, source, url) for name, url in (("here", None), ("there", URL)))
    assert write_shard(here) == write_shard(there) == ShardRecord.load(there.files.record)
    assert store.get("datasets/pets/train-00000.beton") == here.files.shard.read_bytes()
    assert list((tmp_path / "there").glob("*.beton")) == []
    assert here.files.sums.read_bytes() == there.files.sums.read_bytes()


def test_a_shard_counts_as_finished_while_its_object_is_there_and_whole(
    photos, store: ObjectServer, tmp_path: Path
) -> None:
    photos.write(tmp_path / "photos", 3)
    written = task(tmp_path / "there", FolderSource(LocalFiles(tmp_path / "photos")), URL)
    record = write_shard(written)
    assert finished(written.files, open_store(URL).sizes_bytes()) == record
    store.put("datasets/pets/train-00000.beton", b"cut short")
    assert finished(written.files, open_store(URL).sizes_bytes()) is None
    open_store(URL).delete_all()
    assert finished(written.files, open_store(URL).sizes_bytes()) is None


def test_an_upload_that_fails_leaves_no_record(photos, store: ObjectServer, tmp_path: Path) -> None:
    photos.write(tmp_path / "photos", 1)
    source = FolderSource(LocalFiles(tmp_path / "photos"))
    written = task(tmp_path / "there", source, "s3://no-such-bucket/pets")
    with pytest.raises(StorageUnavailableError, match="does not exist: check the bucket and the prefix"):
        write_shard(written)
    assert not written.files.record.exists()
    assert list((tmp_path / "cache" / "scratch").iterdir()) == []


def test_batches_are_those_of_the_same_dataset_here(prepared, away: Path) -> None:
    loaders = [ShardLoader(folder, "train", batch_size=16, seed=3) for folder in (prepared.path, away)]
    for here, there in zip(*loaders, strict=True):
        assert np.array_equal(here.images, there.images)
        assert np.array_equal(here.sample_ids, there.sample_ids)


def test_a_loader_keeps_its_shards_from_being_evicted_and_a_dataset_too_large_is_refused(
    away: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_CACHE_BYTES", "1000")
    with pytest.raises(NodeCacheFullError, match="may hold 1,000 and has 0 in use: raise TANDEM_CACHE_BYTES"):
        ShardLoader(away, "train", batch_size=16)
    monkeypatch.delenv("TANDEM_CACHE_BYTES")
    loader = ShardLoader(away, "train", batch_size=16)
    monkeypatch.setenv("TANDEM_CACHE_BYTES", "1000")
    with pytest.raises(NodeCacheFullError, match="in use"):
        ShardLoader(away, "val", batch_size=16)
    assert len(list(loader)) == 4


def test_sheet_is_drawn_of_one_shard_after_the_other_where_all_do_not_fit(
    prepared, away: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = Manifest.load(away).splits["train"].shards
    monkeypatch.setenv("TANDEM_CACHE_BYTES", str(2 * max(shard.size_bytes for shard in shards)))
    with pytest.raises(NodeCacheFullError):
        ShardLoader(away, "train", batch_size=16)
    assert np.array_equal(contact_sheet(away), contact_sheet(prepared.path))


def test_damage_in_storage_is_found_by_who_verifies_and_by_who_reads(away: Path, store: ObjectServer) -> None:
    assert list(verify(away)) == []
    key = "datasets/pets/train-00001.beton"
    store.put(key, store.get(key)[::-1])
    assert [(fault.file, fault.detail.split()[1]) for fault in verify(away)] == [
        ("train-00001.beton", "checksum")
    ]
    with pytest.raises(BadDatasetError, match=r"train-00001\.beton is not of checksum"):
        ShardLoader(away, "train", batch_size=16)
    store.client.delete_object(Bucket=BUCKET, Key=key)
    assert [tuple(fault) for fault in verify(away)] == [("train-00001.beton", "is missing")]
    with pytest.raises(BadDatasetError, match=r"train-00001\.beton is missing"):
        ShardLoader(away, "train", batch_size=16)


def test_a_preparation_that_was_begun_keeps_its_place_and_starting_over_empties_it(
    store: ObjectServer, tmp_path: Path
) -> None:
    out = tmp_path / "pets"
    with StagingFolder(out) as staging:
        staging.adopt(PLAN, force=False, storage=URL)
        first = staging.storage
        assert first is not None
        open_store(first).put(staging.path / "plan.json", "train-00000.beton")
        (staging.records / "train-00000.beton.json").write_text("{}")
    with StagingFolder(out) as staging:
        staging.adopt(PLAN, force=False, storage=None)
        assert staging.storage == first
        staging.adopt(PLAN, force=True, storage=URL)
        assert staging.storage != first
    assert store.object_keys() == []


def test_a_preparation_left_before_a_shard_was_finished_leaves_nothing_there_either(
    store: ObjectServer, tmp_path: Path
) -> None:
    with StagingFolder(tmp_path / "pets") as staging:
        staging.adopt(PLAN, force=False, storage=URL)
        assert staging.storage is not None
        open_store(staging.storage).put(staging.path / "plan.json", "train-00000.beton")
    assert store.object_keys() == []
    assert not staging_path(tmp_path / "pets").exists()


def test_a_dataset_that_is_replaced_goes_with_its_objects(away: Path, store: ObjectServer) -> None:
    assert store.object_keys()
    with StagingFolder(away) as staging:
        staging.adopt(PLAN, force=True, storage=URL)
        (staging.path / "manifest.json").write_bytes((away / "manifest.json").read_bytes())
        staging.publish({"manifest.json", "plan.json"})
    assert store.object_keys() == []
    assert StoredFiles.of(away) is not None


# In a process of its own, for Ray's workers there are to see where storage is.
LOSE_A_SHARD = """
import sys
from pathlib import Path
from pipeline.config import PrepareConfig, SourceConfig
from pipeline.errors import PreparationFailedError
from pipeline.shards.prepare import prepare
from pipeline.storage.opened import open_store
from pipeline.storage.stored_files import StoredFiles

photos, out, url = sys.argv[1:]

def stage():
    source = SourceConfig(type="folder", path=photos)
    config = PrepareConfig(image_size=32, shard_size=4, workers=1)
    return prepare(source, Path(out), config, name="pets", storage=url)

try:
    for progress in stage():
        if progress.shards_done == progress.shards_total:
            staging, = Path(out).parent.glob(f".{Path(out).name}*")
            open_store(StoredFiles.of(staging).url).delete_all()
except PreparationFailedError as error:
    print(error)
print(Path(out).exists())
for progress in stage():
    pass
print(*sorted(path.name for path in Path(out).iterdir()))
"""


def test_a_shard_that_went_after_it_was_written_keeps_the_dataset_from_being_whole(
    photos, store: ObjectServer, tmp_path: Path
) -> None:
    """As when an attempt that was given up for dead breaks off over what the next has stored."""
    photos.write(tmp_path / "photos", 3)
    refused, early, files = run(LOSE_A_SHARD, tmp_path / "photos", tmp_path / "pets", URL).splitlines()
    assert "are not whole, train-00000.beton the first: the same command writes them anew" in refused
    assert early == "False"
    assert files.split() == [
        "contact-sheet.png",
        "manifest.json",
        "mean-image.png",
        "plan.json",
        "quarantine.jsonl",
        "statistics.npz",
        "storage.json",
    ]
