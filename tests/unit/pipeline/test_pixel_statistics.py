"""Sums of pixels against NumPy's float64."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import BadDatasetError
from pipeline.shards.statistics import PixelSums, Statistics


def random_photos(count, size, seed=0):
    rng = np.random.default_rng(seed)
    mixing = rng.uniform(-1, 1, (3, 3))
    return (rng.integers(0, 256, (count, size, size, 3)) @ mixing % 256).astype(np.uint8)


def sums_of(photos):
    sums = PixelSums(photos.shape[1])
    for photo in photos:
        sums.add(photo)
    return sums


@pytest.mark.parametrize("size", [8, 33, 300])
def test_statistics_equal_numpy_in_float64(size):
    photos = random_photos(9, size)
    found = sums_of(photos).statistics()
    pixels = photos.reshape(-1, 3).astype(np.float64)
    assert found.count == 9
    np.testing.assert_allclose(found.mean_image, photos.mean(axis=0, dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(found.channel_mean, pixels.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.channel_covariance, np.cov(pixels.T, bias=True), rtol=1e-9)
    assert found.mean_image.dtype == np.float32


def test_axes_diagonalise_the_covariance_in_falling_order():
    found = sums_of(random_photos(5, 16)).statistics()
    axes, values = found.pca_eigenvectors, found.pca_eigenvalues
    np.testing.assert_allclose(found.channel_covariance @ axes, axes * values, atol=1e-8)
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)
    assert (np.diff(values) <= 0).all()
    assert (axes[np.abs(axes).argmax(axis=0), range(3)] > 0).all()


def test_brightest_photos_are_summed_exactly():
    sums = sums_of(np.full((3, 300, 300, 3), 255, np.uint8))
    assert (sums._products == 3 * 300 * 300 * 255**2).all()
    assert (sums.statistics().channel_covariance == 0).all()


def test_parts_merge_to_the_whole_in_any_order():
    photos = random_photos(12, 8)
    whole = sums_of(photos).statistics()
    merged = PixelSums(8)
    for part in (photos[7:], photos[:2], photos[2:7]):
        merged.merge(sums_of(part))
    for name, value in vars(whole).items():
        assert np.array_equal(getattr(merged.statistics(), name), value), name


def test_saving_gives_the_same_bytes_and_loads_as_it_was(tmp_path):
    (tmp_path / "again").mkdir()
    statistics = sums_of(random_photos(4, 8)).statistics()
    assert statistics.save(tmp_path).read_bytes() == statistics.save(tmp_path / "again").read_bytes()
    loaded = Statistics.load(tmp_path)
    for name, value in vars(statistics).items():
        assert np.array_equal(getattr(loaded, name), value), name


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 and no more"])
def test_missing_or_damaged_file_is_a_bad_dataset(tmp_path, content):
    if content is not None:
        (tmp_path / "statistics.npz").write_bytes(content)
    with pytest.raises(BadDatasetError, match=r"statistics\.npz"):
        Statistics.load(tmp_path)
