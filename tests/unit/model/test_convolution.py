"""Convolutions in the forms that CUDA gets, against torch's conv2d; on the CPU too, where they may be."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from model.network.convolution import _by_blocks, _one_by_one, convolve

# Side, kernel's side, stride, padding, channels: the networks' first layers, and what is less regular.
STRIDED = [
    (224, 11, 4, (0, 3), 3),
    (64, 7, 2, (0, 3), 3),
    (65, 7, 2, (1, 2), 3),
    (30, 5, 3, (2, 0), 4),
    (13, 3, 2, (1, 1), 5),
    # Blocks beyond those that a kernel reaches, and a kernel smaller than its stride.
    (14, 3, 4, (0, 0), 3),
    (16, 2, 5, (0, 0), 2),
]


def inputs(side: int, kernel_side: int, channels: int, groups: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(3)
    shapes = (2, channels, side, side), (6, channels // groups, kernel_side, kernel_side), (6,)
    return tuple(  # type: ignore[return-value]
        torch.randn(shape, generator=random, dtype=torch.float64).requires_grad_() for shape in shapes
    )


def expected(
    maps: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: tuple[int, int]
) -> Tensor:
    return F.conv2d(F.pad(maps, padding * 2), weight, bias, stride, groups=maps.shape[1] // weight.shape[1])


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize(("side", "kernel_side", "stride", "padding", "channels"), STRIDED)
def test_blocks_give_the_maps_and_gradients_of_the_strided_convolution(
    side: int, kernel_side: int, stride: int, padding: tuple[int, int], channels: int, biased: bool
) -> None:
    maps, weight, bias = inputs(side, kernel_side, channels)
    learnt = (maps, weight, bias) if biased else (maps, weight)
    wanted = expected(maps, weight, bias if biased else None, stride, padding)
    found = _by_blocks(maps, weight, bias if biased else None, stride, padding)
    torch.testing.assert_close(found, wanted)
    gradient = torch.randn_like(wanted)
    torch.testing.assert_close(
        torch.autograd.grad(found, learnt, gradient), torch.autograd.grad(wanted, learnt, gradient)
    )


def test_blocks_are_cast_as_autocast_casts_what_a_convolution_reads() -> None:
    maps, weight, bias = (values.float() for values in inputs(64, 7, 3))
    with torch.autocast("cpu", torch.bfloat16):
        found = _by_blocks(maps, weight, bias, 2, (0, 3))
        wanted = expected(maps, weight, bias, 2, (0, 3))
    assert found.dtype == wanted.dtype == torch.bfloat16
    torch.testing.assert_close(found, wanted, rtol=0.02, atol=0.1)
    with torch.autocast("cpu", torch.bfloat16):
        assert _by_blocks(*inputs(64, 7, 3), 2, (0, 3)).dtype == torch.float64


@pytest.mark.parametrize("padding", [(1, 1), (0, 2)])
def test_padding_may_differ_before_and_after(padding: tuple[int, int]) -> None:
    maps, weight, bias = inputs(9, 3, 8, groups=2)
    found = convolve(maps, weight, bias, padding=padding, groups=2)
    torch.testing.assert_close(found, expected(maps, weight, bias, 1, padding))


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize(
    ("side", "kernel_side", "stride", "padding"), [(13, 3, 1, (1, 1)), (16, 3, 2, (1, 1))]
)
def test_groups_one_by_one_give_the_maps_and_gradients_of_all_at_once(
    side: int, kernel_side: int, stride: int, padding: tuple[int, int], biased: bool
) -> None:
    maps, weight, bias = inputs(side, kernel_side, 8, groups=2)
    learnt = (maps, weight, bias) if biased else (maps, weight)
    wanted = expected(maps, weight, bias if biased else None, stride, padding)
    found = _one_by_one(maps, weight, bias if biased else None, stride, padding, 2)
    torch.testing.assert_close(found, wanted)
    gradient = torch.randn_like(wanted)
    torch.testing.assert_close(
        torch.autograd.grad(found, learnt, gradient), torch.autograd.grad(wanted, learnt, gradient)
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize(
    ("side", "kernel_side", "stride", "padding", "groups"),
    [(224, 11, 4, (0, 3), 1), (13, 3, 1, (1, 1), 2), (9, 3, 1, (0, 2), 2), (16, 3, 2, (1, 1), 2)],
)
def test_cuda_convolves_as_the_cpu_does(
    side: int, kernel_side: int, stride: int, padding: tuple[int, int], groups: int, biased: bool
) -> None:
    maps, weight, bias = inputs(side, kernel_side, 8, groups)
    learnt = (maps, weight, bias) if biased else (maps, weight)
    wanted = expected(maps, weight, bias if biased else None, stride, padding)
    there = [values.detach().cuda().requires_grad_() for values in learnt]
    found = convolve(
        there[0], there[1], there[2] if biased else None, stride=stride, padding=padding, groups=groups
    )
    torch.testing.assert_close(found.cpu(), wanted)
    gradient = torch.randn_like(wanted)
    gradients = torch.autograd.grad(found, there, gradient.cuda())
    torch.testing.assert_close(
        tuple(each.cpu() for each in gradients), torch.autograd.grad(wanted, learnt, gradient)
    )
