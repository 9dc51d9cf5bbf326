"""On which devices the towers stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch

from model.errors import BadPlacementError


@dataclass(frozen=True)
class Placement:
    """Devices, and with them how the towers are computed: each by itself, or all together on one device.

    The devices of `two` may be the same one: the towers are two all the same, and exchange as ever.
    """

    devices: tuple[torch.device, ...]

    @classmethod
    def one(cls, device: str | torch.device) -> Self:
        """Raises BadPlacementError for a device that this machine does not have."""
        return cls((_present(device),))

    @classmethod
    def two(cls, first: str | torch.device, second: str | torch.device) -> Self:
        """Raises BadPlacementError for a device that this machine does not have."""
        return cls((_present(first), _present(second)))

    def parts(self, towers: int) -> tuple[tuple[int, ...], ...]:
        """For each device, which of so many towers stand on it."""
        if len(self.devices) == 1:
            return (tuple(range(towers)),)
        return tuple((tower,) for tower in range(len(self.devices)))


def _present(name: str | torch.device) -> torch.device:
    try:
        device = torch.device(name)
        present = torch.empty(0, device=device).device
    # torch says AssertionError where it was built without the device's kind, RuntimeError otherwise.
    except (RuntimeError, AssertionError) as error:
        raise BadPlacementError(str(name), str(error).partition("\n")[0]) from error
    # "cuda" stands for the current one, and tensors there name it.
    return present if device.type == "cuda" else device
