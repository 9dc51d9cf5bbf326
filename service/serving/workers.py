"""What models answer on: a thread for each GPU, or for each core."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from service.cores import usable_cores
from service.errors import StackError
from service.settings import Settings


def workers_of(settings: Settings) -> Sequence[str]:
    """The device of each worker: those that were asked for, or else every GPU, or else the CPU.

    The CPU counts once for each core: threads that each answer photos of their own do not wait for each other
    at every operation, as those do that share one photo. Raises `StackError` for a device that is not there.
    """
    gpus = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    asked = [_numbered(device) for device in settings.serving_devices] or gpus or ["cpu"]
    for device in asked:
        if device not in ("cpu", *gpus):
            there = ", ".join(("cpu", *gpus))
            raise StackError(f"TANDEM_SERVING_DEVICES has {device!r}, but this machine has {there}")
    return list(_with_cores(dict.fromkeys(asked)))


def _numbered(device: str) -> str:
    return "cuda:0" if device == "cuda" else device


def _with_cores(devices: dict[str, None]) -> Iterator[str]:
    for device in devices:
        yield from [device] * (usable_cores() if device == "cpu" else 1)
