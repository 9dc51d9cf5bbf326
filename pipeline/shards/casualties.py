"""What is done about a worker that died at its shard."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Final

from pipeline.errors import PreparationFailedError
from pipeline.shards.mark import Mark
from pipeline.shards.task import ShardTask

# A photo at work twice when its worker died may be the cause.
DEATHS_OF_A_SUSPECT: Final = 2
DEATHS_OF_A_SHARD: Final = 10


class Casualties:
    """Counts deaths, and decides how a shard is tried again."""

    def __init__(self) -> None:
        self._by_photo: Counter[tuple[str, int]] = Counter()
        self._by_shard: Counter[str] = Counter()

    def next_attempt(self, task: ShardTask, mark: Mark | None) -> ShardTask:
        """The shard's next attempt after its worker died at `mark`.

        Raises `PreparationFailedError` when a shard's workers die again and again and no photo can be blamed.
        """
        self._by_shard[task.files.name] += 1
        suspects = task.suspects
        if mark is not None and mark.position < len(task.photos):
            photo = (task.files.name, mark.position)
            self._by_photo[photo] += 1
            if self._by_photo[photo] == DEATHS_OF_A_SUSPECT:
                suspects |= {mark.position}
        unexplained = self._by_shard[task.files.name] - DEATHS_OF_A_SUSPECT * len(suspects)
        if unexplained >= DEATHS_OF_A_SHARD:
            raise PreparationFailedError(
                f"{unexplained} workers died at {task.files.name}, each at another photo: most likely memory"
                " is short, so try fewer --workers; the same command goes on where this one ended"
            )
        return replace(task, attempt=task.attempt + 1, suspects=suspects)
