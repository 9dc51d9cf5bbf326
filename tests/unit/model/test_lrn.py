"""Local response normalisation against the paper's formula, written out channel by channel."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from model.network import lrn_native
from model.network.lrn import local_response_norm, map_response_norm

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def formula(activations_NCHW: Tensor) -> Tensor:
    """P §3.3: b_i = a_i / (2 + 1e-4 · Σ a_j², j from max(0, i−2) to min(C−1, i+2))^0.75."""
    channels = activations_NCHW.shape[1]
    normalized = []
    for i in range(channels):
        neighbours = activations_NCHW[:, max(0, i - 2) : min(channels - 1, i + 2) + 1]
        denominator = (2 + 1e-4 * (neighbours**2).sum(dim=1)) ** 0.75
        normalized.append(activations_NCHW[:, i] / denominator)
    return torch.stack(normalized, dim=1)


def activations(channels: int, layout: torch.memory_format, dtype: torch.dtype) -> Tensor:
    drawn = torch.randn(2, channels, 3, 4, generator=torch.Generator().manual_seed(channels), dtype=dtype)
    return (drawn * 100).contiguous(memory_format=layout)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 16, 48])
def test_output_is_the_formulas(channels: int, layout: torch.memory_format) -> None:
    values = activations(channels, layout, torch.float64)
    torch.testing.assert_close(local_response_norm(values), formula(values), rtol=1e-13, atol=1e-13)


def test_float32_output_is_the_formulas() -> None:
    values = activations(48, torch.channels_last, torch.float32)
    torch.testing.assert_close(local_response_norm(values), formula(values.double()).float())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels", [2, 10, 96])
def test_float32_is_the_formula_of_each_tower_however_it_is_computed(
    channels: int, layout: torch.memory_format
) -> None:
    values = activations(channels, layout, torch.float32)
    wanted = torch.cat([formula(tower) for tower in values.double().chunk(2, dim=1)], dim=1).float()
    for threads in (1, 8):
        torch.set_num_threads(threads)
        found = local_response_norm(values, towers=2)
        torch.testing.assert_close(found, wanted)
        assert found.stride() == values.stride()


@pytest.mark.parametrize(
    ("threads", "layout", "dtype", "passes"),
    [
        (1, torch.channels_last, torch.float32, 1),
        (4, torch.channels_last, torch.float32, 1),
        (8, torch.channels_last, torch.float32, 0),
        (1, torch.contiguous_format, torch.float32, 0),
        (1, torch.channels_last, torch.float64, 0),
    ],
)
def test_one_pass_is_made_where_it_is_faster(
    threads: int,
    layout: torch.memory_format,
    dtype: torch.dtype,
    passes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[int] = []
    normalize = lrn_native.normalize
    monkeypatch.setattr(lrn_native, "normalize", lambda *maps: made.append(1) or normalize(*maps))
    torch.set_num_threads(threads)
    local_response_norm(activations(16, layout, dtype), towers=2)
    assert len(made) == passes


def test_the_one_pass_has_the_gradient_of_the_formula_and_takes_no_images_too() -> None:
    values = activations(48, torch.channels_last, torch.float32).requires_grad_()
    weights = torch.randn(values.shape, generator=torch.Generator().manual_seed(1))
    (own,) = torch.autograd.grad(local_response_norm(values), values, weights)
    exact = values.detach().double().requires_grad_()
    (expected,) = torch.autograd.grad(formula(exact), exact, weights.double())
    torch.testing.assert_close(own, expected.float())
    with torch.inference_mode():
        assert local_response_norm(values[:0]).shape == (0, *values.shape[1:])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels", [1, 3, 8])
def test_gradient_is_the_numerical_one(channels: int, layout: torch.memory_format) -> None:
    values = activations(channels, layout, torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(local_response_norm, values)


def test_gradient_is_the_one_of_the_formula() -> None:
    values = activations(48, torch.channels_last, torch.float64).requires_grad_()
    weights = torch.randn(values.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (own,) = torch.autograd.grad((local_response_norm(values) * weights).sum(), values)
    (expected,) = torch.autograd.grad((formula(values) * weights).sum(), values)
    torch.testing.assert_close(own, expected, rtol=1e-12, atol=1e-12)


class TwoTowers(nn.Module):
    def forward(self, activations_NCHW: Tensor) -> Tensor:
        return local_response_norm(activations_NCHW, towers=2)


@pytest.mark.parametrize("channels", [2, 6, 32])
def test_what_is_recorded_is_the_formula_for_any_number_of_images(channels: int) -> None:
    values = activations(channels, torch.channels_last, torch.float64)
    any_number = ({0: torch.export.Dim("N")},)
    recorded = torch.export.export(TwoTowers(), (values,), dynamic_shapes=any_number).module()
    more = torch.cat([values, values * 2, values * 3])
    expected = torch.cat([formula(tower) for tower in more.chunk(2, dim=1)], dim=1)
    torch.testing.assert_close(recorded(more), expected, rtol=1e-13, atol=1e-13)


def test_the_sum_is_not_divided_by_the_window() -> None:
    values = activations(16, torch.contiguous_format, torch.float64)
    papers = torch.nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)
    torch.testing.assert_close(local_response_norm(values), papers(values), rtol=1e-12, atol=1e-12)


def test_the_input_and_its_layout_are_kept() -> None:
    values = activations(16, torch.channels_last, torch.float32)
    before = values.clone()
    output = local_response_norm(values)
    assert output.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(values, before)


def test_no_window_reaches_into_another_tower() -> None:
    values = activations(12, torch.channels_last, torch.float64)
    expected = torch.cat([formula(tower) for tower in values.chunk(2, dim=1)], dim=1)
    together = local_response_norm(values, towers=2)
    torch.testing.assert_close(together, expected, rtol=1e-13, atol=1e-13)
    assert not torch.allclose(together, local_response_norm(values))
    assert together.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("averaged", [False, True])
def test_the_gradient_with_two_towers_is_the_numerical_one(averaged: bool) -> None:
    values = activations(8, torch.channels_last, torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda maps: local_response_norm(maps, towers=2, averaged=averaged), values
    )


def test_averaged_it_is_torchs_own_as_the_2012_source_ran_it() -> None:
    values = activations(16, torch.contiguous_format, torch.float64)
    source = torch.nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2)
    own = local_response_norm(values, averaged=True)
    torch.testing.assert_close(own, source(values), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_rounds_the_result_alone(dtype: torch.dtype) -> None:
    # Squares of these are beyond what float16 can hold.
    values = activations(16, torch.channels_last, torch.float64).mul(4).to(dtype)
    own = local_response_norm(values)
    assert own.dtype == dtype
    torch.testing.assert_close(own, formula(values.double()).to(dtype))


def test_the_norm_within_maps_is_the_2012_sources() -> None:
    values = activations(3, torch.channels_last, torch.float64)
    expected = torch.empty_like(values)
    height, width = values.shape[2:]
    for y in range(height):
        for x in range(width):
            window = values[:, :, max(0, y - 2) : y + 3, max(0, x - 2) : x + 3]
            sums = window.square().sum(dim=(2, 3))
            expected[:, :, y, x] = values[:, :, y, x] / (1 + 1e-3 / 25 * sums) ** 0.75
    torch.testing.assert_close(map_response_norm(values), expected, rtol=1e-12, atol=1e-12)


def test_with_relu_it_is_the_norm_of_what_is_positive() -> None:
    values = activations(8, torch.channels_last, torch.float64)
    expected = formula(values.relu())
    assert (values < 0).any()
    torch.testing.assert_close(local_response_norm(values.clone(), relu=True), expected)
