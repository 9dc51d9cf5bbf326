"""What chance decides: Philox against whole numbers, choices against the distributions they are said to have.

Everything is seeded, so a test passes or fails once and for all. The thresholds are those that chance passes
all but once in 10,000 times.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from scipy import stats

from pipeline.batches.augment import Augmentation
from pipeline.batches.philox import philox
from pipeline.batches.view_cutter import ViewCutter
from pipeline.batches.views import EvaluationViews
from pipeline.shards.channel_products import channel_products
from pipeline.shards.pixel_sums import PixelSums

RARE = 1e-4
SPAN = 4


def random_photos(count, size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def statistics_of(photos):
    sums = PixelSums(photos.shape[1])
    for photo in photos:
        sums.add(photo, channel_products(photo))
    return sums.statistics()


# Colours that vary most in red and least in blue, so that the axes differ.
STATISTICS = statistics_of((random_photos(6, 12) * np.array([1.0, 0.6, 0.2])).astype(np.uint8))


def augmentation(seed, statistics=STATISTICS, crop_size=12 - SPAN, **switches):
    cutter = ViewCutter(torch.from_numpy(statistics.mean_image), crop_size)
    return Augmentation(statistics, cutter, seed, **switches)


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def picked(choices, places):
    return [choice[places] for choice in choices]


def assert_uniform(values, cells):
    """`values`, whole numbers in [0, cells), come equally often."""
    counts = np.bincount(np.asarray(values), minlength=cells)
    assert len(counts) == cells
    assert stats.chisquare(counts).pvalue > RARE


def alphas(choices):
    """Colours along the principal axes, in the axes' deviations."""
    return (
        choices.colours.double().numpy() @ STATISTICS.pca_eigenvectors / np.sqrt(STATISTICS.pca_eigenvalues)
    )


def philox_of_whole_numbers(key, counter):
    """The ten rounds as the paper draws them, in Python's integers."""
    left_high, right_high, (first, second) = counter[0], counter[2], key
    left_low, right_low = counter[1], counter[3]
    for turn in range(10):
        if turn:
            first, second = (first + 0x9E3779B9) % 2**32, (second + 0xBB67AE85) % 2**32
        high_0, low_0 = divmod(0xD2511F53 * left_high, 2**32)
        high_1, low_1 = divmod(0xCD9E8D57 * right_high, 2**32)
        left_high, left_low = high_1 ^ left_low ^ first, low_1
        right_high, right_low = high_0 ^ right_low ^ second, low_0
    return left_high, left_low, right_high, right_low


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
    assert tuple(philox(key, np.array([counter], np.uint64).T)[:, 0].tolist()) == words
    assert philox_of_whole_numbers(key, counter) == words


def test_philox_equals_whole_numbers_for_many_counters_at_once():
    random = np.random.default_rng(4)
    counters = random.integers(0, 2**32, (4, 300), dtype=np.uint64)
    key = tuple(random.integers(0, 2**32, 2).tolist())
    expected = [philox_of_whole_numbers(key, counter) for counter in counters.T.tolist()]
    np.testing.assert_array_equal(philox(key, counters).T, expected)


def test_choices_follow_from_the_words_of_seed_epoch_and_sample():
    seed, epoch, sample_ids = 7 + 5 * 2**32, 11, [0, 3, 2**32 + 3, 2**40]
    choices = augmentation(seed).choices(torch.tensor(sample_ids), epoch)
    for place, sample_id in enumerate(sample_ids):
        low, high = sample_id % 2**32, sample_id >> 32
        words = philox_of_whole_numbers((7, 5), (low, high, epoch, 0))
        assert choices.tops[place] == words[0] * (SPAN + 1) >> 32
        assert choices.lefts[place] == words[1] * (SPAN + 1) >> 32
        assert choices.flips[place] == (words[2] >= 2**31)
        uniform = [(word + 0.5) / 2**32 for word in philox_of_whole_numbers((7, 5), (low, high, epoch, 1))]
        (radius, other_radius) = (np.sqrt(-2 * np.log(uniform[i])) for i in (0, 2))
        normal = [
            radius * np.cos(2 * np.pi * uniform[1]),
            other_radius * np.cos(2 * np.pi * uniform[3]),
            radius * np.sin(2 * np.pi * uniform[1]),
        ]
        expected = STATISTICS.pca_eigenvectors @ (0.1 * np.sqrt(STATISTICS.pca_eigenvalues) * normal)
        np.testing.assert_allclose(choices.colours[place].numpy(), expected, rtol=1e-6, atol=1e-6)


