"""What can befall the cluster's containers while a run trains on them."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import MappingProxyType
from typing import Final, NamedTuple

import httpx
from cluster import BACK_SECONDS, Cluster
from course import Course
from followed_run import LOOK_SECONDS, patiently
from watch import Watch

from service.domain.answers import Run
from service.domain.state import JobState

CUT_OFF_SECONDS: Final = 60.0
OUTAGE_SECONDS: Final = 5.0


class Finding(NamedTuple):
    """Whether a fault was borne as it has to be, and what of it was seen."""

    held: bool
    seen: str


class Fault(NamedTuple):
    """How a run is struck, and what beside its equal end has to hold of its course."""

    strike: Callable[[Cluster, Run], Finding]
    states: tuple[str, ...] = ()


def crash_worker(cluster: Cluster, _: Run) -> Finding:
    cluster.crash("ray-worker_2")
    return Finding(True, "killed")


def crash_head(cluster: Cluster, run: Run) -> Finding:
    """The head comes back by itself; what it knew of the run does not."""
    cluster.crash("ray-head_1")
    began = time.monotonic()
    while (state := patiently(lambda: cluster.client.runs.get(run.id)).state) is not JobState.INTERRUPTED:
        if time.monotonic() > began + BACK_SECONDS:
            return Finding(False, f"still {state}")
        time.sleep(LOOK_SECONDS)
    return Finding(True, f"interrupted after {time.monotonic() - began:.0f} s, then resumed")


def restart_postgres(cluster: Cluster, run: Run) -> Finding:
    def look(client: httpx.Client) -> httpx.Response:
        headers = {"Authorization": f"Bearer {cluster.stack.token}"}
        return client.get(f"{cluster.stack.url}/api/v1/runs/{run.id}", headers=headers)

    with Watch(look, clients=2, pause=0.05) as watch:
        cluster.restart("postgres_1")
        time.sleep(2 * OUTAGE_SECONDS)
    outage = watch.outage_seconds
    return Finding(
        outage <= OUTAGE_SECONDS,
        f"refused {len(watch.refused)} of {len(watch.asked)} requests, for {outage:.1f} s in all",
    )


def restart_api(cluster: Cluster, _: Run) -> Finding:
    cluster.crash("api_1")
    return Finding(True, "killed under a follower")


def cut_worker_off(cluster: Cluster, _: Run) -> Finding:
    cluster.cut_off("ray-worker_2")
    time.sleep(CUT_OFF_SECONDS)
    cluster.join("ray-worker_2")
    return Finding(True, f"no network for {CUT_OFF_SECONDS:.0f} s")


FAULTS: Final = MappingProxyType(
    {
        "worker killed": Fault(crash_worker, ("recovering",)),
        "head killed": Fault(crash_head, ("interrupted",)),
        "postgres restarted": Fault(restart_postgres),
        "api killed": Fault(restart_api),
        "worker cut off": Fault(cut_worker_off, ("recovering",)),
    }
)


def judge(course: Course, undisturbed: Course, fault: Fault, found: Finding) -> Finding:
    """The fault's own finding, and whether the run ended as one that nothing befell."""
    complaints = [
        complaint
        for complaint, fits in (
            (f"ended {course.run.state}: {course.run.reason}", course.succeeded),
            ("other losses or steps", course.equals(undisturbed)),
            ("events missed or told twice", course.told_once),
            *((f"never {state}", state in course.states) for state in fault.states),
        )
        if not fits
    ]
    return Finding(found.held and not complaints, "; ".join([found.seen, *complaints]))
