"""A run's figures as TensorBoard reads them, beside its progress.jsonl."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.summary import scalar

_REST_SECONDS: Final = 60.0


class Board:
    """Event files in a folder: `tensorboard --logdir FOLDER` draws them.

    An attempt that goes on from a checkpoint begins a file of its own, which takes back what the one before
    told of later steps. Written in the caller's thread: tensorboardX's own waits for ever on a full disk.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: EventsWriter | None = None
        self._not_before = 0.0

    def tell(self, step: int, scalars: Mapping[str, float]) -> None:
        """Adds a point to each curve."""
        if time.monotonic() < self._not_before:
            return
        try:
            if self._writer is None:
                self._writer = self._open(step)
            for name, value in scalars.items():
                self._writer.write_event(Event(wall_time=time.time(), step=step, summary=scalar(name, value)))
            self._writer.flush()
        except OSError:
            # progress.jsonl has the points. TensorBoard reads a file to its first torn record, so the next
            # ones go into another, when there may be room again.
            self._not_before = time.monotonic() + _REST_SECONDS
            self.close()

    def close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(OSError):
                writer.close()

    def _open(self, step: int) -> EventsWriter:
        self._folder.mkdir(exist_ok=True)
        # Names hold the second alone, and are read in their order.
        suffix = f".{len(list(self._folder.iterdir())):03d}"
        writer = EventsWriter(str(self._folder / "events"), suffix)
        # https://github.com/tensorflow/tensorboard: what a START finds of its step and later ones is hidden.
        writer.write_event(Event(step=step, session_log=SessionLog(status=SessionLog.START)))
        return writer