def test_choices_depend_on_seed_epoch_and_sample_alone():
    sample_ids = torch.arange(3000) * 2**33
    chosen = augmentation(1).choices(sample_ids, 7)
    order = torch.randperm(3000, generator=torch.Generator().manual_seed(0))
    assert same(augmentation(1).choices(sample_ids[order], 7), picked(chosen, order))
    for size in (1, 7, 1024):
        batches = [augmentation(1).choices(batch, 7) for batch in sample_ids[:1500].split(size)]
        assert same(map(torch.cat, zip(*batches, strict=True)), picked(chosen, slice(1500)))
    others = (
        augmentation(1).choices(sample_ids, 8),
        augmentation(1).choices(sample_ids + 1, 7),
        augmentation(2).choices(sample_ids, 7),
        augmentation(1 + 2**40).choices(sample_ids, 7),
    )
    for other in others:
        assert not any(torch.equal(a, b) for a, b in zip(other, chosen, strict=True))


def test_one_and_eight_threads_choose_and_cut_the_same():
    photos = torch.from_numpy(random_photos(40, 12))
    sample_ids = torch.arange(5000)
    ours = augmentation(9)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        chosen, views = ours.choices(sample_ids, 2), ours.training_views(photos, sample_ids[:40], 2)
        torch.set_num_threads(8)
        assert same(ours.choices(sample_ids, 2), chosen)
        assert torch.equal(ours.training_views(photos, sample_ids[:40], 2), views)
        assert torch.get_num_threads() == 8
    finally:
        torch.set_num_threads(before)
    with ThreadPoolExecutor(8) as threads:
        pieces = list(threads.map(lambda ids: ours.choices(ids, 2), sample_ids.split(100)))
    assert same(map(torch.cat, zip(*pieces, strict=True)), chosen)


def test_crops_are_uniform_along_each_axis_and_together_with_the_flips():
    tops, lefts, flips, _ = augmentation(2).choices(torch.arange(100_000), epoch=0)
    assert_uniform(tops, SPAN + 1)
    assert_uniform(lefts, SPAN + 1)
    assert_uniform(flips.int(), 2)
    assert_uniform((tops * (SPAN + 1) + lefts) * 2 + flips, 2 * (SPAN + 1) ** 2)


def test_crops_of_large_photos_reach_every_place():
    statistics = statistics_of(random_photos(1, 256))
    tops, lefts, _, _ = augmentation(2, statistics, crop_size=224).choices(torch.arange(200_000), epoch=5)
    assert_uniform(tops, 33)
    assert_uniform(lefts, 33)
    assert_uniform(tops * 33 + lefts, 33**2)


@pytest.mark.parametrize(
    ("seed", "shift", "epoch"),
    [(6, 0, 1), (6, 0, 2**31), (6, 1, 0), (6, 2**32, 0), (7, 0, 0), (6 + 2**32, 0, 0)],
    ids=["next epoch", "far epoch", "next sample", "far sample", "next seed", "far seed"],
)
def test_choices_of_neighbours_have_nothing_to_do_with_each_other(seed, shift, epoch):
    sample_ids = torch.arange(40_000) * 3
    one = augmentation(6).choices(sample_ids, 0)
    other = augmentation(seed).choices(sample_ids + shift, epoch)
    side = SPAN + 1
    assert_uniform(one.tops * side + other.tops, side**2)
    assert_uniform(one.lefts * side + other.lefts, side**2)
    assert_uniform(one.tops * side + other.lefts, side**2)
    assert_uniform(one.flips * 2 + other.flips.int(), 4)
    for mine, theirs in zip(alphas(one).T, alphas(other).T, strict=True):
        assert stats.pearsonr(mine, theirs).pvalue > RARE


