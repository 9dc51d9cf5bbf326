"""ReLU and local response normalisation (P §3.3) on CUDA, in one pass over memory each way.

Imported only where the maps are on CUDA: torch's CUDA builds bring Triton along, others do not.

Bytes decide how long this takes, not arithmetic. Forward reads a value and writes one; backward reads it and
its gradient and writes one: five moved, 10 bytes in bfloat16 and 20 in float32, where a copy moves two. Kept
for backward is the input alone, which the convolution has made anyway: to compute the scale u again takes two
special functions, to store and load it would move four or eight bytes more.

Maps lie channels last, so that memory is a row of groups of C / towers channels, and a window of 5 channels
is a few neighbours in it. A thread works on quads, four neighbours each, and reads the quads before and after
its own as well. All begin at a multiple of four, so that each is one wide load, for which the caches have
most of the data; loads at distances −2 … +2 would be of one value at a time, and bound by their number. Sums
over windows run in registers: no shared memory, no idle lanes where channels are no power of two.

Pooling is not made part of it. By bytes it would pay: with pooling's own passes over maps, 15.4 bytes of
bfloat16 are moved for each value, and 7.5 could do. But windows of 3 at stride 2 overlap, so that
each value would be normalised 2.25 times, and sought in up to four windows backward: by estimate 150
instructions for each value where there are 75 now. They would bind first, and leave little of the gain.
"""

from __future__ import annotations

from typing import Any, Final

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

_BLOCK: Final = 1024
_QUAD: Final = 4
_LAYOUT: Final = torch.channels_last


def relu_lrn(values_NCHW: Tensor, *, towers: int, alpha: float, k: float, relu: bool) -> Tensor:
    """bᵢ = aᵢ / (k + α·Σ aⱼ²)^(3/4) over the 5 channels around i, of one tower, where a = max(values, 0), or
    the values as they are without `relu`.

    `values_NCHW` holds the channels of `towers` towers side by side, those of each a multiple of four, or
    ValueError is raised. Maps that are not channels last are copied first. float32, bfloat16 and float16 are
    computed in float32, float64 in itself; the result has the dtype of the values and is channels last. NaN
    stays NaN. Differentiable once; `torch.compile` takes it into its graph as one operation.
    """
    channels = values_NCHW.shape[1]
    if channels % (_QUAD * towers):
        raise ValueError(f"channels={channels} is not a multiple of {_QUAD} for each of towers={towers}")
    maps_NCHW = values_NCHW.contiguous(memory_format=_LAYOUT)
    # The registered operation takes the host several times as long to ask for.
    function: Any = _normalize_op if torch.compiler.is_compiling() else _ReluLrn.apply
    normalized: Tensor = function(maps_NCHW, towers, alpha, k, relu)
    return normalized


def _normalize(values_NCHW: Tensor, towers: int, alpha: float, k: float, relu: bool) -> Tensor:
    values = values_NCHW.contiguous(memory_format=_LAYOUT)
    normalized = torch.empty_like(values)
    _launch(_normalizing, (values, normalized), towers, alpha, k, relu)
    return normalized


def _differentiate(
    gradient_NCHW: Tensor, values_NCHW: Tensor, towers: int, alpha: float, k: float, relu: bool
) -> Tensor:
    values = values_NCHW.contiguous(memory_format=_LAYOUT)
    gradient = gradient_NCHW.contiguous(memory_format=_LAYOUT)
    result = torch.empty_like(values)
    _launch(_differentiating, (values, gradient, result), towers, alpha, k, relu)
    return result


