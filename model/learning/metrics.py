"""What is measured of a network on labelled photos. Errors are fractions in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from model.errors import NothingEvaluatedError


@dataclass(frozen=True)
class Evaluation:
    """Sums over photos, so that the evaluations of batches and of ranks add up exactly.

    What is a mean over them raises NothingEvaluatedError where there are none.
    """

    samples: int = 0
    loss_sum: float = 0.0
    top1_errors: int = 0
    top5_errors: int = 0

    def __add__(self, other: Evaluation) -> Evaluation:
        return Evaluation(
            self.samples + other.samples,
            self.loss_sum + other.loss_sum,
            self.top1_errors + other.top1_errors,
            self.top5_errors + other.top5_errors,
        )

    @property
    def loss(self) -> float:
        """Mean cross-entropy, in nats."""
        return self._mean(self.loss_sum)

    @property
    def top1_error(self) -> float:
        return self._mean(self.top1_errors)

    @property
    def top5_error(self) -> float:
        return self._mean(self.top5_errors)

    def _mean(self, total: float) -> float:
        if not self.samples:
            raise NothingEvaluatedError
        return total / self.samples


def evaluate_logits(logits_NK: Tensor, labels_N: Tensor) -> Evaluation:
    """Floating logits and int64 labels on one device."""
    best_N5 = logits_NK.topk(min(5, logits_NK.shape[1])).indices
    hits_N5 = best_N5 == labels_N[:, None]
    return Evaluation(
        samples=len(labels_N),
        loss_sum=F.cross_entropy(logits_NK, labels_N, reduction="sum").item(),
        top1_errors=len(labels_N) - int(hits_N5[:, 0].sum()),
        top5_errors=len(labels_N) - int(hits_N5.sum()),
    )
