"""In which precision a step is computed. Parameters, their gradients and updates are float32 in any case.

"fp32": every product in float32, on CUDA devices too, where torch by itself rounds convolutions' factors.
"tf32": factors rounded to TensorFloat-32's 10 bits, on CUDA devices. "bf16": products of bfloat16, sums and
what is sensitive in float32 (torch's autocast).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from model.learning.recipe import Precision


@contextmanager
def products_in(precision: Precision) -> Iterator[None]:
    """How CUDA devices multiply what is float32 within, in forward and backward passes."""
    backends: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn.conv)  # type: ignore[attr-defined]
    before = [backend.fp32_precision for backend in backends]
    for backend in backends:
        backend.fp32_precision = "tf32" if precision == "tf32" else "ieee"
    try:
        yield
    finally:
        for backend, setting in zip(backends, before, strict=True):
            backend.fp32_precision = setting


def casting_to(precision: Precision, device: torch.device) -> torch.autocast:
    """What a forward pass and its loss are computed within."""
    # Remembered casts of weights would outlive an update inside a recorded step.
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16", cache_enabled=False)
