"""Training and evaluation views against slow NumPy."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from pipeline.batches.augment import Augmentation
from pipeline.batches.philox import philox
from pipeline.batches.views import EvaluationViews
from pipeline.shards.pixel_sums import PixelSums


def random_photos(count, size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def statistics_of(photos):
    sums = PixelSums(photos.shape[1])
    for photo in photos:
        sums.add(photo)
    return sums.statistics()


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (
            (0xFFFFFFFF,) * 4,
            (0xFFFFFFFF,) * 2,
            (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
        ),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_words(counter, key, words):
    assert tuple(philox(key, torch.tensor([counter]))[0].tolist()) == words


@pytest.mark.parametrize(("size", "crop"), [(12, 8), (9, 9), (7, 2)])
def test_training_views_equal_numpy(size, crop):
    photos = random_photos(40, size)
    statistics = statistics_of(photos)
    augmentation = Augmentation(statistics, crop, seed=5)
    sample_ids = torch.arange(1000, 1040)
    views = augmentation.training_views(torch.from_numpy(photos), sample_ids, epoch=3)
    choices = augmentation.choices(sample_ids, epoch=3)
    assert views.shape == (40, 3, crop, crop)
    assert views.dtype == torch.float32
    assert views.is_contiguous()
    for photo, view, top, left, flip, colour in zip(photos, views, *choices, strict=True):
        window = (slice(top, top + crop), slice(left, left + crop))
        expected = photo[window].astype(np.float64) - statistics.mean_image[window] + colour.numpy()
        expected = expected[:, ::-1] if flip else expected
        np.testing.assert_allclose(view.numpy(), expected.transpose(2, 0, 1), atol=1e-4)


def test_views_depend_on_seed_epoch_and_sample_and_not_on_the_batch():
    photos = random_photos(30, 12)
    images, sample_ids = torch.from_numpy(photos), torch.arange(30) * 2**33
    augmentation = Augmentation(statistics_of(photos), 8, seed=1)
    views = augmentation.training_views(images, sample_ids, epoch=7)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    alone = [augmentation.training_views(images[i : i + 1], sample_ids[i : i + 1], 7) for i in range(30)]
    assert torch.equal(augmentation.training_views(images[order], sample_ids[order], 7), views[order])
    assert torch.equal(torch.cat(alone), views)
    assert not torch.equal(augmentation.training_views(images, sample_ids, 8), views)
    assert not torch.equal(augmentation.training_views(images, sample_ids + 1, 7), views)
    other = Augmentation(statistics_of(photos), 8, seed=1 + 2**40)
    assert not torch.equal(other.training_views(images, sample_ids, 7), views)


def test_choices_are_uniform_and_independent():
    choices = Augmentation(statistics_of(random_photos(3, 12)), 8, seed=2).choices(
        torch.arange(25_000), epoch=0
    )
    cells = Counter(zip(*(choice.tolist() for choice in choices[:3]), strict=True))
    assert len(cells) == 50
    # chi-square with 49 degrees of freedom: above 94 once in 10,000 times
    assert sum((count - 500) ** 2 / 500 for count in cells.values()) < 94


def test_colour_noise_is_normal_along_the_principal_axes():
    photos = (random_photos(6, 12) * np.array([1.0, 0.6, 0.2])).astype(np.uint8)
    statistics = statistics_of(photos)
    colours = Augmentation(statistics, 8, seed=3).choices(torch.arange(40_000), epoch=1).colours.numpy()
    alphas = colours @ statistics.pca_eigenvectors / np.sqrt(statistics.pca_eigenvalues)
    np.testing.assert_allclose(alphas.mean(axis=0), 0, atol=0.002)
    np.testing.assert_allclose(np.cov(alphas.T), 0.01 * np.eye(3), atol=0.0004)
    np.testing.assert_allclose((alphas**4).mean(axis=0) / 0.01**2, 3, atol=0.15)


def test_every_part_can_be_switched_off():
    photos = random_photos(10, 12)
    statistics = statistics_of(photos)
    plain = Augmentation(statistics, 8, seed=4, random_crop=False, flip=False, colour_noise=False)
    images = torch.from_numpy(photos)
    centre = EvaluationViews(torch.from_numpy(statistics.mean_image), 8).centre_view(images)
    assert torch.equal(plain.training_views(images, torch.arange(10), epoch=0), centre)


def test_ten_views_are_corners_centre_and_their_mirror_images():
    photos = random_photos(4, 13)
    mean = statistics_of(photos).mean_image
    views = EvaluationViews(torch.from_numpy(mean), 8)
    ten = views.ten_views(torch.from_numpy(photos))
    assert ten.shape == (4, 10, 3, 8, 8)
    for place, (top, left) in enumerate([(0, 0), (0, 5), (5, 0), (5, 5), (2, 2)]):
        expected = (photos.astype(np.float32) - mean)[:, top : top + 8, left : left + 8].transpose(0, 3, 1, 2)
        np.testing.assert_array_equal(ten[:, place].numpy(), expected)
        np.testing.assert_array_equal(ten[:, place + 5].numpy(), expected[..., ::-1])
    assert torch.equal(views.centre_view(torch.from_numpy(photos)), ten[:, 4])


def test_views_larger_than_the_photos_are_refused():
    statistics = statistics_of(random_photos(2, 12))
    with pytest.raises(ValueError, match="crop_size=13 does not fit into image_size=12"):
        Augmentation(statistics, 13, seed=0)
    with pytest.raises(ValueError, match="crop_size=0 does not fit into image_size=12"):
        EvaluationViews(torch.from_numpy(statistics.mean_image), 0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_views_of_the_cpu():
    photos = random_photos(50, 64)
    augmentation = Augmentation(statistics_of(photos), 56, seed=6)
    images, sample_ids = torch.from_numpy(photos), torch.arange(50)
    there = augmentation.training_views(images.cuda(), sample_ids.cuda(), epoch=2)
    assert there.device.type == "cuda"
    torch.testing.assert_close(
        there.cpu(), augmentation.training_views(images, sample_ids, epoch=2), rtol=0, atol=1e-4
    )
