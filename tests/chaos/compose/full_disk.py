"""The volume full while a run trains, on a cluster whose volume is small; and room made again."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cluster import BACK_SECONDS, Cluster
from container_faults import Fault, Finding, judge
from course import prepare, train
from followed_run import LOOK_SECONDS, patiently

from service.domain.answers import Run

SMALL_VOLUME: Final = Path(__file__).with_name("small-volume.yaml")
BALLAST: Final = "/var/lib/tandem/ballast"
_FILL: Final = f"dd if=/dev/zero of={BALLAST} bs=64k 2>/dev/null; test -s {BALLAST}"


def fill(cluster: Cluster, run: Run) -> Finding:
    """The run has to say what keeps it from going on."""
    cluster.run_in("api_1", "sh", "-c", _FILL)
    deadline = time.monotonic() + BACK_SECONDS
    while not (now := patiently(lambda: cluster.client.runs.get(run.id))).state.is_terminal:
        if time.monotonic() > deadline:
            break
        time.sleep(LOOK_SECONDS)
    cluster.run_in("api_1", "rm", BALLAST)
    said = now.reason or ""
    return Finding(now.state.is_terminal and "No space left" in said, f"{now.state}: {said}")


def full_disk(photos: Path, say: Callable[[str], None]) -> Finding:
    cluster = Cluster("tandem-chaos-disk", photos, [SMALL_VOLUME])
    found: list[Finding] = []
    try:
        cluster.stack.make_images(say)
        cluster.up({"ray-worker": 3, "serving": 1})
        prepare(cluster)
        undisturbed = train(cluster)
        course = train(cluster, lambda *struck: found.append(fill(*struck)))
    finally:
        cluster.close()
    return judge(course, undisturbed, Fault(fill), found[0])