def test_colours_are_normal_along_the_principal_axes():
    choices = augmentation(3).choices(torch.arange(100_000), epoch=1)
    along = alphas(choices)
    for axis in range(3):
        assert stats.kstest(along[:, axis], stats.norm(0, 0.1).cdf).pvalue > RARE
        assert stats.pearsonr(along[:, axis], along[:, axis - 1]).pvalue > RARE
        # Box and Muller's pairs share a radius: squares would show what is left of it.
        assert stats.pearsonr(along[:, axis] ** 2, along[:, axis - 1] ** 2).pvalue > RARE
        for place in (choices.tops, choices.lefts, choices.flips):
            assert stats.pearsonr(along[:, axis], place.double()).pvalue > RARE
    # Standard errors of moments of N(0, σ): σ/√n, σ²√(2/n), and √(24/n) of the kurtosis; five of each.
    np.testing.assert_allclose(along.mean(axis=0), 0, atol=5 * 0.1 / 100_000**0.5)
    np.testing.assert_allclose(along.var(axis=0), 0.01, atol=5 * 0.01 * (2 / 100_000) ** 0.5)
    np.testing.assert_allclose(stats.kurtosis(along, axis=0), 0, atol=5 * (24 / 100_000) ** 0.5)


def test_every_part_can_be_switched_off():
    plain = augmentation(4, random_crop=False, flip=False, colour_noise=False)
    images = torch.from_numpy(random_photos(10, 12))
    cutter = ViewCutter(torch.from_numpy(STATISTICS.mean_image), 12 - SPAN)
    centre = EvaluationViews(cutter).centre_view(images)
    assert torch.equal(plain.training_views(images, torch.arange(10), epoch=0), centre)
    whole, ids = augmentation(4).choices(torch.arange(50), 0), torch.arange(50)
    for switch, names in (
        ("random_crop", {"tops", "lefts"}),
        ("flip", {"flips"}),
        ("colour_noise", {"colours"}),
    ):
        without = augmentation(4, **{switch: False}).choices(ids, 0)
        for name in whole._fields:
            assert torch.equal(getattr(without, name), getattr(whole, name)) == (name not in names)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_noisy_views_are_divided_as_the_2012_source_divided_them(dtype, memory_format):
    images, ids = torch.from_numpy(random_photos(10, 12)), torch.arange(10)
    mean_image = torch.from_numpy(STATISTICS.mean_image)
    cutter = ViewCutter(mean_image, 12 - SPAN, dtype=dtype, memory_format=memory_format)
    divided = Augmentation(STATISTICS, cutter, 5, colour_noise_divisor=1.1)
    views = divided.training_views(images, ids, epoch=3)
    assert views.dtype == dtype
    assert views.is_contiguous(memory_format=memory_format)
    tops, lefts, flips, colours = divided.choices(ids, epoch=3)
    for place, photo in enumerate(images.double().numpy() - STATISTICS.mean_image):
        top, left = int(tops[place]), int(lefts[place])
        crop = photo[top : top + 12 - SPAN, left : left + 12 - SPAN]
        crop = crop[:, ::-1] if flips[place] else crop
        expected = (crop + colours[place].double().numpy()) / 1.1
        tolerance = 1e-5 if dtype == torch.float32 else 2**-7
        found = views[place].double().permute(1, 2, 0).numpy()
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=1e-4)


def test_views_without_noise_are_not_divided():
    images, ids = torch.from_numpy(random_photos(10, 12)), torch.arange(10)
    plain, divided = (
        augmentation(4, colour_noise=False, colour_noise_divisor=divisor) for divisor in (1.0, 1.1)
    )
    expected = plain.training_views(images, ids, epoch=0).clone()
    assert torch.equal(divided.training_views(images, ids, epoch=0), expected)
