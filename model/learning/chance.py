"""Chance in training: what torch's generators are seeded with before each step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch


def seed_step(devices: Sequence[torch.device], seed: int, step: int) -> None:
    """Seeds torch's generators for one step of training on these devices, tower 0's first.

    All have the step's seed but those of CUDA devices after the first, which have one of their own: seeded
    alike, two GPUs draw the same numbers, and the towers' units would be dropped in pairs and not each by
    itself (P §4.2). Whatever the devices' numbers, it is the same on all ranks.
    """
    first, *others = step_seeds(seed, step, len(devices))
    torch.manual_seed(first)
    for device, own in zip(devices[1:], others, strict=True):
        if device.type == "cuda":
            torch.cuda.default_generators[device.index].manual_seed(own)


def step_seeds(seed: int, step: int, count: int) -> list[int]:
    """So many independent seeds of 64 bits; the first are the same for any count."""
    sequence = np.random.SeedSequence((seed, step))
    words: list[int] = sequence.generate_state(count, np.uint64).tolist()
    return words
