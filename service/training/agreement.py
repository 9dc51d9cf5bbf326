"""How the ranks of a run come to know the same things between two steps."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import nn

from model.learning.metrics import Evaluation
from service.domain.job_folder import JobFolder
from service.training.stop_request import StopRequest


@dataclass(frozen=True)
class Rank:
    """Which of the run's workers this is."""

    number: int
    world_size: int

    @property
    def is_first(self) -> bool:
        return self.number == 0


class Agreed(NamedTuple):
    """What every rank knows after a step: the loss over the global batch, whether to stop here, and how many
    damaged photos all ranks have left out.
    """

    loss: float
    stop: bool
    corrupt_samples: int


class Agreement:
    """What all ranks know, by way of the CPU. Every method is collective: all call it at the same point."""

    def __init__(self, folder: JobFolder, rank: Rank) -> None:
        self._stop_request = StopRequest(folder)
        self.rank = rank
        # A group of its own on the CPU: agreeing does not wait for the GPU's stream.
        self._group = dist.new_group(backend="gloo") if rank.world_size > 1 else None

    def first_says(self, own: bool) -> bool:
        """What rank 0 says."""
        (total,) = self._sum([float(own and self.rank.is_first)])
        return total > 0

    def first_has(self, *own: int) -> tuple[int, ...]:
        """The numbers that rank 0 has. Every rank gives as many, and is heard if it is rank 0."""
        return tuple(map(int, self._sum([float(number * self.rank.is_first) for number in own])))

    def share_buffers(self, network: nn.Module) -> None:
        """Gives every rank rank 0's buffers: batch normalisation's statistics, gathered from other photos."""
        if self._group is None:
            return
        for buffer in network.buffers():
            of_first = buffer.cpu()
            dist.broadcast(of_first, src=0, group=self._group)
            buffer.copy_(of_first)

    def after_step(self, loss: float, corrupt_samples: int) -> Agreed:
        """Averages the ranks' losses, which their shares' weights are in; rank 0 looks for a stop request."""
        asked = self.rank.is_first and self._stop_request.is_made()
        total, stop, corrupt = self._sum([loss, float(asked), float(corrupt_samples)])
        return Agreed(total / self.rank.world_size, stop > 0, int(corrupt))

    def sum_evaluations(self, own: Evaluation) -> Evaluation:
        """What all ranks counted together."""
        samples, loss_sum, top1_errors, top5_errors = self._sum(list(map(float, astuple(own))))
        return Evaluation(int(samples), loss_sum, int(top1_errors), int(top5_errors))

    def _sum(self, values: list[float]) -> list[float]:
        """Each value summed over the ranks, in float64."""
        if self._group is None:
            return values
        sums = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(sums, group=self._group)
        summed: list[float] = sums.tolist()
        return summed
