"""How long answers took, as far as a histogram of Prometheus' tells it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise


@dataclass(frozen=True)
class Latency:
    """`up_to` says of each bound how many answers took at most so many seconds; the highest is infinite.

    Two are added bound by bound, as Prometheus' `sum by (le)` does.
    """

    sum_seconds: float = 0.0
    up_to: Mapping[float, float] = field(default_factory=dict)

    def __add__(self, other: Latency) -> Latency:
        bounds = self.up_to.keys() | other.up_to.keys()
        return Latency(
            self.sum_seconds + other.sum_seconds,
            {bound: self.up_to.get(bound, 0) + other.up_to.get(bound, 0) for bound in bounds},
        )

    @property
    def count(self) -> int:
        """How many answers there were."""
        return round(self.up_to.get(math.inf, 0))

    @property
    def mean_seconds(self) -> float | None:
        """None without any answer."""
        return self.sum_seconds / self.count if self.count else None

    def quantile(self, share: float) -> float | None:
        """The seconds within which a share of the answers came, in (0, 1]; None without any answer.

        Answers count as spread evenly over their bucket, as in Prometheus' `histogram_quantile`; of those
        above the last finite bound no more is known than that bound.
        """
        if not self.count:
            return None
        rank = share * self.count
        buckets = pairwise([(0.0, 0.0), *sorted(self.up_to.items())])
        (lower, below), (upper, within) = next(bucket for bucket in buckets if bucket[1][1] >= rank)
        return lower if math.isinf(upper) else lower + (upper - lower) * (rank - below) / (within - below)
