"""From loader to model: the same views as by hand, in order, and nothing left open behind."""

from __future__ import annotations

import threading
from contextlib import closing

import numpy as np
import pytest
import torch

from pipeline.batches.device_batches import device_batches
from pipeline.batches.loader import Batch
from pipeline.batches.read_ahead import ReadAhead
from pipeline.batches.view_cutter import ViewCutter
from pipeline.batches.views import EvaluationViews

CPU = torch.device("cpu")
CUDA = pytest.param(
    torch.device("cuda", 0),
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    ],
)
EITHER = pytest.mark.parametrize("device", [CPU, CUDA], ids=["cpu", "cuda"])


def random_batches(count, size=8, samples=3):
    random = np.random.default_rng(0)
    return [
        Batch(
            images=torch.from_numpy(random.integers(0, 256, (samples, size, size, 3), dtype=np.uint8)),
            labels=torch.arange(samples) + 10 * number,
            sample_ids=torch.arange(samples) + 100 * number,
        )
        for number in range(count)
    ]


def by_sample(images, sample_ids):
    """Views that tell whether photos and sample ids belong together."""
    return images.permute(0, 3, 1, 2).float() + sample_ids.to(images.device)[:, None, None, None]


class Source:
    """A loader that says whether its iteration was closed, and holds it: letting go of it closes nothing."""

    def __init__(self, batches, error=None):
        self.batches, self.error, self.closed = batches, error, False
        self.iteration = self.iterate()

    def __iter__(self):
        return self.iteration

    def iterate(self):
        try:
            yield from self.batches
            if self.error:
                raise self.error
        finally:
            self.closed = True


def test_views_and_labels_come_in_the_loaders_order():
    batches = random_batches(5)
    found = list(device_batches(batches, by_sample, CPU))
    assert len(found) == 5
    for (views, labels), batch in zip(found, batches, strict=True):
        assert torch.equal(views, by_sample(batch.images, batch.sample_ids))
        assert torch.equal(labels, batch.labels)


def test_validation_views_pass_through_as_training_views_do():
    batches = random_batches(3)
    views = EvaluationViews(ViewCutter(torch.zeros(8, 8, 3), 4, memory_format=torch.channels_last))
    found = list(device_batches(batches, lambda images, _: views.centre_view(images), CPU))
    for (centre, _), batch in zip(found, batches, strict=True):
        assert torch.equal(centre, batch.images[:, 2:6, 2:6].permute(0, 3, 1, 2).float())


@EITHER
def test_leaving_early_closes_the_loaders_iteration(device):
    source = Source(random_batches(5))
    with closing(device_batches(source, by_sample, device)) as batches:
        next(batches)
        assert not source.closed
    assert source.closed


@EITHER
def test_leaving_early_ends_all_threads(device):
    before = set(threading.enumerate())
    with closing(device_batches(Threaded(), by_sample, device)) as batches:
        next(batches)
        started = set(threading.enumerate()) - before
    assert started
    assert not any(thread.is_alive() for thread in started)


class Threaded:
    """Reads ahead in a thread, without end, as the loader does."""

    def __iter__(self):
        with ReadAhead((batch for batch in iter(lambda: random_batches(1)[0], None)), 2) as batches:
            yield from batches


@EITHER
def test_an_error_of_the_loader_is_raised_after_the_batches_before_it(device):
    source = Source(random_batches(2), OSError("the disk is gone"))
    batches = device_batches(source, by_sample, device)
    assert len([next(batches), next(batches)]) == 2
    with pytest.raises(OSError, match="the disk is gone"):
        next(batches)
    assert source.closed


@EITHER
def test_an_error_of_the_views_closes_the_loaders_iteration(device):
    source = Source(random_batches(2))

    def views_of(images, sample_ids):
        raise ValueError("no such views")

    batches = device_batches(source, views_of, device)
    with pytest.raises(ValueError, match="no such views"):
        next(batches)
    assert source.closed


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("count", [0, 1, 2, 20])
def test_cuda_hands_over_finished_views_in_order(count):
    device = torch.device("cuda", 0)
    batches = [batch._replace(images=batch.images.pin_memory()) for batch in random_batches(count, 64, 32)]
    sums = []
    weight = torch.ones((2000, 2000), device=device)
    for views, labels in device_batches(Source(batches), by_sample, device):
        assert views.device == labels.device == device
        # Work that keeps the consumer's stream busy while the next batch is made.
        weight = (weight @ weight).clamp(max=1)
        sums.append((views.double().sum(), labels.sum()))
        del views, labels
    expected = [
        (by_sample(batch.images, batch.sample_ids).double().sum(), batch.labels.sum()) for batch in batches
    ]
    assert [(float(a), int(b)) for a, b in sums] == [(float(a), int(b)) for a, b in expected]
