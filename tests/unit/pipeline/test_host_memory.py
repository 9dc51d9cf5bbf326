"""Memory for batches, used again once nobody holds the batch."""

from __future__ import annotations

import gc
import mmap
import threading

import psutil
import pytest
import torch

from pipeline.batches.host_memory import HostMemory


def resident_bytes():
    return psutil.Process().memory_info().rss


def test_tensors_are_of_the_shape_and_type_asked_for():
    for dtype in (torch.uint8, torch.float32, torch.bfloat16):
        tensor = HostMemory(5, (3, 4), dtype).take(2)
        assert (tensor.shape, tensor.dtype, tensor.is_contiguous()) == ((2, 3, 4), dtype, True)
        tensor.fill_(7)
        assert tensor.eq(7).all()
    assert HostMemory(5, (3, 4), torch.uint8).take(0).shape == (0, 3, 4)


def test_kernel_without_huge_pages_gives_small_ones(monkeypatch):
    # Advice that this kernel does not know, as another does not know that of huge pages.
    monkeypatch.setattr(mmap, "MADV_HUGEPAGE", 9999)
    with mmap.mmap(-1, 1) as page, pytest.raises(OSError, match="Invalid argument"):
        page.madvise(mmap.MADV_HUGEPAGE)
    assert HostMemory(5, (1000,), torch.uint8).take(5).fill_(3).eq(3).all()


def test_memory_let_go_of_serves_the_next():
    memory = HostMemory(4, (1000,), torch.uint8)
    first = memory.take(4)
    place = first.data_ptr()
    del first
    assert memory.take(3).data_ptr() == place


@pytest.mark.parametrize("hold", [lambda t: t[1:], lambda t: t.view(-1), lambda t: t.numpy(), lambda t: t.T])
def test_memory_that_is_still_seen_is_not_used_again(hold):
    memory = HostMemory(4, (1000,), torch.uint8)
    taken = memory.take(4)
    place = taken.data_ptr()
    held = hold(taken.fill_(1))
    del taken
    gc.collect()
    for _ in range(3):
        assert memory.take(4).fill_(2).data_ptr() != place
    assert (held == 1).all()
    del held
    places = {tensor.data_ptr() for tensor in [memory.take(4) for _ in range(3)]}
    assert place in places


def test_as_much_is_kept_as_was_held_at_once():
    memory = HostMemory(16, (2**20,), torch.uint8)
    places = set()
    for _ in range(100):
        pair = [memory.take(16), memory.take(16)]
        places |= {tensor.data_ptr() for tensor in pair}
    assert len(places) <= 4


def test_memory_is_given_back_with_its_owner():
    before = resident_bytes()
    memory = HostMemory(64, (2**20,), torch.uint8)
    taken = memory.take(64).fill_(1)
    assert resident_bytes() > before + 2**25
    del memory
    assert taken.eq(1).all()
    del taken
    gc.collect()
    assert resident_bytes() < before + 2**25


def test_threads_never_share_memory():
    memory = HostMemory(1, (5000,), torch.uint8)
    clashes = []

    def take(mark):
        for _ in range(500):
            mine = memory.take(1).fill_(mark)
            if not mine.eq(mark).all():
                clashes.append(mark)

    threads = [threading.Thread(target=take, args=(mark,)) for mark in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clashes == []


def test_more_than_there_may_be_is_refused():
    with pytest.raises(ValueError, match="num_samples=5 is more than max_samples=4"):
        HostMemory(4, (1,), torch.uint8).take(5)