def _launch(kernel: Any, maps: tuple[Tensor, ...], towers: int, alpha: float, k: float, relu: bool) -> None:
    count, group = maps[0].numel(), maps[0].shape[1] // towers
    if not count:
        return
    block = max(_BLOCK, triton.next_power_of_2(group))
    # Triton launches on the current device, which need not be the tower's.
    with torch.cuda.device_of(maps[0]):  # type: ignore[no-untyped-call]
        kernel[(triton.cdiv(count, block // group * group),)](
            *maps, count, ALPHA=alpha, K=k, RELU=relu, GROUP=group, BLOCK=block
        )


class _ReluLrn(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values_NCHW: Tensor, *settings: Any) -> Tensor:
        _keep(ctx, (values_NCHW, *settings), None)
        return _normalize(values_NCHW, *settings)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_NCHW: Tensor) -> tuple[Tensor | None, ...]:
        (values_NCHW,) = ctx.saved_tensors
        return _differentiate(gradient_NCHW, values_NCHW, *ctx.settings), None, None, None, None


def _keep(ctx: Any, inputs: tuple[Any, ...], output: object) -> None:
    values_NCHW, *ctx.settings = inputs
    ctx.save_for_backward(values_NCHW)


def _backward_of_op(ctx: Any, gradient_NCHW: Tensor) -> tuple[Tensor | None, ...]:
    (values_NCHW,) = ctx.saved_tensors
    return _differentiate_op(gradient_NCHW, values_NCHW, *ctx.settings), None, None, None, None


_normalize_op = torch.library.custom_op("tandem::relu_lrn", _normalize, mutates_args=())
_differentiate_op = torch.library.custom_op("tandem::relu_lrn_backward", _differentiate, mutates_args=())
_normalize_op.register_autograd(_backward_of_op, setup_context=_keep)
_normalize_op.register_fake(lambda values, *_: torch.empty_like(values, memory_format=_LAYOUT))
_differentiate_op.register_fake(lambda _, values, *__: torch.empty_like(values, memory_format=_LAYOUT))


# Below, a, b, c, d are a quad's channels; 0, 1, 2 the quads before, here, after. Outside a group is 0.
@triton.jit  # type: ignore[untyped-decorator]
def _normalizing(  # type: ignore[no-untyped-def]
    values,
    normalized,
    count,
    ALPHA: tl.constexpr,
    K: tl.constexpr,
    RELU: tl.constexpr,
    GROUP: tl.constexpr,
    BLOCK: tl.constexpr,
):
    start, offset, before, here, after = _places(count, GROUP, BLOCK)
    values += start
    _, _, c0, d0 = _load(values + offset - 4, before, RELU)
    a1, b1, c1, d1 = _load(values + offset, here, RELU)
    a2, b2, _, _ = _load(values + offset + 4, after, RELU)
    sum_a, sum_b, sum_c, sum_d = _windows(
        c0 * c0, d0 * d0, a1 * a1, b1 * b1, c1 * c1, d1 * d1, a2 * a2, b2 * b2
    )
    scale_a, _ = _scales(sum_a, ALPHA, K)
    scale_b, _ = _scales(sum_b, ALPHA, K)
    scale_c, _ = _scales(sum_c, ALPHA, K)
    scale_d, _ = _scales(sum_d, ALPHA, K)
    _store(normalized + start + offset, here, a1 * scale_a, b1 * scale_b, c1 * scale_c, d1 * scale_d)


@triton.jit  # type: ignore[untyped-decorator]
def _differentiating(  # type: ignore[no-untyped-def]
    values,
    gradient,
    result,
    count,
    ALPHA: tl.constexpr,
    K: tl.constexpr,
    RELU: tl.constexpr,
    GROUP: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """∂/∂aⱼ = gⱼ·uⱼ^(−3/4) − 3/2·α·aⱼ·Σ gᵢ·aᵢ·uᵢ^(−7/4), over the i whose windows hold j: its neighbours."""
    start, offset, before, here, after = _places(count, GROUP, BLOCK)
    values, gradient = values + start, gradient + start
    a0, b0, c0, d0 = _load(values + offset - 4, before, RELU)
    a1, b1, c1, d1 = _load(values + offset, here, RELU)
    a2, b2, c2, d2 = _load(values + offset + 4, after, RELU)
    left_c, left_d, sum_a, sum_b = _windows(
        a0 * a0, b0 * b0, c0 * c0, d0 * d0, a1 * a1, b1 * b1, c1 * c1, d1 * d1
    )
    sum_c, sum_d, right_a, right_b = _windows(
        a1 * a1, b1 * b1, c1 * c1, d1 * d1, a2 * a2, b2 * b2, c2 * c2, d2 * d2
    )
    _, _, grad_c0, grad_d0 = _load(gradient + offset - 4, before, False)
    grad_a, grad_b, grad_c, grad_d = _load(gradient + offset, here, False)
    grad_a2, grad_b2, _, _ = _load(gradient + offset + 4, after, False)
    _, share_c0 = _shares(grad_c0, c0, left_c, ALPHA, K)
    _, share_d0 = _shares(grad_d0, d0, left_d, ALPHA, K)
    direct_a, share_a = _shares(grad_a, a1, sum_a, ALPHA, K)
    direct_b, share_b = _shares(grad_b, b1, sum_b, ALPHA, K)
    direct_c, share_c = _shares(grad_c, c1, sum_c, ALPHA, K)
    direct_d, share_d = _shares(grad_d, d1, sum_d, ALPHA, K)
    _, share_a2 = _shares(grad_a2, a2, right_a, ALPHA, K)
    _, share_b2 = _shares(grad_b2, b2, right_b, ALPHA, K)
    shared_a, shared_b, shared_c, shared_d = _windows(
        share_c0, share_d0, share_a, share_b, share_c, share_d, share_a2, share_b2
    )
    _store(
        result + start + offset,
        here,
        _joined(direct_a, shared_a, a1, ALPHA, RELU),
        _joined(direct_b, shared_b, b1, ALPHA, RELU),
        _joined(direct_c, shared_c, c1, ALPHA, RELU),
        _joined(direct_d, shared_d, d1, ALPHA, RELU),
    )


@triton.jit  # type: ignore[untyped-decorator]
def _places(count, GROUP: tl.constexpr, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    """Where the program's groups start, offsets from there, which quads there are, before, here, after.

    A program takes whole groups, or Triton could not tell that a quad's four channels have one mask.
    """
    SPAN: tl.constexpr = BLOCK // GROUP * GROUP
    # A large batch has more than 2³¹ values.
    start = tl.program_id(0).to(tl.int64) * SPAN
    offset = tl.arange(0, BLOCK)
    here = offset < tl.minimum(count - start, SPAN).to(tl.int32)
    return start, offset, here & (offset % GROUP >= 4), here, here & (offset % GROUP < GROUP - 4)


@triton.jit  # type: ignore[untyped-decorator]
def _load(pointers, mask, RELU: tl.constexpr):  # type: ignore[no-untyped-def]
    """The four channels of every quad, each a tensor of its own, in the dtype of the arithmetic."""
    loaded = tl.load(pointers, mask, other=0)
    wide = loaded.to(tl.float64 if loaded.dtype == tl.float64 else tl.float32)
    if RELU:
        # Not a maximum: that of NaN and 0 is 0.
        wide = tl.where(wide < 0, 0.0, wide)
    even, odd = tl.split(tl.reshape(wide, [loaded.shape[0] // 4, 2, 2]))
    a, c = tl.split(even)
    b, d = tl.split(odd)
    return a, b, c, d


@triton.jit
def _store(pointers, mask, a, b, c, d):  # type: ignore[no-untyped-def]
    quads = tl.reshape(tl.join(tl.join(a, c), tl.join(b, d)), [4 * a.shape[0]])
    tl.store(pointers, quads.to(pointers.dtype.element_ty), mask)


@triton.jit
def _windows(s, t, u, v, w, x, y, z):  # type: ignore[no-untyped-def]
    """Of eight neighbours, the sums of the windows of five around the four in the middle."""
    middle = v + w
    first, second = u + middle, middle + x
    four = first + x
    return s + t + first, t + four, four + y, second + y + z


@triton.jit  # type: ignore[untyped-decorator]
def _scales(total, ALPHA: tl.constexpr, K: tl.constexpr):  # type: ignore[no-untyped-def]
    """u^(−3/4) and 1/u, from two square roots, several times cheaper than a power."""
    root = tl.rsqrt(total * ALPHA + K)
    return root * tl.sqrt(root), root * root


@triton.jit  # type: ignore[untyped-decorator]
def _shares(gradient, activation, total, ALPHA: tl.constexpr, K: tl.constexpr):  # type: ignore[no-untyped-def]
    """gᵢ·uᵢ^(−3/4), and gᵢ·aᵢ·uᵢ^(−7/4), which the whole window has a share in."""
    scale, inverse = _scales(total, ALPHA, K)
    return gradient * scale, gradient * scale * activation * inverse


@triton.jit  # type: ignore[untyped-decorator]
def _joined(direct, shared, activation, ALPHA: tl.constexpr, RELU: tl.constexpr):  # type: ignore[no-untyped-def]
    result = direct - 1.5 * ALPHA * activation * shared
    return tl.where(activation <= 0, 0.0, result) if RELU else result
