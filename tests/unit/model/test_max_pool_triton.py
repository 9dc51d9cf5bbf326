"""The Triton kernels of overlapping pooling against torch's: in Triton's interpreter here, compiled for real
GPUs, and run on one where there is one.

Triton decides when it is imported whether to interpret, so each way has a process of its own.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from fresh_process import run
from torch import Tensor

INTERPRETED = """
import sys, torch
from model.network.max_pool_triton import max_pool

torch.set_num_threads(1)
found = []
for maps, gradient in torch.load(sys.argv[1]):
    pooled = max_pool(maps.requires_grad_())
    (spread,) = torch.autograd.grad(pooled, maps, gradient)
    found.append((pooled.detach(), spread))
torch.save(found, sys.argv[2])
"""

COMPILED = """
import re, triton, triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from model.network.max_pool_triton import _WARPS_POOLING, _WARPS_SPREADING, _pooling, _spreading

kernels = (_pooling, _WARPS_POOLING, ("*%", "*%", "*u8")), (_spreading, _WARPS_SPREADING, ("*%", "*u8", "*%"))
for kernel, warps, maps in kernels:
    names = kernel.arg_names
    for capability in (80, 90):
        for dtype in ("fp32", "bf16", "fp16", "fp64"):
            for channels, side in ((96, 55), (256, 13)):
                wide = tl.float64 if dtype == "fp64" else tl.float32
                constants = {"HEIGHT": side, "WIDTH": side, "CHANNELS": channels, "WIDE": wide, "BLOCK": 1024}
                types = [each.replace("%", dtype) for each in maps] + ["i32"] + ["constexpr"] * len(constants)
                source = ASTSource(
                    kernel,
                    dict(zip(names, types, strict=True)),
                    {(names.index(name),): value for name, value in constants.items()},
                    {(place,): [["tt.divisibility", 16]] for place in range(3)},
                )
                target = GPUTarget("cuda", capability, 32)
                ptx = triton.compile(source, target=target, options={"num_warps": warps}).asm["ptx"]
                # The plain maximum of NaN and a number is the number on a GPU, not so in the interpreter.
                assert not re.search("max[.]f(16|32|64)", ptx)
                single = re.findall("(?:ld|st)[.]global[.](?:b8|b16)", ptx)
                print(kernel.__name__, capability, dtype, channels, len(single))
"""


SHAPES = [(2, 96, 7, 7), (3, 5, 8, 6), (1, 1, 2, 2), (2, 32, 13, 13), (1, 3, 55, 4), (0, 4, 8, 8)]
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
CASES = {f"{shape}, {dtype}": (shape, dtype) for shape in SHAPES for dtype in DTYPES}


def interpretable(name: str) -> tuple[Tensor, Tensor]:
    """The interpreter does not tell NaN in bfloat16 from other values."""
    shape, dtype = CASES[name]
    return inputs(shape, dtype, nan=dtype != torch.bfloat16)


def inputs(shape: tuple[int, ...], dtype: torch.dtype, *, nan: bool) -> tuple[Tensor, Tensor]:
    """Maps with many equal values; gradients that sum exactly."""
    random = torch.Generator().manual_seed(7)
    maps = (
        torch.randint(-3, 4, shape, generator=random).to(dtype).contiguous(memory_format=torch.channels_last)
    )
    if maps.numel() and nan:
        maps[0, 0, 0, 1] = torch.nan
        maps[-1, -1] = -torch.inf
    pooled = (*shape[:2], shape[2] // 2, shape[3] // 2)
    return maps, torch.randint(-3, 4, pooled, generator=random).to(dtype)


def expected(maps: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    maps = maps.clone().requires_grad_()
    pooled = F.max_pool2d(maps, 3, stride=2, ceil_mode=True)
    return pooled.detach(), torch.autograd.grad(pooled, maps, gradient)[0]


@pytest.fixture(scope="module")
def interpreted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Tensor, Tensor]]:
    """What the kernels make of every case, on the CPU."""
    folder = tmp_path_factory.mktemp("triton")
    torch.save([interpretable(name) for name in CASES], folder / "cases.pt")
    run(INTERPRETED, folder / "cases.pt", folder / "found.pt", TRITON_INTERPRET="1")
    return dict(zip(CASES, torch.load(folder / "found.pt"), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_the_kernels_pool_and_spread_as_torch_does(
    interpreted: dict[str, tuple[Tensor, Tensor]], name: str
) -> None:
    for found, wanted in zip(interpreted[name], expected(*interpretable(name)), strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=0, equal_nan=True)


def test_the_kernels_compile_for_gpus_and_touch_no_value_by_itself(tmp_path: Path) -> None:
    lines = run(COMPILED, TRITON_CACHE_DIR=str(tmp_path)).splitlines()
    assert sorted(lines) == sorted(
        f"{kernel} {capability} {dtype} {channels} 0"
        for kernel in ("_pooling", "_spreading")
        for capability in (80, 90)
        for dtype in ("fp32", "bf16", "fp16", "fp64")
        for channels in (96, 256)
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", CASES)
def test_a_gpu_pools_and_spreads_as_torch_does_on_the_cpu(name: str) -> None:
    from model.network.max_pool_triton import max_pool

    maps, gradient = inputs(*CASES[name], nan=True)
    there = maps.cuda().requires_grad_()
    pooled = max_pool(there)
    (spread,) = torch.autograd.grad(pooled, there, gradient.cuda())
    for found, wanted in zip((pooled.detach(), spread), expected(maps, gradient), strict=True):
        torch.testing.assert_close(found.cpu(), wanted, rtol=0, atol=0, equal_nan=True)
