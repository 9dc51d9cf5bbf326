"""What is counted when a network is tested."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Evaluation(NamedTuple):
    """Counts over tested photos. Counts of several ranks add up, field by field, to those of all photos."""

    samples: float
    loss_sum: float
    top1_errors: float
    top5_errors: float


def count_errors(logits_NK: Tensor, labels_N: Tensor) -> Evaluation:
    """Counts a batch: a photo is a top-5 error when its label is not among its five likeliest classes."""
    best_N5 = logits_NK.topk(min(5, logits_NK.shape[1]), dim=1).indices
    hits_N5 = best_N5 == labels_N[:, None]
    samples = len(labels_N)
    return Evaluation(
        samples=samples,
        loss_sum=float(F.cross_entropy(logits_NK.double(), labels_N, reduction="sum")),
        top1_errors=samples - int(hits_N5[:, 0].sum()),
        top5_errors=samples - int(hits_N5.any(dim=1).sum()),
    )


def total(evaluations: list[Evaluation]) -> Evaluation:
    """The counts of several batches as one."""
    sums = torch.tensor([(0.0, 0.0, 0.0, 0.0), *evaluations], dtype=torch.float64).sum(dim=0)
    return Evaluation(*sums.tolist())
