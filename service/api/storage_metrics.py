"""What Prometheus is told of the storage below the home: whether it is there, and the room on it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from service.domain.storage import require_folder
from service.errors import StorageUnavailableError
from service.settings import Settings


class StorageMetrics(Collector):
    """Looked at when scraped. While a folder is away, only that it is: the disk below it is another."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def collect(self) -> Iterable[GaugeMetricFamily]:
        there = GaugeMetricFamily("tandem_storage_up", "1 while all folders below the home are there, else 0")
        try:
            for folder in self._settings.folders:
                require_folder(folder)
            disk = shutil.disk_usage(self._settings.home)
        except (StorageUnavailableError, OSError):
            there.add_metric([], 0)
        else:
            there.add_metric([], 1)
            yield GaugeMetricFamily("tandem_storage_bytes", "Size of the disk below the home", disk.total)
            yield GaugeMetricFamily("tandem_storage_free_bytes", "What is free of it", disk.free)
        yield there
