"""One of two serving replicas, killed while many clients ask."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import httpx
from cluster import Cluster
from container_faults import OUTAGE_SECONDS, Finding
from course import Course
from watch import Watch

MODEL: Final = "chaos"
CLIENTS: Final = 16


def crash_serving(cluster: Cluster, course: Course, photo: Path) -> Finding:
    """Only requests that it had in hand may fail: one of each client's at most."""
    cluster.client.models.publish(MODEL, course.run.id)
    image = photo.read_bytes()
    headers = {"Authorization": f"Bearer {cluster.stack.token}", "Content-Type": "image/jpeg"}

    def ask(client: httpx.Client) -> httpx.Response:
        return client.post(f"{cluster.stack.url}/api/v1/classify", content=image, headers=headers)

    with Watch(ask, CLIENTS, pause=0) as watch:
        time.sleep(OUTAGE_SECONDS)
        cluster.crash("serving_1")
        cluster.wait_until_whole()
        time.sleep(OUTAGE_SECONDS)
    failed, asked = len(watch.refused), len(watch.asked)
    held = failed <= CLIENTS and watch.outage_seconds <= OUTAGE_SECONDS and asked > 10 * CLIENTS
    return Finding(held, f"{failed} of {asked} requests of {CLIENTS} clients failed")
