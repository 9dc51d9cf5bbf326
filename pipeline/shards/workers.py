"""Shards written by Ray tasks: one task, one process, one shard."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import suppress
from itertools import chain, islice
from typing import Any, Final, NamedTuple

from pipeline.shards.casualties import Casualties
from pipeline.shards.cluster import Cluster
from pipeline.shards.mark import read_mark
from pipeline.shards.record import ShardRecord
from pipeline.shards.task import ShardTask, refuse_stopped

_LOOK_EVERY_SECONDS: Final = 0.25
_STOP_SECONDS: Final = 15


class Look(NamedTuple):
    """The shards finished since the last look, and how far the unfinished ones are, in photos."""

    records: list[ShardRecord]
    done: int
    quarantined: int


def write_shards(tasks: Iterable[ShardTask], cluster: Cluster) -> Generator[Look, None, None]:
    """Writes shards on a cluster; yields what there is to see, four times a second and for every shard.

    Shards come in any order; a task is taken when there is a worker for it. A shard whose worker dies, or has
    no memory left, is tried again in another. However the iteration ends, nothing is at work any more when it
    has. Raises what a worker raised, and `PreparationFailedError` when workers keep dying.
    """
    writers = _Writers(cluster)
    waiting = iter(tasks)
    try:
        while True:
            for task in islice(waiting, cluster.workers - len(writers.running)):
                writers.start(task)
            if not writers.running:
                return
            outcomes = writers.look()
            # Chained for a death only: a chain of chains grows deeper with every look, and breaks at last.
            if again := [outcome for outcome in outcomes if isinstance(outcome, ShardTask)]:
                waiting = chain(again, waiting)
            records = [outcome for outcome in outcomes if isinstance(outcome, ShardRecord)]
            yield Look(records, *writers.at_work())
    finally:
        writers.stop()


class _Writers:
    """The Ray tasks at work."""

    def __init__(self, cluster: Cluster) -> None:
        self._ray = cluster.ray
        # A worker that dies is dealt with here: Ray would run the same task again, whatever killed it.
        self._write = self._ray.remote(max_retries=0, num_cpus=1, scheduling_strategy="SPREAD")(_write)
        self._casualties = Casualties()
        self.running: dict[Any, ShardTask] = {}

    def start(self, task: ShardTask) -> None:
        self.running[self._write.remote(task)] = task

    def look(self) -> list[ShardRecord | ShardTask]:
        """Waits a moment; what has ended, as its record, or as the task to try next."""
        ended, _ = self._ray.wait(list(self.running), timeout=_LOOK_EVERY_SECONDS)
        return [self._outcome(reference) for reference in ended]

    def at_work(self) -> tuple[int, int]:
        """Photos done, and quarantined, in the shards that are not finished."""
        marks = [read_mark(task.files.mark, task.attempt) for task in self.running.values()]
        seen = [mark for mark in marks if mark is not None]
        return sum(mark.position for mark in seen), sum(mark.quarantined for mark in seen)

    def stop(self) -> None:
        """Has every worker leave its shard; one that does not hear of it is ended."""
        if not self.running:
            return
        stops = {task.files.stop for task in self.running.values()}
        for stop in stops:
            # Where it cannot be written, as in a folder that is gone, nobody hears.
            with suppress(OSError):
                stop.touch()
        # Asked before they are ended: Ray's cancel takes the process that calls it down when the task is
        # finishing at that moment ("Tried to complete task that was not pending", Ray 2.60).
        deaf = self._left(list(self.running))
        for reference in deaf:
            self._ray.cancel(reference, force=True)
        if deaf:
            self._left(deaf)
        for stop in stops:
            with suppress(OSError):
                stop.unlink()

    def _left(self, references: list[Any]) -> list[Any]:
        """Those still at work after a while."""
        _, left = self._ray.wait(references, num_returns=len(references), timeout=_STOP_SECONDS)
        return list(left)

    def _outcome(self, reference: Any) -> ShardRecord | ShardTask:
        task = self.running.pop(reference)
        errors = self._ray.exceptions
        try:
            record: ShardRecord = self._ray.get(reference)
        except errors.RayTaskError as error:
            if not isinstance(error.cause, MemoryError):
                # What the worker raised, without Ray's wrapping.
                raise error.cause from None
            # As good as dead: elsewhere the system would have ended it.
            return self._next_attempt(task)
        except (errors.WorkerCrashedError, errors.OutOfMemoryError, errors.NodeDiedError):
            return self._next_attempt(task)
        return record

    def _next_attempt(self, task: ShardTask) -> ShardTask:
        return self._casualties.next_attempt(task, read_mark(task.files.mark, task.attempt))


def _write(task: ShardTask) -> ShardRecord:
    refuse_stopped(task)
    # The driver hands out this function and has no use for torch and FFCV, which take seconds to import.
    from pipeline.shards.writer import write_shard

    return write_shard(task)
