"""The processes that write shards."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Final

from pipeline.errors import PreparationFailedError
from pipeline.shards.tally import Tally
from pipeline.shards.task import ShardResult, ShardTask

_LOOK_EVERY_SECONDS: Final = 0.25


def write_shards(
    tasks: Iterable[ShardTask], workers: int, tally: Tally
) -> Generator[list[ShardResult], None, None]:
    """Writes shards in `workers` processes; yields what results have come in, at least four times a second.

    Results come in any order. However the iteration ends, no process is left when it has: on an error, or
    when the iterator is closed, each worker ends after the photo it is at. Raises what a worker raised, and
    `PreparationFailedError` when one died.
    """
    # Workers are started afresh: forked from a process with threads, they could wait for locks nobody holds.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(tally,))
    try:
        pending: set[Future[ShardResult]] = {pool.submit(_write, task) for task in tasks}
        while pending:
            finished, pending = wait(pending, _LOOK_EVERY_SECONDS, FIRST_COMPLETED)
            yield [future.result() for future in finished]
    except BrokenProcessPool as error:
        raise PreparationFailedError(
            "a worker process died, most likely for want of memory: try fewer --workers"
        ) from error
    finally:
        tally.stop()
        pool.shutdown(cancel_futures=True)


_tally: Tally


def _begin(tally: Tally) -> None:
    """Runs once in every worker."""
    global _tally
    _tally = tally
    # Ctrl-C reaches the whole process group; what it means is decided by the parent.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    # The pool's queues would keep a worker of a killed parent waiting for ever.
    os._exit(1)


def _write(task: ShardTask) -> ShardResult:
    # The parent hands out this function and has no use for torch and FFCV, which take seconds to import.
    from pipeline.shards.writer import write_shard

    return write_shard(task, _tally)
