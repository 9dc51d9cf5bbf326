"""What Prometheus scrapes from the serving process: how long answers take, batches, and what waits."""

from __future__ import annotations

import os
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

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
            "tandem_photos_waiting",
            "Photos of requests that are not answered yet",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.models_loaded = Gauge(
            "tandem_models_loaded",
            "Versions of models in memory, in each process that answers",
            registry=self.registry,
            multiprocess_mode="livesum",
        )

    def exposition(self) -> bytes:
        """Prometheus text: of this process, or of all that answer together on one port."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)
