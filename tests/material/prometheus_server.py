"""A Prometheus of the tests' own, laid out as in docker-compose but for where it finds what it scrapes."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml

from service.stack.free_port import free_port

PROMETHEUS: Final = Path(__file__).parents[2] / "deploy" / "prometheus"
# Scrapes are far denser than where it runs for long: a run of the tests' is over in seconds.
SCRAPE: Final = "500ms"


class PrometheusServer:
    """What it has scraped from its beginning until now."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._began = time.time()

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The series of an expression that have a value at any moment since."""
        answer = httpx.get(
            f"{self._url}/api/v1/query_range",
            params={"query": expression, "start": self._began, "end": time.time(), "step": "0.5"},
            timeout=60,
        )
        assert answer.is_success, f"{expression}: {answer.text}"
        series: list[dict[str, Any]] = answer.json()["data"]["result"]
        return series


@contextmanager
def prometheus(folder: Path, targets: Mapping[str, Sequence[str] | Path]) -> Iterator[PrometheusServer]:
    """Scrapes by the jobs of deploy/prometheus/prometheus.yaml; skips where it is not installed.

    `targets` has the `host:port`s of each job, or the file where they are found.
    """
    if shutil.which("prometheus") is None:
        pytest.skip("no Prometheus here: apt-get install prometheus")
    port = free_port()
    config = folder / "prometheus.yaml"
    config.write_text(yaml.safe_dump(_config(folder, targets)))
    shutil.copy(PROMETHEUS / "rules.yaml", folder)
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    log = folder / "prometheus.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        while not _is_ready(f"http://127.0.0.1:{port}/-/ready"):
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
        yield PrometheusServer(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()


def _config(folder: Path, targets: Mapping[str, Sequence[str] | Path]) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((PROMETHEUS / "prometheus.yaml").read_text())
    config["global"] = {"scrape_interval": SCRAPE, "scrape_timeout": SCRAPE, "evaluation_interval": SCRAPE}
    token = folder / "token"
    token.write_text("no stack of the tests asks for it")
    assert {job["job_name"] for job in config["scrape_configs"]} == set(targets)
    for job in config["scrape_configs"]:
        job.pop("dns_sd_configs", None)
        found = targets[job["job_name"]]
        if isinstance(found, Path):
            job["file_sd_configs"] = [{"files": [str(found)], "refresh_interval": "1s"}]
        else:
            job["static_configs"] = [{"targets": list(found)}]
        if "authorization" in job:
            job["authorization"] = {"credentials_file": str(token)}
    return config


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False
