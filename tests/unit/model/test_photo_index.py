"""The index finds the photos that a comparison with all of them finds, and is whole or not there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import model.photo_index
from model.errors import BadIndexError
from model.photo_index import PhotoIndex, PhotoIndexWriter

RANDOM = np.random.default_rng(4)
FEATURES = 64
EMBEDDINGS = np.maximum(RANDOM.standard_normal((700, FEATURES)), 0).astype(np.float32)
SAMPLE_IDS = RANDOM.permutation(700).astype(np.int64)
LABELS = (SAMPLE_IDS % 5).astype(np.int64)


def picture(sample_id: int) -> bytes:
    return b"photo %d" % sample_id


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with PhotoIndexWriter(tmp_path / "neighbours", FEATURES, "the dataset's") as index:
        for batch in np.array_split(np.arange(700), 9):
            thumbnails = [picture(sample_id) for sample_id in SAMPLE_IDS[batch].tolist()]
            index.add(EMBEDDINGS[batch], SAMPLE_IDS[batch], LABELS[batch], thumbnails)
        index.finish()
    return tmp_path / "neighbours"


@pytest.fixture(params=["compared", "by the graph"])
def index(
    folder: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PhotoIndex]:
    if request.param == "by the graph":
        monkeypatch.setattr(model.photo_index, "_COMPARED", 0)
    return PhotoIndex(folder)


def test_the_nearest_are_those_of_a_comparison_with_all(index: PhotoIndex) -> None:
    halves = EMBEDDINGS.astype(np.float16).astype(np.float64)
    right = 0
    for place in range(0, 700, 23):
        distances = np.linalg.norm(halves - halves[place], axis=1)
        expected = np.argsort(distances)[:6]
        found = index.nearest(EMBEDDINGS[place], 6)
        right += sum(each.sample_id in SAMPLE_IDS[expected] for each in found)
        assert found[0].sample_id == SAMPLE_IDS[place]
        assert [each.distance for each in found] == sorted(each.distance for each in found)
        by_id = dict(zip(SAMPLE_IDS.tolist(), distances.tolist(), strict=True))
        for each in found:
            assert each.distance == pytest.approx(by_id[each.sample_id], rel=1e-3, abs=1e-3)
            assert (each.label, each.thumbnail) == (each.sample_id % 5, picture(each.sample_id))
    # The graph may pass some over; the comparison with all does not.
    assert right >= (1.0 if model.photo_index._COMPARED else 0.9) * 6 * 31


def test_of_fewer_photos_than_asked_for_all_are_found(folder: Path) -> None:
    index = PhotoIndex(folder)
    assert len(index) == 700
    assert {each.sample_id for each in index.nearest(EMBEDDINGS[0], 1000)} == set(range(700))


def test_an_index_left_unfinished_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with PhotoIndexWriter(tmp_path / "neighbours", FEATURES, "the dataset's") as index:
            index.add(EMBEDDINGS[:2], SAMPLE_IDS[:2], LABELS[:2], [b"a", b"b"])
            raise OSError("no space left")

    (tmp_path / ".neighbours.123").mkdir()
    with pytest.raises(OSError, match="no space left"):
        fail()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BadIndexError):
        PhotoIndex(tmp_path / "neighbours")


@pytest.mark.parametrize("name", ["index.usearch", "photos.npz", "thumbnails.bin", "index.json"])
@pytest.mark.parametrize("damage", [lambda data: data[:-2], lambda data: b"", None])
def test_one_that_is_not_whole_is_refused(folder: Path, name: str, damage) -> None:
    path = folder / name
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(BadIndexError):
        PhotoIndex(folder)
