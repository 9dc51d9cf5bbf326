"""What Prometheus is told of jobs: how many there are, and how far each that is at work has come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from service.domain.job import JobKind
from service.errors import DatabaseUnavailableError
from service.store.jobs import JobStore

_OF_RUNS: Final = MappingProxyType(
    {
        "attempts": "Times that a run at work was begun",
        "step": "Steps a run at work has done",
        "total_steps": "Steps a run at work is to do",
        "eta_seconds": "How long a run at work will still take",
        "images_per_second": "Images a run at work trains on in a second",
        "num_workers": "Workers that a run at work trains with",
        "loss": "Loss of a run at work, at its newest step that was logged",
        "learning_rate": "Learning rate of that step",
        "val_top1_error": "Top-1 error of a run at work, after its newest epoch: a fraction",
        "val_top5_error": "Top-5 error of a run at work, after its newest epoch: a fraction",
        "wait_share": "Share of its time lately that a run at work waited for batches, on its first worker",
        "corrupt_samples": "Damaged photos that a run at work has left out since its attempt began",
    }
)
_OF_PREPARATIONS: Final = MappingProxyType(
    {
        "photos_done": "Photos a preparation at work has done",
        "photos_total": "Photos a preparation at work is to do",
        "photos_per_second": "Photos a preparation at work does in a second",
        "quarantined": "Photos a preparation at work could not use",
    }
)


class JobMetrics(Collector):
    """Asked of the database when scraped: it is the one that knows. While it is away, only that it is.

    A job that is over is told of no more but in the counts: ids do not add up.
    """

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs

    def collect(self) -> Iterable[GaugeMetricFamily]:
        answers = GaugeMetricFamily("tandem_database_up", "1 while the database answers, else 0")
        try:
            yield from [
                self._counts(),
                *self._at_work("run", "tandem_run", "run", _OF_RUNS),
                *self._at_work("dataset", "tandem_preparation", "dataset", _OF_PREPARATIONS),
                self._queue_length(),
            ]
            answers.add_metric([], 1)
        except DatabaseUnavailableError:
            answers.add_metric([], 0)
        yield answers

    def _counts(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily("tandem_jobs", "Jobs by kind and state", labels=["kind", "state"])
        for (kind, state), count in self._jobs.counts().items():
            family.add_metric([kind, state], count)
        return family

    def _at_work(
        self, kind: JobKind, prefix: str, label: str, told: Mapping[str, str]
    ) -> Iterator[GaugeMetricFamily]:
        """What the jobs of a kind have told of their progress. Runs are called by their ids."""
        at_work = {
            job.id if kind == "run" else job.name or job.id: {**job.progress, "attempts": job.attempts}
            for job in self._jobs.at_work(kind)
        }
        for field, meaning in told.items():
            family = GaugeMetricFamily(f"{prefix}_{field}", meaning, labels=[label])
            for called, progress in at_work.items():
                if progress.get(field) is not None:
                    family.add_metric([called], progress[field])
            yield family

    def _queue_length(self) -> GaugeMetricFamily:
        waiting = len(self._jobs.queue("run"))
        return GaugeMetricFamily("tandem_queue_length", "Runs that wait for their turn", value=waiting)
