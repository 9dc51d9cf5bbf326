"""What one tower reads of another, brought to its device while both go on computing (P §3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Arrival:
    """Values on their way to a device. `values` waits for them: only work asked for after it does."""

    def __init__(self, values: Tensor, stream: torch.cuda.Stream | None = None) -> None:
        self._values = values
        self._stream = stream

    @property
    def values(self) -> Tensor:
        if self._stream is not None:
            computing = torch.cuda.current_stream(self._stream.device)
            computing.wait_stream(self._stream)
            # They were allocated on the copying stream, which must not use their memory again too early.
            self._values.record_stream(computing)
        return self._values


class Exchange:
    """Carries values between devices. Between CUDA devices copies have streams of their own, one on each."""

    def __init__(self, devices: Sequence[torch.device]) -> None:
        cuda = {device for device in devices if device.type == "cuda"} if len(set(devices)) > 1 else set()
        self._streams = {
            device: torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            for device in cuda
        }

    def send(self, values: Tensor, device: torch.device) -> Arrival:
        """Starts on the way to a device what was asked to be computed before; where it is, it stays."""
        if values.device == device:
            return Arrival(values)
        outgoing, incoming = self._streams.get(values.device), self._streams.get(device)
        if outgoing is None or incoming is None:
            return Arrival(values.to(device))
        outgoing.wait_stream(torch.cuda.current_stream(values.device))
        # A copy between CUDA devices runs on the current stream of the one and holds up that of the other.
        with torch.cuda.stream(incoming), torch.cuda.stream(outgoing):
            copy = values.to(device, non_blocking=True)
        values.record_stream(outgoing)
        return Arrival(copy, incoming)
