"""How the ranks of a run agree, between two steps, that it is time to stop."""

from __future__ import annotations

import torch
import torch.distributed as dist

from service.domain.job_folder import JobFolder


class StopSignal:
    """Rank 0 looks for the stop request; every rank hears its answer at the same step."""

    def __init__(self, folder: JobFolder, rank: int, world_size: int) -> None:
        self._request = folder.stop_request
        self._rank = rank
        # A group of its own on the CPU: asking does not wait for the GPU's stream.
        self._group = dist.new_group(backend="gloo") if world_size > 1 else None

    def requested(self) -> bool:
        """Whether to stop now. Collective: every rank calls it after the same step."""
        asked = torch.tensor(int(self._rank == 0 and self._request.exists()))
        if self._group is not None:
            dist.broadcast(asked, src=0, group=self._group)
        return bool(asked)
