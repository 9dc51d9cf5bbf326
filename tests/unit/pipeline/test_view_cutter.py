"""Views on the CPU against slow NumPy, in every dtype and memory format, and whose memory they are."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from pipeline.batches.choices import Choices
from pipeline.batches.view_cutter import ViewCutter
from pipeline.batches.views import EvaluationViews

FORMATS = pytest.mark.parametrize(
    "memory_format", [torch.contiguous_format, torch.channels_last], ids=["contiguous", "channels_last"]
)


def random_photos(count, size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def random_mean(size):
    return np.random.default_rng(99).uniform(0, 255, (size, size, 3)).astype(np.float32)


def random_choices(shape, span, seed=1):
    random = np.random.default_rng(seed)
    choices = Choices(
        tops=torch.from_numpy(random.integers(0, span + 1, shape)),
        lefts=torch.from_numpy(random.integers(0, span + 1, shape)),
        flips=torch.from_numpy(random.random(shape) < 0.5),
        colours=torch.from_numpy(random.normal(0, 20, (*shape, 3)).astype(np.float32)),
    )
    # The corners are where a crop could reach outside.
    choices.tops.view(-1)[:4] = torch.tensor([0, 0, span, span])
    choices.lefts.view(-1)[:4] = torch.tensor([0, span, 0, span])
    choices.flips.view(-1)[:4] = torch.tensor([True, True, True, False])
    return choices


def numpy_views(photos, mean, crop_size, choices):
    """float32 [..., 3, C, C], value by value as the class says: (crop - mean) + colour, then mirrored."""
    shape = choices.tops.shape
    flat = [choice.flatten(0, len(shape) - 1).numpy() for choice in choices]
    repeats = len(flat[0]) // len(photos)
    views = []
    for photo, top, left, flip, colour in zip(photos.repeat(repeats, axis=0), *flat, strict=True):
        window = (slice(top, top + crop_size), slice(left, left + crop_size))
        view = (photo[window].astype(np.float32) - mean[window]) + colour
        views.append((view[:, ::-1] if flip else view).transpose(2, 0, 1))
    return np.stack(views).reshape(*shape, 3, crop_size, crop_size)


@FORMATS
@pytest.mark.parametrize(("size", "crop"), [(12, 8), (9, 9), (37, 23), (7, 2), (5, 1)])
@pytest.mark.parametrize("views_of_photo", [None, 1, 3])
def test_views_equal_numpy(size, crop, views_of_photo, memory_format):
    photos, mean = random_photos(6, size), random_mean(size)
    choices = random_choices((6,) if views_of_photo is None else (6, views_of_photo), size - crop)
    cutter = ViewCutter(torch.from_numpy(mean), crop, memory_format=memory_format)
    views = cutter.cut(torch.from_numpy(photos), choices)
    assert views.dtype == torch.float32
    assert views.flatten(0, -4).is_contiguous(memory_format=memory_format)
    np.testing.assert_array_equal(views.numpy(), numpy_views(photos, mean, crop, choices))


@FORMATS
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_short_dtypes_are_rounded_once(dtype, memory_format):
    photos, mean, choices = random_photos(6, 20), random_mean(20), random_choices((6, 2), 7)
    views = ViewCutter(torch.from_numpy(mean), 13, dtype=dtype, memory_format=memory_format).cut(
        torch.from_numpy(photos), choices
    )
    assert views.dtype == dtype
    assert views.flatten(0, 1).is_contiguous(memory_format=memory_format)
    assert torch.equal(views, torch.from_numpy(numpy_views(photos, mean, 13, choices)).to(dtype))


@FORMATS
def test_a_view_does_not_depend_on_the_batch_or_on_the_number_of_threads(memory_format):
    # Large enough for torch to share a photo among threads.
    photos, choices = torch.from_numpy(random_photos(5, 150)), random_choices((5,), 11)
    cutter = ViewCutter(torch.from_numpy(random_mean(150)), 139, memory_format=memory_format)
    order = [3, 0, 4, 1, 2]
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        views = cutter.cut(photos, choices)
        alone = [cutter.cut(photos[i : i + 1], Choices(*(c[i : i + 1] for c in choices))) for i in range(5)]
        torch.set_num_threads(8)
        shuffled = cutter.cut(photos[order], Choices(*(choice[order] for choice in choices)))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(torch.cat(alone), views)
    assert torch.equal(shuffled, views[order])


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def threads_of_a_new_thread():
    with ThreadPoolExecutor(1) as other:
        return other.submit(torch.get_num_threads).result()


@pytest.mark.usefixtures("three_threads")
def test_torch_keeps_its_threads_and_the_cutters_end_with_it():
    before = set(threading.enumerate())
    cutter = ViewCutter(torch.from_numpy(random_mean(12)), 8)
    for _ in range(3):
        cutter.cut(torch.from_numpy(random_photos(9, 12)), random_choices((9,), 4))
        assert torch.get_num_threads() == threads_of_a_new_thread() == 3
        its_threads = set(threading.enumerate()) - before
        assert len(its_threads) == 3
    del cutter
    for thread in its_threads:
        thread.join(timeout=60)
        assert not thread.is_alive()


@pytest.mark.usefixtures("three_threads")
def test_views_may_be_cut_with_and_without_inference_mode():
    photos, choices = random_photos(9, 12), random_choices((9,), 4)
    cutter = ViewCutter(torch.from_numpy(random_mean(12)), 8)
    with torch.inference_mode():
        there = cutter.cut(torch.from_numpy(photos), choices).clone()
    views = cutter.cut(torch.from_numpy(photos), choices)
    assert torch.equal(views, there)
    # What is made outside of that mode can be learnt from.
    weight = torch.ones(1, requires_grad=True)
    (views * weight).sum().backward()
    assert weight.grad.item() == pytest.approx(views.sum().item())


def test_photos_need_not_lie_side_by_side():
    photos, choices = random_photos(8, 12), random_choices((4,), 4)
    cutter = ViewCutter(torch.from_numpy(random_mean(12)), 8)
    views = cutter.cut(torch.from_numpy(photos)[::2], choices)
    np.testing.assert_array_equal(views.numpy(), numpy_views(photos[::2], random_mean(12), 8, choices))


@FORMATS
def test_views_held_keep_their_pixels_and_those_let_go_lend_their_memory(memory_format):
    photos, choices = torch.from_numpy(random_photos(4, 12)), random_choices((4,), 4)
    cutter = ViewCutter(torch.from_numpy(random_mean(12)), 8, memory_format=memory_format)
    held = cutter.cut(photos, choices)[1:2]
    pixels = held.clone()
    others = cutter.cut(255 - photos, choices)
    assert torch.equal(held, pixels)
    address = others.data_ptr()
    del others
    assert cutter.cut(photos[:3], Choices(*(choice[:3] for choice in choices))).data_ptr() == address
    assert torch.equal(held, pixels)


@FORMATS
def test_a_batch_may_be_empty_or_larger_than_the_one_before(memory_format):
    cutter = ViewCutter(torch.from_numpy(random_mean(12)), 8, memory_format=memory_format)
    for count in (0, 4, 0, 9):
        photos, choices = random_photos(count, 12), random_choices((max(count, 4),), 4)
        choices = Choices(*(choice[:count] for choice in choices))
        views = cutter.cut(torch.from_numpy(photos), choices)
        assert views.shape == (count, 3, 8, 8)
        if count:
            np.testing.assert_array_equal(views.numpy(), numpy_views(photos, random_mean(12), 8, choices))


@FORMATS
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("flip", [False, True])
def test_views_that_are_cut_alike_equal_numpy(flip, dtype, memory_format):
    photos, mean, count = random_photos(20, 12), random_mean(12), 20
    cutter = ViewCutter(torch.from_numpy(mean), 8, dtype=dtype, memory_format=memory_format)
    place, black = torch.full((count,), 3), torch.zeros(count, 3)
    choices = Choices(place, place - 1, torch.full((count,), flip), black)
    expected = torch.from_numpy(numpy_views(photos, mean, 8, choices)).to(dtype)
    before = torch.get_num_threads()
    try:
        # Shares of twenty views, and of three.
        for threads in (1, 2):
            torch.set_num_threads(threads)
            alike = cutter.cut(torch.from_numpy(photos), choices)
            assert torch.equal(alike, expected)
            assert alike.is_contiguous(memory_format=memory_format)
    finally:
        torch.set_num_threads(before)


@FORMATS
def test_ten_views_are_corners_centre_and_their_mirror_images(memory_format):
    photos, mean = random_photos(4, 13), random_mean(13)
    views = EvaluationViews(ViewCutter(torch.from_numpy(mean), 8, memory_format=memory_format))
    ten = views.ten_views(torch.from_numpy(photos))
    assert ten.shape == (4, 10, 3, 8, 8)
    for place, (top, left) in enumerate([(0, 0), (0, 5), (5, 0), (5, 5), (2, 2)]):
        expected = (photos.astype(np.float32) - mean)[:, top : top + 8, left : left + 8].transpose(0, 3, 1, 2)
        np.testing.assert_array_equal(ten[:, place].numpy(), expected)
        np.testing.assert_array_equal(ten[:, place + 5].numpy(), expected[..., ::-1])
    centre = views.centre_view(torch.from_numpy(photos))
    assert torch.equal(centre, ten[:, 4])
    assert centre.is_contiguous(memory_format=memory_format)


@pytest.mark.parametrize("crop", [0, 13])
def test_views_that_cannot_be_cut_are_refused(crop):
    with pytest.raises(ValueError, match=f"crop_size={crop} does not fit into image_size=12"):
        ViewCutter(torch.from_numpy(random_mean(12)), crop)


def test_photos_of_another_size_or_dtype_are_refused():
    cutter = ViewCutter(torch.from_numpy(random_mean(12)), 8)
    choices = random_choices((4,), 4)
    with pytest.raises(ValueError, match=r"photos are torch.uint8 \[4, 13, 13, 3\], not .* 12, 12, 3\]"):
        cutter.cut(torch.from_numpy(random_photos(4, 13)), choices)
    with pytest.raises(ValueError, match=r"photos are torch.float32"):
        cutter.cut(torch.from_numpy(random_photos(4, 12)).float(), choices)


@pytest.mark.parametrize(("name", "value"), [("tops", 5), ("lefts", 5), ("tops", -1), ("lefts", -1)])
def test_crops_outside_of_the_photo_are_refused(name, value):
    cutter = ViewCutter(torch.from_numpy(random_mean(12)), 8)
    choices = random_choices((4,), 4)
    getattr(choices, name)[2] = value
    with pytest.raises(ValueError, match=r"choices lie outside \[0, 4\]"):
        cutter.cut(torch.from_numpy(random_photos(4, 12)), choices)


def test_choices_for_other_photos_are_refused():
    cutter = ViewCutter(torch.from_numpy(random_mean(12)), 8)
    with pytest.raises(ValueError, match="choices for 4 photos do not fit 5 photos"):
        cutter.cut(torch.from_numpy(random_photos(5, 12)), random_choices((4,), 4))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@FORMATS
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("size", "crop"), [(256, 224), (37, 23), (9, 9)])
@pytest.mark.parametrize("shape", [(50,), (6, 10)])
def test_cuda_cuts_the_views_of_the_cpu(shape, size, crop, dtype, memory_format):
    photos = torch.from_numpy(random_photos(shape[0], size))
    choices = random_choices(shape, size - crop)
    cutter = ViewCutter(torch.from_numpy(random_mean(size)), crop, dtype=dtype, memory_format=memory_format)
    there = cutter.cut(photos.cuda(), choices)
    assert there.device.type == "cuda"
    assert there.flatten(0, -4).is_contiguous(memory_format=memory_format)
    assert torch.equal(there.cpu(), cutter.cut(photos, choices))
