"""The Triton kernel against plain torch: in Triton's interpreter here, and compiled for real GPUs.

Triton decides when it is imported whether to interpret, so each way has a process of its own.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fresh_process import run

from pipeline.batches.choices import Choices
from pipeline.batches.view_cutter import ViewCutter

INTERPRETED = """
import sys, torch
from pipeline.batches.choices import Choices
from pipeline.batches.augment_triton import cut_with_triton, packed

cases = torch.load(sys.argv[1])
for images, mean, choices, views in cases:
    cut_with_triton(images, mean, packed(Choices(*choices)), views)
torch.save([views for _, _, _, views in cases], sys.argv[2])
"""

COMPILED = """
import re, triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from pipeline.batches.augment_triton import _WARPS_CHANNELS_LAST, _WARPS_PLANAR, _cut

types = {"images": "*u8", "mean": "*fp32", "choices": "*i32", "blocks": "i32"}
for capability in (80, 90):
    for views in ("fp32", "bf16", "fp16"):
        for planar in (True, False):
            constants = {"views_of_photo": 1, "SIDE": 256, "SIZE": 224, "PLANAR": planar, "BLOCK": 1024}
            names = _cut.arg_names
            signature = {name: types.get(name, "constexpr") for name in names} | {"views": "*" + views}
            source = ASTSource(
                _cut,
                signature,
                {(names.index(name),): value for name, value in constants.items()},
                {(place,): [["tt.divisibility", 16]] for place in range(4)},
            )
            warps = {"num_warps": _WARPS_PLANAR if planar else _WARPS_CHANNELS_LAST}
            ptx = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=warps).asm["ptx"]
            stores = set(re.findall("st[.]global[.]([.a-z0-9]+)", ptx))
            roundings = set(re.findall("cvt[.]([a-z]+)[.][.a-z0-9]*f16[x2]*[.]f32", ptx))
            print(capability, views, planar, *stores, *roundings)
"""

CASES = {
    f"{size} to {crop}, {shape}, {dtype}, {memory_format}": (size, crop, shape, dtype, memory_format)
    for size, crop, shape in ((37, 23, (5,)), (37, 23, (2, 3)), (44, 40, (3,)), (9, 9, (4,)), (6, 1, (4, 2)))
    for dtype in (torch.float32, torch.bfloat16, torch.float16)
    for memory_format in (torch.contiguous_format, torch.channels_last)
}


def inputs(size, crop, shape):
    """Photos, a mean image, and choices that reach all four corners, mirrored and not."""
    random = np.random.default_rng(size)
    span = size - crop
    count = int(np.prod(shape))
    corners = [(0, 0, True), (span, span, True), (0, span, False), (span, 0, False)]
    places = [
        corners[i] if i < len(corners) else (*random.integers(0, span + 1, 2).tolist(), bool(i % 2))
        for i in range(count)
    ]
    tops, lefts, flips = (torch.tensor(values).view(shape) for values in zip(*places, strict=True))
    colours = torch.from_numpy(random.normal(0, 20, (*shape, 3)).astype(np.float32))
    photos = torch.from_numpy(random.integers(0, 256, (shape[0], size, size, 3), dtype=np.uint8))
    mean = torch.from_numpy(random.uniform(0, 255, (size, size, 3)).astype(np.float32))
    return photos, mean, Choices(tops, lefts, flips, colours)


@pytest.fixture(scope="module")
def interpreted(tmp_path_factory):
    """What the kernel makes of every case, on the CPU."""
    folder = tmp_path_factory.mktemp("triton")
    cases = []
    for size, crop, shape, dtype, memory_format in CASES.values():
        photos, mean, choices = inputs(size, crop, shape)
        flat = tuple(choices.flat())
        mean_13SS = mean.permute(2, 0, 1)[None].contiguous(memory_format=memory_format)
        views = torch.full((len(flat[0]), 3, crop, crop), torch.nan, dtype=dtype)
        cases.append((photos, mean_13SS[0], flat, views.contiguous(memory_format=memory_format)))
    torch.save(cases, folder / "cases.pt")
    run(INTERPRETED, folder / "cases.pt", folder / "views.pt", TRITON_INTERPRET="1")
    return dict(zip(CASES, torch.load(folder / "views.pt"), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_the_kernel_cuts_the_views_of_plain_torch(interpreted, name):
    size, crop, shape, dtype, memory_format = CASES[name]
    photos, mean, choices = inputs(size, crop, shape)
    if dtype == torch.bfloat16:
        # The interpreter cuts the last 16 bits off where a GPU rounds to the nearest.
        exact = ViewCutter(mean, crop).cut(photos, choices)
        expected = (exact.view(torch.int32) & -(2**16)).view(torch.float32).bfloat16()
    else:
        expected = ViewCutter(mean, crop, dtype=dtype, memory_format=memory_format).cut(photos, choices)
    assert torch.equal(interpreted[name].unflatten(0, shape), expected)


def test_the_kernel_compiles_for_gpus_stores_eight_bytes_at_a_time_or_more_and_rounds_to_the_nearest(
    tmp_path,
):
    lines = run(COMPILED, TRITON_CACHE_DIR=str(tmp_path)).splitlines()
    assert sorted(lines) == sorted(
        " ".join([str(capability), views, str(planar), stores, *rounding])
        for capability in (80, 90)
        for views, rounding in (("fp32", []), ("bf16", ["rn"]), ("fp16", ["rn"]))
        for planar in (True, False)
        for stores in ("v2.b32" if planar and rounding else "v4.b32",)
    )


def test_views_on_the_cpu_are_cut_without_triton():
    forbidden = "import sys; sys.modules['triton'] = None\n"
    cut = (
        "import torch\n"
        "from pipeline.batches.view_cutter import Choices, ViewCutter\n"
        "zeros = torch.zeros(2, dtype=torch.long)\n"
        "choices = Choices(zeros, zeros, zeros.bool(), torch.zeros(2, 3))\n"
        "photos = torch.ones(2, 5, 5, 3, dtype=torch.uint8)\n"
        "views = ViewCutter(torch.zeros(5, 5, 3), 3).cut(photos, choices)\n"
        "print(float(views.sum()))\n"
    )
    assert run(forbidden + cut) == "54.0\n"


def test_augmentation_needs_neither_ffcv_nor_ray():
    modules = "augment", "view_cutter", "views", "device_batches"
    imports = "".join(f"import pipeline.batches.{module}\n" for module in modules)
    assert run(f"import sys\n{imports}print({{'ffcv', 'ray', 'numba', 'triton'}} & set(sys.modules))") == (
        "set()\n"
    )
