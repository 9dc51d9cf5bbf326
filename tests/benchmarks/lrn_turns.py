"""ReLU and LRN by themselves on CUDA, forward and backward at conv1's shape, ours and torch's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
import torch.nn.functional as F
from figures import Turns
from torch import Tensor

from model.network.lrn_triton import relu_lrn


def normalizing(dtype: torch.dtype, batch: int, rounds: int) -> dict[str, Turns]:
    """Turns of forward and backward in one; to move five values for each is the least that takes."""
    shape = batch, 96, 55, 55
    planar, gradient = (torch.randn(shape, device="cuda", dtype=dtype) * 60 for _ in range(2))
    last, last_gradient = (maps.contiguous(memory_format=torch.channels_last) for maps in (planar, gradient))
    target = torch.empty_like(last)
    works: dict[str, tuple[Callable[[], object], int]] = {
        "LRN: copy on the device": (partial(target.copy_, last), 2),
        "LRN: torch, NCHW": (partial(both_ways, torchs_norm, planar.clone(), gradient), 5),
        "LRN: torch, channels last": (partial(both_ways, torchs_norm, last.clone(), last_gradient), 5),
        "LRN: tandem": (partial(both_ways, our_norm, last.clone(), last_gradient), 5),
    }
    bytes_of_one = planar.numel() * planar.element_size()
    turns: dict[str, list[Mapping[str, float]]] = {name: [] for name in works}
    for turn in range(rounds + 1):
        for name, (work, moved) in works.items():
            seconds = device_seconds(work, times=5)
            # The first turn compiles.
            if turn:
                rate = moved * bytes_of_one / seconds / 1e9
                turns[name].append({"milliseconds": seconds * 1e3, "gb_per_second_at_least": rate})
    return dict(turns)


def torchs_norm(values: Tensor) -> Tensor:
    return F.local_response_norm(values.relu(), 5, alpha=5e-4, beta=0.75, k=2)


def our_norm(values: Tensor) -> Tensor:
    return relu_lrn(values, towers=2, alpha=1e-4, k=2.0, relu=True)


def both_ways(normalize: Callable[[Tensor], Tensor], values: Tensor, gradient: Tensor) -> None:
    torch.autograd.grad(normalize(values.requires_grad_()), values, gradient)


def device_seconds(work: Callable[[], object], times: int) -> float:
    """The device's time for `work`, which is long beside what the host takes to ask for it."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    work()
    start.record()
    for _ in range(times):
        work()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1000 / times
