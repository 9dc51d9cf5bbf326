"""The Triton kernels of ReLU and LRN against the paper's formula: in Triton's interpreter here, compiled for
real GPUs, and run on one where there is one.

Triton decides when it is imported whether to interpret, so each way has a process of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from fresh_process import run
from torch import Tensor

INTERPRETED = """
import sys, torch
from model.network.lrn_triton import relu_lrn

torch.set_num_threads(1)
found = []
for values, weights, settings in torch.load(sys.argv[1]):
    values.requires_grad_()
    normalized = relu_lrn(values, **settings)
    (gradient,) = torch.autograd.grad(normalized, values, weights)
    found.append((normalized.detach(), gradient))
torch.save(found, sys.argv[2])
"""

DIFFERENTIATED = """
import torch
from functools import partial
from model.network.lrn_triton import relu_lrn

torch.set_num_threads(1)
for relu in (True, False):
    for towers, layout in ((1, torch.channels_last), (2, torch.contiguous_format)):
        random = torch.Generator().manual_seed(1)
        values = torch.randn(2, 8, 1, 2, generator=random, dtype=torch.float64) * 50
        # A difference quotient across the kink of ReLU is no gradient.
        values = (values + values.sign()).contiguous(memory_format=layout).requires_grad_()
        normalize = partial(relu_lrn, towers=towers, alpha=1e-4, k=2.0, relu=relu)
        assert torch.autograd.gradcheck(normalize, values), (relu, towers)
"""

GRAPHED = """
import torch
from model.network.lrn_triton import relu_lrn

torch.set_num_threads(1)
def normalize(values):
    return relu_lrn(values * 2, towers=2, alpha=1e-4, k=2.0, relu=True)

whole = torch.compile(normalize, backend="aot_eager", fullgraph=True)
for layout in (torch.channels_last, torch.contiguous_format):
    values = (torch.randn(2, 16, 3, 5) * 50).contiguous(memory_format=layout).requires_grad_()
    weights = torch.randn(2, 16, 3, 5)
    results = []
    for function in (normalize, whole):
        normalized = function(values)
        assert normalized.is_contiguous(memory_format=torch.channels_last)
        results += [(normalized, *torch.autograd.grad(normalized, values, weights))]
    assert all(torch.equal(one, other) for one, other in zip(*results)), layout
torch.library.opcheck(torch.ops.tandem.relu_lrn.default, (values, 2, 1e-4, 2.0, True))
"""

KEPT = """
import torch
from model.network.lrn_triton import relu_lrn

kept = []
values = torch.randn(2, 16, 3, 5).contiguous(memory_format=torch.channels_last).requires_grad_()
before = values.detach().clone()
with torch.autograd.graph.saved_tensors_hooks(lambda saved: kept.append(saved), lambda place: None):
    relu_lrn(values, towers=2, alpha=1e-4, k=2.0, relu=True)
print([tensor.data_ptr() == values.data_ptr() for tensor in kept], torch.equal(values, before))
"""

COMPILED = """
import re, triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from model.network.lrn_triton import _differentiating, _normalizing

for kernel in (_normalizing, _differentiating):
    names = kernel.arg_names
    maps = names.index("count")
    for capability in (80, 90):
        for dtype in ("fp32", "bf16", "fp16", "fp64"):
            for group in (48, 128):
                constants = {"ALPHA": 1e-4, "K": 2.0, "RELU": True, "GROUP": group, "BLOCK": 1024}
                types = ["*" + dtype] * maps + ["i32"] + ["constexpr"] * len(constants)
                source = ASTSource(
                    kernel,
                    dict(zip(names, types, strict=True)),
                    {(names.index(name),): value for name, value in constants.items()},
                    {(place,): [["tt.divisibility", 16]] for place in range(maps + 1)},
                )
                ptx = triton.compile(source, target=GPUTarget("cuda", capability, 32)).asm["ptx"]
                # The plain maximum of NaN and 0 is 0 on a GPU, not so in the interpreter.
                assert not re.search("max[.]f(16|32|64)", ptx)
                if dtype == "fp64":
                    continue
                loads = set(re.findall("ld[.]global[.]([.a-z0-9]+)", ptx))
                stores = set(re.findall("st[.]global[.]([.a-z0-9]+)", ptx))
                roundings = set(re.findall("cvt[.]([a-z]+)[.][.a-z0-9]*f16[x2]*[.]f32", ptx))
                shared = len(re.findall("[.]shared[.]|bar[.]sync|shfl", ptx))
                print(kernel.__name__, capability, dtype, group, sorted(loads), *stores, *roundings, shared)
