"""What Prometheus scrapes from the serving process: how long answers take, batches, and what waits."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Gauge, Histogram

from service.http.measure_requests import HttpMetrics

_BATCHES: Final = (1, 2, 4, 8, 16, 32, 64)
_SECONDS: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class ServingMetrics:
    """A registry of its own, so that two serving applications in one process do not share figures."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.http = HttpMetrics(self.registry)
        self.answer_seconds = Histogram(
            "tandem_answer_seconds",
            "From a request's photos to what a model says of them",
            ["question", "model", "version"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.batch_photos = Histogram(
            "tandem_batch_photos",
            "Photos that went through a model together",
            ["model", "version"],
            buckets=_BATCHES,
            registry=self.registry,
        )
        self.photos_waiting = Gauge(
            "tandem_photos_waiting", "Photos of requests that are not answered yet", registry=self.registry
        )
        self.models_loaded = Gauge(
            "tandem_models_loaded", "Versions of models in memory", registry=self.registry
        )
