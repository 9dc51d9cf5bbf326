"""Whether an exported file answers as the model it was made from.

Shapes: N photos, S their side, K classes, T the likeliest of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

TOLERANCE: Final = 1e-4
# Classes whose probabilities are nearer than this have no order: where sums are added up in another order, a
# model that is sure of itself comes to differences of 10⁻⁵ in float32.
TIE: Final = 5e-5
TOP: Final = 5

# 100 photos are then 33, 33, 33 and one: what holds for one number of photos has to for others.
_BATCH: Final = 33

# Photos, uint8 [N, S, S, 3] → probabilities, float32 [N, K].
Answers = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True)
class Agreement:
    """Over how many photos two ways to answer were compared, the greatest difference of a probability, and
    for how many photos the five likeliest classes are the same in the same order, ties aside."""

    photos: int
    greatest_difference: float
    same_top5: int

    @classmethod
    def of(cls, expected: Answers, found: Answers, photos_NSS3: NDArray[np.uint8]) -> Agreement:
        """Asks both about all photos, a batch at a time."""
        differences, same = [0.0], 0
        for start in range(0, len(photos_NSS3), _BATCH):
            batch = photos_NSS3[start : start + _BATCH]
            expected_NK, found_NK = expected(batch), found(batch)
            differences.append(float(np.abs(expected_NK - found_NK).max()))
            same += int(same_top(expected_NK, found_NK).sum())
        # Unlike Python's, this maximum does not lose sight of what is not a number.
        return cls(len(photos_NSS3), float(np.max(differences)), same)

    @property
    def holds(self) -> bool:
        return self.greatest_difference <= TOLERANCE and self.same_top5 == self.photos


def same_top(expected_NK: NDArray[np.float32], found_NK: NDArray[np.float32]) -> NDArray[np.bool_]:
    """For each photo, whether the likeliest classes that are found are those expected, bool [N].

    The class found in each place must be as likely as the one expected there, or nearly: a tie.
    """
    best_NT = np.argsort(-found_NK, axis=1, kind="stable")[:, :TOP]
    wanted_NT = -np.sort(-expected_NK, axis=1)[:, :TOP]
    named_NT = np.take_along_axis(expected_NK, best_NT, axis=1)
    same_N: NDArray[np.bool_] = (np.abs(named_NT - wanted_NT) <= TIE).all(axis=1)
    return same_N
