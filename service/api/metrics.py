"""What Prometheus scrapes from the control plane: HTTP requests, jobs by kind and state, runs at work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from service.http.measure_requests import HttpMetrics
from service.store.jobs import JobStore


class Metrics:
    """A registry of its own, so that two control planes in one process do not share figures."""

    def __init__(self, jobs: JobStore) -> None:
        self.registry = CollectorRegistry()
        self.http = HttpMetrics(self.registry)
        self.registry.register(_JobCounts(jobs))
        self.registry.register(_RunsAtWork(jobs))


class _JobCounts(Collector):
    """Counted when scraped: the database is the one that knows."""

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily("tandem_jobs", "Jobs by kind and state", labels=["kind", "state"])
        for (kind, state), count in self._jobs.counts().items():
            family.add_metric([kind, state], count)
        yield family


class _RunsAtWork(Collector):
    """How far each run at work is, by its id; one that is over is told of no more: ids do not add up."""

    GAUGES: ClassVar[Mapping[str, str]] = {
        "step": "Steps a run at work has done",
        "total_steps": "Steps a run at work is to do",
        "images_per_second": "Images a run at work trains on in a second",
        "loss": "Loss of a run at work, at its newest step that was logged",
    }

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs

    def collect(self) -> Iterable[GaugeMetricFamily]:
        at_work = self._jobs.progress_of_runs_at_work()
        for field, meaning in self.GAUGES.items():
            family = GaugeMetricFamily(f"tandem_run_{field}", meaning, labels=["run"])
            for run_id, progress in at_work.items():
                if progress.get(field) is not None:
                    family.add_metric([run_id], progress[field])
            yield family
        waiting = len(self._jobs.queue("run"))
        yield GaugeMetricFamily("tandem_queue_length", "Runs that wait for their turn", value=waiting)
