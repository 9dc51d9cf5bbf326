"""What is read off a curve to hold a claim against."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Protocol

from service.reproduction.curve import Curve


@dataclass(frozen=True)
class Figure:
    """A number read off one curve; `at_least` where training ended before the number was known."""

    value: float
    at_least: bool = False


class Measure(Protocol):
    @property
    def label(self) -> str: ...

    @property
    def is_fraction(self) -> bool:
        """Whether it is told in percent; otherwise it counts epochs."""
        ...

    def of(self, curve: Curve) -> Figure: ...


@dataclass(frozen=True)
class EpochsToTrainError:
    """Epochs until the training error is down to `error`, interpolated between the two evaluations around."""

    error: float
    is_fraction: Literal[False] = False

    @property
    def label(self) -> str:
        return f"epochs to {100 * self.error:.0f} % train error"

    def of(self, curve: Curve) -> Figure:
        if curve[0].train_error <= self.error:
            return Figure(curve[0].epoch)
        for before, after in pairwise(curve):
            if after.train_error <= self.error:
                share = (before.train_error - self.error) / (before.train_error - after.train_error)
                return Figure(before.epoch + share * (after.epoch - before.epoch))
        return Figure(curve[-1].epoch, at_least=True)


@dataclass(frozen=True)
class FinalTestError:
    """The error on test photos when training has ended."""

    label: str = "test error"
    is_fraction: Literal[True] = True

    def of(self, curve: Curve) -> Figure:
        return Figure(curve[-1].test_error)


@dataclass(frozen=True)
class FinalGap:
    """By how much the test error exceeds the training error when training has ended: overfitting."""

    label: str = "test − train error"
    is_fraction: Literal[True] = True

    def of(self, curve: Curve) -> Figure:
        return Figure(curve[-1].test_error - curve[-1].train_error)
