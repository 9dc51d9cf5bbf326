"""The checkpoints of a run: the newest few, in its folder, written while the training goes on."""

from __future__ import annotations

import shutil
from concurrent.futures import Future, ThreadPoolExecutor

from torch import Tensor

from model.checkpoint import load_checkpoint
from model.checkpoint_record import CheckpointRecord
from model.learning.trainer import Trainer
from model.network.alexnet import AlexNet
from model.snapshot import Snapshot
from service.domain.job_folder import JobFolder, checkpoint_name


class RunCheckpoints:
    """One is written at a time, by a thread of its own. The training stands still only for the copy."""

    def __init__(
        self, folder: JobFolder, keep: int, network: AlexNet, trainer: Trainer, mean_image: Tensor
    ) -> None:
        self._folder = folder
        self._keep = keep
        self._network = network
        self._trainer = trainer
        self._mean_image = mean_image
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
        self._writing: Future[CheckpointRecord] | None = None
        self.metrics: dict[str, float] = {}
        """The newest validation's, saved with every checkpoint after it."""

    @property
    def newest(self) -> str | None:
        """The name of the newest checkpoint, if there is one."""
        return next(reversed(self._folder.checkpoint_names()), None)

    def resume(self) -> CheckpointRecord | None:
        """Puts the training back where the newest checkpoint left it; without one it starts at the start."""
        if self.newest is None:
            return None
        checkpoint = load_checkpoint(self._folder.checkpoints / self.newest)
        checkpoint.restore(self._network, self._trainer)
        self.metrics = checkpoint.record.metrics
        return checkpoint.record

    def clear_unfinished(self) -> None:
        """Removes what an attempt that was killed while it wrote a checkpoint has left."""
        for unfinished in self._folder.checkpoints.glob(".step-*"):
            shutil.rmtree(unfinished)

    def begin(self) -> None:
        """Copies the training as of this step and begins to write it, unless the step has a checkpoint.

        What became of the one before it has been asked for, by `written`.
        """
        assert self._writing is None
        name = checkpoint_name(self._trainer.step)
        if name not in self._folder.checkpoint_names():
            snapshot = Snapshot.of(self._network, self._trainer, self._mean_image, self.metrics)
            self._writing = self._writer.submit(self._write, snapshot, name)

    def written(self, *, wait: bool) -> CheckpointRecord | None:
        """The checkpoint that was begun, once it is whole and durable; told once.

        Raises CheckpointNotSavedError where it could not be written; the older ones are still there then.
        """
        if self._writing is None or not (wait or self._writing.done()):
            return None
        writing, self._writing = self._writing, None
        return writing.result()

    def close(self) -> None:
        """Returns when nothing is being written any more."""
        self._writer.shutdown()

    def _write(self, snapshot: Snapshot, name: str) -> CheckpointRecord:
        record = snapshot.write(self._folder.checkpoints / name)
        for old in self._folder.checkpoint_names()[: -self._keep]:
            shutil.rmtree(self._folder.checkpoints / old)
        return record
