"""Slices of tensors: the same of each, all of them, in views that write through."""

from __future__ import annotations

import pytest
import torch

from model.cache_slices import cache_slices


@pytest.mark.parametrize("shape", [(7, 300, 300), (3, 600_000), (5,), (0, 4)])
def test_slices_of_several_tensors_are_the_same_ones_and_write_through(shape: tuple[int, ...]) -> None:
    source = torch.arange(torch.Size(shape).numel(), dtype=torch.float32).view(shape)
    target = torch.zeros(shape)
    for read, written in cache_slices(source, target):
        written.copy_(read)
    assert torch.equal(target, source)


def test_what_is_large_comes_in_slices_of_a_mebibyte_and_what_is_small_whole() -> None:
    sizes = [part.numel() * 4 for (part,) in cache_slices(torch.zeros(100, 64, 1024))]
    assert sizes == [2**20] * 25
    ((whole,),) = cache_slices(torch.zeros(10, 10))
    assert whole.shape == (10, 10)


def test_a_row_larger_than_a_slice_comes_by_itself() -> None:
    assert [part.shape[0] for (part,) in cache_slices(torch.zeros(3, 2**19))] == [1, 1, 1]


def test_elsewhere_than_on_a_cpu_tensors_come_whole() -> None:
    ((whole,),) = cache_slices(torch.zeros(100, 2**18, device="meta"))
    assert whole.shape[0] == 100
