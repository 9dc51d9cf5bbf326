"""Sums of pixels against NumPy's float64."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import BadDatasetError
from pipeline.shards.channel_products import channel_products
from pipeline.shards.pixel_sums import PixelSums
from pipeline.shards.statistics import Statistics


def random_photos(count, size, seed=0):
    rng = np.random.default_rng(seed)
    mixing = rng.uniform(-1, 1, (3, 3))
    return (rng.integers(0, 256, (count, size, size, 3)) @ mixing % 256).astype(np.uint8)


def sums_of(photos):
    sums = PixelSums(photos.shape[1])
    for photo in photos:
        sums.add(photo, channel_products(photo))
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


@pytest.mark.parametrize("size", [8, 300, 1024])
def test_brightest_photos_are_summed_exactly(size):
    sums = sums_of(np.full((3, size, size, 3), 255, np.uint8))
    assert (sums._products == 3 * size * size * 255**2).all()
    assert (sums.statistics().channel_covariance == 0).all()


@pytest.mark.parametrize("size", [8, 33, 256, 1024])
def test_products_of_channels_are_exact_integers(size):
    """Channels as far apart as they can be, equal, and unrelated."""
    rng = np.random.default_rng(size)
    unrelated = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
    apart = np.zeros((size, size, 3), np.uint8)
    apart[..., 1] = 255
    for photo in (unrelated, apart, np.repeat(unrelated[..., :1], 3, axis=2), unrelated // 128):
        pixels = photo.reshape(-1, 3).astype(np.int64)
        assert np.array_equal(sums_of(photo[None])._products, pixels.T @ pixels)


@pytest.mark.parametrize("count", [256, 257, 258, 600])
def test_many_bright_photos_do_not_overflow(count):
    photo = random_photos(1, 8)[0] | 0xF0
    sums = PixelSums(8)
    for _ in range(count):
        sums.add(photo, channel_products(photo))
    assert np.array_equal(sums.statistics().mean_image, photo.astype(np.float32))
    white = np.full((8, 8, 3), 255, np.uint8)
    sums.add(white, channel_products(white))
    total = (count * photo.astype(np.int64) + 255) / (count + 1)
    assert np.array_equal(sums.statistics().mean_image, total.astype(np.float32))


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


def test_sums_come_back_from_their_file_as_they_were(tmp_path):
    photos = random_photos(12, 8)
    sums = sums_of(photos[:7])
    sums.save(tmp_path / "first.npz")
    sums.save(tmp_path / "again.npz")
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()
    merged = sums_of(photos[7:])
    merged.merge(PixelSums.load(tmp_path / "first.npz"))
    for name, value in vars(sums_of(photos).statistics()).items():
        assert np.array_equal(getattr(merged.statistics(), name), value), name


def test_sums_go_on_after_they_are_saved(tmp_path):
    photos = random_photos(5, 8)
    sums = sums_of(photos[:3])
    sums.save(tmp_path / "sums.npz")
    for photo in photos[3:]:
        sums.add(photo, channel_products(photo))
    whole = sums_of(photos).statistics()
    assert np.array_equal(sums.statistics().mean_image, whole.mean_image)
    assert sums.statistics().count == 5


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 and no more"])
def test_missing_or_damaged_sums_are_a_bad_dataset(tmp_path, content):
    path = tmp_path / "train-00000.beton.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadDatasetError, match=r"train-00000\.beton\.npz"):
        PixelSums.load(path)


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 and no more"])
def test_missing_or_damaged_file_is_a_bad_dataset(tmp_path, content):
    if content is not None:
        (tmp_path / "statistics.npz").write_bytes(content)
    with pytest.raises(BadDatasetError, match=r"statistics\.npz"):
        Statistics.load(tmp_path)
