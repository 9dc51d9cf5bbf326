"""What Prometheus scrapes from the control plane: HTTP requests, and what is asked for when it scrapes."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from service.api.job_metrics import JobMetrics
from service.api.storage_metrics import StorageMetrics
from service.http.measure_requests import HttpMetrics
from service.settings import Settings
from service.store.jobs import JobStore


class Metrics:
    """A registry of its own, so that two control planes in one process do not share figures."""

    def __init__(self, settings: Settings, jobs: JobStore) -> None:
        self.registry = CollectorRegistry()
        self.http = HttpMetrics(self.registry)
        self.registry.register(JobMetrics(jobs))
        self.registry.register(StorageMetrics(settings))
