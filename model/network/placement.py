"""On which devices the towers stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch

from model.errors import BadPlacementError


@dataclass(frozen=True)
class Placement:
    """A device for each tower, or one that all towers share.

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

    def device_of(self, tower: int) -> torch.device:
        return self.devices[tower % len(self.devices)]


def _present(name: str | torch.device) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    # torch says AssertionError where it was built without the device's kind, RuntimeError otherwise.
    except (RuntimeError, AssertionError) as error:
        raise BadPlacementError(str(name), str(error).partition("\n")[0]) from error
    return device