"""


class Case(NamedTuple):
    towers: int
    channels: int
    dtype: torch.dtype = torch.float64
    layout: str = "channels_last"
    relu: bool = True
    alpha: float = 1e-4
    images: int = 2

    @property
    def settings(self) -> dict[str, object]:
        return {"towers": self.towers, "alpha": self.alpha, "k": 2.0, "relu": self.relu}


# Groups of the networks' towers, of a single quad, of no power of two, and of more than a program's block.
GROUPS = [
    (1, 16),
    (1, 32),
    (2, 64),
    (1, 48),
    (2, 96),
    (1, 128),
    (2, 256),
    (1, 4),
    (3, 24),
    (1, 20),
    (1, 1040),
]
CASES = [
    *(Case(*group, relu=relu) for group in GROUPS for relu in (True, False)),
    *(
        Case(2, 96, dtype, layout, relu)
        for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16)
        for layout in ("channels_last", "contiguous", "every second pixel")
        for relu in (True, False)
    ),
    # The 2012 source divides by the window.
    *(Case(1, 48, dtype, alpha=1e-4 / 5, relu=False) for dtype in (torch.float64, torch.float32)),
    Case(1, 16, images=0),
]
TOLERANCE = {
    torch.float64: (1e-13, 1e-13),
    torch.float32: (2e-6, 1e-6),
    torch.float16: (2**-10, 1e-4),
    # The interpreter cuts the last 16 bits off where a GPU rounds to the nearest.
    torch.bfloat16: (2**-7, 1e-5),
}


def inputs(case: Case) -> tuple[Tensor, Tensor]:
    """Values of a few hundred, where the scale counts, and a gradient; sides odd and different."""
    random = torch.Generator().manual_seed(case.channels)
    shape = case.images, case.channels, 3, 10
    values, weights = (torch.randn(shape, generator=random, dtype=torch.float64) for _ in range(2))
    values, weights = (values * 200).to(case.dtype), weights.to(case.dtype)
    if case.layout == "every second pixel":
        return values[..., ::2], weights[..., 1::2]
    values, weights = values[..., :5].contiguous(), weights[..., :5].contiguous()
    if case.layout == "channels_last":
        return values.to(memory_format=torch.channels_last), weights.to(memory_format=torch.channels_last)
    return values, weights


def formula(values_NCHW: Tensor, case: Case) -> Tensor:
    """P §3.3, channel by channel, each tower's for itself: b_i = a_i / (2 + α · Σ a_j²)^0.75."""
    normalized = []
    for tower_NCHW in values_NCHW.chunk(case.towers, dim=1):
        maps = tower_NCHW.relu() if case.relu else tower_NCHW
        for i in range(maps.shape[1]):
            neighbours = maps[:, max(0, i - 2) : min(maps.shape[1] - 1, i + 2) + 1]
            normalized.append(maps[:, i] / (2 + case.alpha * (neighbours**2).sum(dim=1)) ** 0.75)
    return torch.stack(normalized, dim=1)


def expected(values: Tensor, weights: Tensor, case: Case) -> tuple[Tensor, Tensor]:
    exact = values.detach().double().requires_grad_()
    normalized = formula(exact, case)
    (gradient,) = torch.autograd.grad(normalized, exact, weights.double())
    return normalized.detach(), gradient


def assert_as_expected(found: tuple[Tensor, Tensor], values: Tensor, weights: Tensor, case: Case) -> None:
    relative, absolute = TOLERANCE[case.dtype]
    for own, exact in zip(found, expected(values, weights, case), strict=True):
        assert own.dtype == case.dtype
        torch.testing.assert_close(own.double(), exact, rtol=relative, atol=absolute, equal_nan=True)


def interpret(cases: list[tuple[Tensor, Tensor, Case]], folder: Path) -> list[tuple[Tensor, Tensor]]:
    """Output and gradient of each case by the kernels, on the CPU."""
    torch.save([(values, weights, case.settings) for values, weights, case in cases], folder / "cases.pt")
    run(INTERPRETED, folder / "cases.pt", folder / "found.pt", TRITON_INTERPRET="1")
    found: list[tuple[Tensor, Tensor]] = torch.load(folder / "found.pt")
    return found


