"""The volume full while a run trains, on a cluster whose volume is small; and room made again."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cluster import Cluster
from container_faults import Fault, Finding, judge
from course import prepare, train

from service.domain.answers import Run

SMALL_VOLUME: Final = Path(__file__).with_name("small-volume.yaml")
FULL_SECONDS: Final = 15.0
BALLAST: Final = "/var/lib/tandem/ballast"
_FILL: Final = f"dd if=/dev/zero of={BALLAST} bs=64k 2>/dev/null; test -s {BALLAST}"


def fill(cluster: Cluster, _: Run) -> Finding:
    """The run is to go on without the checkpoints that find no room, and to say so."""
    cluster.run_in("api_1", "sh", "-c", _FILL)
    time.sleep(FULL_SECONDS)
    cluster.run_in("api_1", "rm", BALLAST)
    return Finding(True, f"full for {FULL_SECONDS:.0f} s")


def full_disk(photos: Path, say: Callable[[str], None]) -> Finding:
    cluster = Cluster("tandem-chaos-disk", photos, [SMALL_VOLUME])
    fault = Fault(fill, warnings=("checkpoint_not_saved",))
    found: list[Finding] = []
    try:
        cluster.stack.make_images(say)
        cluster.up({"ray-worker": 3, "serving": 1})
        prepare(cluster)
        undisturbed = train(cluster)
        course = train(cluster, lambda *struck: found.append(fault.strike(*struck)))
    finally:
        cluster.close()
    return judge(course, undisturbed, fault, found[0])
