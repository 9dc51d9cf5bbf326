"""What a serving replica tells of its answers, read from its Prometheus text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from service.domain.latency import Latency

_ANSWERS: Final = "tandem_answer_seconds"
_WAITING: Final = "tandem_photos_waiting"


class Version(NamedTuple):
    """One version of one model."""

    model: str
    number: int


@dataclass(frozen=True)
class ServingFigures:
    """How long each version's answers took since the process began, and the photos that wait in it now."""

    latencies: Mapping[Version, Latency] = field(default_factory=dict)
    photos_waiting: int = 0

    def __add__(self, other: ServingFigures) -> ServingFigures:
        versions = self.latencies.keys() | other.latencies.keys()
        none = Latency()
        return ServingFigures(
            {each: self.latencies.get(each, none) + other.latencies.get(each, none) for each in versions},
            self.photos_waiting + other.photos_waiting,
        )

    @classmethod
    def read(cls, text: str) -> ServingFigures:
        """Raises ValueError for text that is not what the serving process tells."""
        families = {family.name: family for family in text_string_to_metric_families(text)}
        if _WAITING not in families:
            raise ValueError(f"it does not tell of {_WAITING}")
        waiting = sum(sample.value for sample in families[_WAITING].samples)
        # Several processes together do not tell of what none of them has seen yet.
        answers = families.get(_ANSWERS)
        return cls(_latencies(answers) if answers else {}, round(waiting))


def _latencies(answers: Metric) -> dict[Version, Latency]:
    """Whatever was asked of a version is one to the other."""
    seconds: defaultdict[Version, float] = defaultdict(float)
    up_to: defaultdict[Version, defaultdict[float, float]] = defaultdict(lambda: defaultdict(float))
    for name, labels, value, *_ in answers.samples:
        if name.endswith("_sum"):
            seconds[_version(labels)] += value
        elif name.endswith("_bucket"):
            up_to[_version(labels)][float(labels["le"])] += value
    return {version: Latency(seconds[version], bounds) for version, bounds in up_to.items()}


def _version(labels: Mapping[str, str]) -> Version:
    return Version(labels["model"], int(labels["version"]))