@pytest.fixture(scope="module")
def interpreted(tmp_path_factory: pytest.TempPathFactory) -> dict[Case, tuple[Tensor, Tensor]]:
    folder = tmp_path_factory.mktemp("lrn")
    found = interpret([(*inputs(case), case) for case in CASES], folder)
    return dict(zip(CASES, found, strict=True))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_output_and_gradient_are_the_formulas(
    interpreted: dict[Case, tuple[Tensor, Tensor]], case: Case
) -> None:
    assert_as_expected(interpreted[case], *inputs(case), case)
    assert interpreted[case][0].is_contiguous(memory_format=torch.channels_last)


def test_towers_side_by_side_are_each_as_if_alone(tmp_path: Path) -> None:
    both = Case(2, 96, torch.float32)
    alone = Case(1, 48, torch.float32)
    values, weights = inputs(both)
    parts = list(zip(values.chunk(2, dim=1), weights.chunk(2, dim=1), [alone, alone], strict=True))
    found, *apart = interpret([(values, weights, both), *parts], tmp_path)
    for which, kind in enumerate(("output", "gradient")):
        assert torch.equal(found[which], torch.cat([each[which] for each in apart], dim=1)), kind


@pytest.mark.parametrize("relu", [True, False])
def test_nan_and_infinity_and_negative_zero_go_where_the_formula_takes_them(
    tmp_path: Path, relu: bool
) -> None:
    case = Case(2, 96, torch.float32, relu=relu)
    values, weights = inputs(case)
    values[0, 7, 0, 0] = torch.nan
    values[0, 46, 1, 1] = torch.inf
    values[0, 20, 2, 2] = -torch.inf
    values[1, :, 0, 0] = -0.0
    (found,) = interpret([(values, weights, case)], tmp_path)
    assert found[0][0, :, 0, 0].isnan().nonzero().flatten().tolist() == [5, 6, 7, 8, 9]
    assert_as_expected(found, values, weights, case)


def test_gradient_is_the_numerical_one() -> None:
    run(DIFFERENTIATED, TRITON_INTERPRET="1")


def test_a_compiled_function_holds_it_whole_with_the_same_results() -> None:
    run(GRAPHED, TRITON_INTERPRET="1")


def test_the_input_alone_is_kept_for_backward_and_left_as_it_was() -> None:
    assert run(KEPT, TRITON_INTERPRET="1") == "[True] True\n"


def test_kernels_compile_for_gpus_read_quads_whole_and_use_no_shared_memory(tmp_path: Path) -> None:
    accesses_of = {
        "fp32": "['v4.b32'] v4.b32 0",
        "bf16": "['v2.b32', 'v4.b32'] v4.b32 rn 0",
        "fp16": "['v2.b32', 'v4.b32'] v4.b32 rn 0",
    }
    lines = run(COMPILED, TRITON_CACHE_DIR=str(tmp_path)).splitlines()
    assert sorted(lines) == sorted(
        f"{kernel} {capability} {dtype} {group} {accesses}"
        for kernel in ("_normalizing", "_differentiating")
        for capability in (80, 90)
        for dtype, accesses in accesses_of.items()
        for group in (48, 128)
    )


@pytest.mark.parametrize(("towers", "channels"), [(1, 6), (2, 12), (3, 16)])
def test_towers_of_channels_not_in_fours_are_refused(towers: int, channels: int) -> None:
    from model.network.lrn_triton import relu_lrn

    with pytest.raises(ValueError, match=rf"channels={channels} .* towers={towers}"):
        relu_lrn(torch.zeros(1, channels, 2, 2), towers=towers, alpha=1e-4, k=2.0, relu=True)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_output_and_gradient_on_a_gpu_are_the_formulas() -> None:
    from model.network.lrn_triton import relu_lrn

    for case in CASES:
        values, weights = inputs(case)
        if case.images:
            values[0, 1, 0, 0] = torch.nan
        on_gpu = values.cuda().requires_grad_()
        normalized = relu_lrn(on_gpu, towers=case.towers, alpha=case.alpha, k=2.0, relu=case.relu)
        (gradient,) = torch.autograd.grad(normalized, on_gpu, weights.cuda())
        assert_as_expected((normalized.detach().cpu(), gradient.cpu()), values, weights, case)
