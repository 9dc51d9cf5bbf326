"""What is done about workers that die."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import PrepareConfig
from pipeline.errors import PreparationFailedError
from pipeline.photos.sources.base import Photo
from pipeline.shards.casualties import DEATHS_OF_A_SHARD, Casualties
from pipeline.shards.mark import Mark, MarkFile, read_mark
from pipeline.shards.shard_files import ShardFiles
from pipeline.shards.task import ListedPhoto, ShardTask


@pytest.fixture
def task():
    photos = [ListedPhoto(Photo(f"a/{number}", "a", 1), 0, number, False) for number in range(20)]
    return ShardTask(ShardFiles(Path("staging"), "train-00000.beton"), "train", None, photos, PrepareConfig())


def test_photo_at_work_in_two_deaths_is_suspected_and_no_other(task):
    casualties = Casualties()
    once = casualties.next_attempt(task, Mark(1, 5, 0))
    assert (once.attempt, once.suspects) == (2, frozenset())
    elsewhere = casualties.next_attempt(once, Mark(2, 9, 0))
    assert (elsewhere.attempt, elsewhere.suspects) == (3, frozenset())
    twice = casualties.next_attempt(elsewhere, Mark(3, 5, 0))
    assert (twice.attempt, twice.suspects) == (4, frozenset({5}))
    assert casualties.next_attempt(twice, Mark(4, 9, 1)).suspects == {5, 9}


def test_deaths_at_the_same_place_of_two_shards_are_two_photos(task):
    casualties = Casualties()
    other = ShardTask(
        ShardFiles(Path("staging"), "train-00001.beton"), "train", None, task.photos, task.config
    )
    casualties.next_attempt(task, Mark(1, 5, 0))
    assert casualties.next_attempt(other, Mark(1, 5, 0)).suspects == frozenset()


@pytest.mark.parametrize("mark", [None, Mark(1, 20, 0)])
def test_deaths_at_no_photo_end_the_preparation_in_time(task, mark):
    casualties = Casualties()
    for _ in range(DEATHS_OF_A_SHARD - 1):
        task = casualties.next_attempt(task, mark)
    assert task.suspects == frozenset()
    with pytest.raises(PreparationFailedError, match="try fewer --workers"):
        casualties.next_attempt(task, mark)


def test_as_many_photos_may_be_suspected_as_there_are(task):
    casualties = Casualties()
    for position in range(20):
        for _ in range(2):
            task = casualties.next_attempt(task, Mark(task.attempt, position, position))
    assert task.suspects == frozenset(range(20))


def test_mark_is_of_its_attempt_alone(tmp_path):
    path = tmp_path / "mark"
    assert read_mark(path, attempt=1) is None
    with MarkFile(path, attempt=2) as mark:
        assert read_mark(path, attempt=2) is None
        mark.at(7, 1)
        mark.at(8, 2)
    assert read_mark(path, attempt=2) == Mark(2, 8, 2)
    assert read_mark(path, attempt=1) is None
