"""Whether arms compare as the paper has it, seed by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from service.reproduction.claim import Comparison
from service.reproduction.measures import Figure, Measure
from service.reproduction.reproduction import ArmResult


@dataclass(frozen=True)
class Spread:
    """Figures of several seeds: their mean, their sample standard deviation (None for one seed), and whether
    some of them, and so the mean, are only known to be at least that."""

    mean: float
    deviation: float | None
    at_least: bool

    @classmethod
    def of(cls, figures: Sequence[Figure]) -> Spread:
        values = [figure.value for figure in figures]
        deviation = stdev(values) if len(values) > 1 else None
        return cls(mean(values), deviation, any(figure.at_least for figure in figures))


@dataclass(frozen=True)
class SeedVerdict:
    """How one seed compares: `difference` is more − less, `ratio` more / less, at least that where `at_least`
    says so, and `shown` whether the paper's direction shows."""

    seed: int
    less: Figure
    more: Figure

    @property
    def difference(self) -> Figure:
        return Figure(self.more.value - self.less.value, self.more.at_least)

    @property
    def ratio(self) -> Figure | None:
        return Figure(self.more.value / self.less.value, self.more.at_least) if self.less.value else None

    @property
    def shown(self) -> bool:
        # What is only known to be at least something cannot be known to be less than something else.
        return not self.less.at_least and self.less.value < self.more.value


@dataclass(frozen=True)
class Verdict:
    comparison: Comparison
    seeds: Sequence[SeedVerdict]

    @property
    def shown(self) -> bool:
        """Whether every seed shows the paper's direction."""
        return all(seed.shown for seed in self.seeds)


def figures(result: ArmResult, measure: Measure) -> list[Figure]:
    """One for each seed."""
    return [measure.of(run.curve) for run in result.runs]


def verdict(comparison: Comparison, results: Mapping[str, ArmResult]) -> Verdict:
    less, more = results[comparison.less], results[comparison.more]
    pairs = zip(
        (run.seed for run in less.runs),
        figures(less, comparison.measure),
        figures(more, comparison.measure),
        strict=True,
    )
    return Verdict(comparison, [SeedVerdict(*pair) for pair in pairs])
