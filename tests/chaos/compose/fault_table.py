"""`make test-compose`: a cluster of containers, each part of it killed, cut off or filled up while it works.

A run of three workers is left in peace; then others like it are struck, each by another fault in its midst,
and resumed where that is needed. Each has to end as the undisturbed one did, losses and validations to the
bit, and a follower has to see every event once. A table goes to stderr; the last line of stdout is one JSON
object. Exits 1 when anything is otherwise. Where no docker engine answers nothing is tried, and that is said.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from closed_doors import nothing_else_answers, ray_wants_its_token
from cluster import Cluster
from container_faults import FAULTS, Fault, Finding, judge
from course import Course, prepare, train
from full_disk import full_disk
from photos import lay_out
from serving_fault import crash_serving

from service.errors import StackError

WORKERS = 3
# On a cluster of its own, with a small volume.
DISK_FULL = "disk full"
NOTHING, SERVING, DOORS, JOB_PORT, DOWN_AND_UP = (
    "nothing",
    "serving replica killed",
    "doors from outside",
    "ray's job port",
    "down and up",
)
ROWS = (NOTHING, *FAULTS, SERVING, DOORS, JOB_PORT, DOWN_AND_UP, DISK_FULL)


class Table:
    """The rows as they come, each told at once."""

    def __init__(self, wanted: list[str]) -> None:
        self._wanted = wanted
        self.rows: list[dict[str, object]] = []

    def wants_more_than(self, name: str) -> bool:
        return self._wanted != [name]

    def add(self, name: str, find: Callable[[], Finding]) -> None:
        """Tries one thing, unless others alone are wanted; what it trips over is its finding."""
        if self._wanted and name not in self._wanted:
            return
        began = time.monotonic()
        try:
            found = find()
        except Exception as error:
            found = Finding(False, f"{type(error).__name__}: {error} {getattr(error, 'stderr', '')}".strip())
        seconds = round(time.monotonic() - began)
        self.rows.append({"fault": name, "held": found.held, "seen": found.seen, "seconds": seconds})
        say(f"{name:22} {'held' if found.held else 'NOT HELD':9} {seconds:4} s  {found.seen}")

    @property
    def all_held(self) -> bool:
        return all(row["held"] for row in self.rows)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--only", nargs="+", choices=ROWS, default=[], help="rows of the table to try")
    table = Table(arguments.parse_args().only)
    with tempfile.TemporaryDirectory(prefix="tandem-compose-") as folder:
        photos = Path(folder)
        photos.chmod(0o755)
        say(lay_out(photos))
        try:
            cluster = Cluster("tandem-chaos", photos)
        except StackError as error:
            say(f"skipped: {error}")
            print(json.dumps({"compose": [], "skipped": str(error)}))
            return 0
        if table.wants_more_than(DISK_FULL):
            try:
                strike_all(cluster, photos, table)
            finally:
                cluster.close()
        table.add(DISK_FULL, lambda: full_disk(photos, say))
    print(json.dumps({"compose": table.rows, "held": table.all_held}))
    return 0 if table.all_held else 1


def strike_all(cluster: Cluster, photos: Path, table: Table) -> None:
    cluster.stack.make_images(say)
    cluster.stack.down(volumes=True)
    healthy = cluster.up()
    say("up: " + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in healthy.items()))
    prepare(cluster)
    undisturbed = train(cluster)
    table.add(NOTHING, lambda: Finding(undisturbed.succeeded, _told(undisturbed)))
    for name, fault in FAULTS.items():
        table.add(name, partial(strike, cluster, undisturbed, fault))
    cluster.wait_until_whole()
    photo = next(photos.glob("val/*/*"))
    table.add(SERVING, lambda: crash_serving(cluster, undisturbed, photo))
    table.add(DOORS, lambda: nothing_else_answers(cluster))
    table.add(JOB_PORT, lambda: ray_wants_its_token(cluster))
    table.add(DOWN_AND_UP, lambda: down_and_up(cluster, photo))


def strike(cluster: Cluster, undisturbed: Course, fault: Fault) -> Finding:
    """A run like the undisturbed one, struck in its midst."""
    cluster.wait_for_workers(WORKERS)
    found: list[Finding] = []
    course = train(cluster, lambda *struck: found.append(fault.strike(*struck)))
    return judge(course, undisturbed, fault, found[0])


def down_and_up(cluster: Cluster, photo: Path) -> Finding:
    """All that there was is there again, and the model answers as it did."""
    before = _belongings(cluster, photo)
    cluster.stack.down(volumes=False)
    cluster.up()
    after = _belongings(cluster, photo)
    runs, datasets, models, _ = after
    return Finding(before == after, f"{len(runs)} runs, {len(datasets)} dataset, {len(models)} model")


def _belongings(cluster: Cluster, photo: Path) -> tuple[object, ...]:
    client = cluster.client
    return (
        [(run.id, run.state, run.progress.step, run.checkpoints) for run in client.runs.list()],
        [(dataset.name, dataset.manifest) for dataset in client.datasets.list()],
        client.models.list(),
        client.classify([photo]).predictions,
    )


def _told(course: Course) -> str:
    return f"{course.run.state}: {course.run.progress.step} steps in {course.seconds:.0f} s"


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
