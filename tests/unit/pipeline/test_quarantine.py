"""The photos in quarantine, page by page, of datasets and of preparations."""

from __future__ import annotations

import json

import pytest

from pipeline.config import SourceConfig
from pipeline.errors import BadDatasetError
from pipeline.shards.prepare import prepare
from pipeline.shards.quarantine import quarantine_of, quarantine_so_far
from pipeline.shards.record import QuarantinedPhoto, ShardRecord, ledger
from pipeline.shards.staging import staging_path

PHOTOS = [QuarantinedPhoto(f"a/{number}.jpg", "train", 0, "empty", "has no bytes") for number in range(7)]
# A file's name is bytes, and its class's whatever people write.
STRANGE = QuarantinedPhoto("b/<script>\udce9\u202e😀\n.jpg", "val", 3, "corrupt", 'says "no"')


@pytest.fixture
def dataset(tmp_path):
    (tmp_path / "quarantine.jsonl").write_text(ledger([STRANGE, *PHOTOS]))
    return tmp_path


@pytest.mark.parametrize("limit", [1, 3, 8, 100])
def test_pages_together_are_the_ledger(dataset, limit):
    pages = [quarantine_of(dataset, after=after, limit=limit) for after in range(0, 8, limit)]
    assert [photo for page in pages for photo in page.photos] == [*PHOTOS, STRANGE]
    assert {page.total for page in pages} == {8}
    assert max(len(page.photos) for page in pages) <= limit


def test_after_the_last_there_is_nothing_more(dataset):
    assert quarantine_of(dataset, after=8, limit=10) == ([], 8)
    assert quarantine_of(dataset, after=10**9, limit=10) == ([], 8)


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"17",
        b'{"path": "a"}',
        json.dumps(STRANGE._asdict() | {"label": "cat"}).encode(),
        json.dumps(STRANGE._asdict() | {"more": 1}).encode(),
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_damaged_line_is_refused_where_it_is_read_and_counted_elsewhere(dataset, line):
    path = dataset / "quarantine.jsonl"
    path.write_bytes(path.read_bytes() + line + b"\n")
    assert quarantine_of(dataset, after=0, limit=8).total == 9
    with pytest.raises(BadDatasetError, match="--verify tells more"):
        quarantine_of(dataset, after=0, limit=9)


def test_ledger_that_is_gone_is_said_to_be(dataset):
    (dataset / "quarantine.jsonl").unlink()
    with pytest.raises(BadDatasetError, match=r"quarantine\.jsonl cannot be read"):
        quarantine_of(dataset, after=0, limit=1)


def test_preparation_has_those_of_its_finished_shards_in_the_ledgers_order(tmp_path):
    (tmp_path / "records").mkdir()
    for number, photos in enumerate(([STRANGE, PHOTOS[4]], [], [PHOTOS[2]])):
        name = f"train-{number:05d}.beton"
        ShardRecord(name, "train", 9, None, tuple(photos)).save(tmp_path / "records" / f"{name}.json")
    assert quarantine_so_far(tmp_path, after=0, limit=10) == ([PHOTOS[2], PHOTOS[4], STRANGE], 3)
    assert quarantine_so_far(tmp_path, after=1, limit=1) == ([PHOTOS[4]], 3)


def test_preparation_that_has_not_begun_or_is_whole_has_none(tmp_path):
    assert quarantine_so_far(tmp_path / "absent", after=0, limit=10) == ([], 0)


def test_what_a_preparation_has_found_is_what_the_dataset_will_say(prepared, tmp_path):
    out = tmp_path / "out"
    progress = prepare(SourceConfig(path=str(prepared.source)), out, prepared.config, name="pets")
    while (step := next(progress)).shards_done < step.shards_total:
        pass
    progress.close()
    found = quarantine_so_far(staging_path(out), after=0, limit=100)
    assert found == quarantine_of(prepared.path, after=0, limit=100)
    assert found.total == 4
