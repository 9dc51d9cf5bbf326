"""How far the workers are, as all of them see it."""

from __future__ import annotations

from multiprocessing.context import BaseContext

from pipeline.errors import PipelineError


class StoppedError(PipelineError):
    """The preparation was called off while a worker was at it."""

    code = "stopped"


class Tally:
    """Photos done and quarantined, counted shard by shard in memory that all workers share.

    Every number has one writer, so no lock is needed that a dying worker could take with it.
    """

    def __init__(self, context: BaseContext, num_shards: int) -> None:
        self._done = context.RawArray("Q", num_shards)
        self._quarantined = context.RawArray("Q", num_shards)
        self._stopped = context.RawValue("b", 0)

    def count(self, shard: int, *, usable: bool) -> None:
        """Counts one photo of a shard; raises `StoppedError` once the preparation is called off."""
        if self._stopped.value:
            raise StoppedError
        self._done[shard] += 1
        self._quarantined[shard] += not usable

    def stop(self) -> None:
        self._stopped.value = 1

    @property
    def done(self) -> int:
        return sum(self._done)

    @property
    def quarantined(self) -> int:
        return sum(self._quarantined)
