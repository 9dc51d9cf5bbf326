"""The checkpoints of a run: the newest few, in its folder, written while the training goes on.

With each, the first layer's kernels are drawn, and these pictures stay.
"""

from __future__ import annotations

import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from torch import Tensor

from model.checkpoint import load_checkpoint
from model.checkpoint_record import OPTIMIZER_FILE, CheckpointRecord
from model.errors import CheckpointNotSavedError
from model.learning.trainer import Trainer
from model.network.alexnet import AlexNet
from model.published import WEIGHTS_FILE
from model.snapshot import Snapshot
from pipeline.errors import PipelineError, StorageUnavailableError
from pipeline.storage.local_folder import LocalFolder
from pipeline.storage.moving import remove_stored, store_folder
from pipeline.storage.node_cache import NodeCache
from service.domain.job_folder import JobFolder, checkpoint_name
from service.training.filters import RunFilters


class RunCheckpoints:
    """One is written at a time, by a thread of its own. The training stands still only for the copy."""

    def __init__(
        self,
        folder: JobFolder,
        keep: int,
        network: AlexNet,
        trainer: Trainer,
        mean_image: Tensor,
        storage: str | None,
    ) -> None:
        """Tensors go below the URL `storage` if there is one; the folder keeps the rest."""
        self._folder = folder
        self._storage = storage
        self._keep = keep
        self._network = network
        self._trainer = trainer
        self._mean_image = mean_image
        self._filters = RunFilters(folder, network.config.towers)
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
        with LocalFolder(self._folder.checkpoints / self.newest) as whole:
            checkpoint = load_checkpoint(whole.path)
        checkpoint.restore(self._network, self._trainer)
        self.metrics = checkpoint.record.metrics
        return checkpoint.record

    def clear_unfinished(self) -> None:
        """Removes what an attempt that was killed while it wrote a checkpoint has left."""
        for unfinished in self._folder.checkpoints.glob(".step-*"):
            _remove(unfinished)
        self._filters.clear_unfinished()

    def draw_start(self) -> None:
        """Draws the first layer as this attempt begins with it, unless the attempt before has done so."""
        self._filters.draw(self._trainer.step, self._network.first_kernels())

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
        record = self._save(snapshot, self._folder.checkpoints / name)
        self._filters.draw(snapshot.step, snapshot.parameters[f"{self._network.layers[0].name}.weight"])
        for old in self._folder.checkpoint_names()[: -self._keep]:
            # Out of sight first: nobody is to find the record of what is half removed.
            doomed = self._folder.checkpoints / f".{old}.{uuid.uuid4().hex}"
            (self._folder.checkpoints / old).rename(doomed)
            _remove(doomed)
        return record

    def _save(self, snapshot: Snapshot, target: Path) -> CheckpointRecord:
        if self._storage is None:
            return snapshot.write(target)
        try:
            with NodeCache.of_this_node().scratch() as scratch:
                record = snapshot.write(scratch / target.name)
                tensors = (WEIGHTS_FILE, OPTIMIZER_FILE)
                store_folder(scratch / target.name, target, tensors, f"{self._storage}.{target.name}")
        except (OSError, PipelineError) as error:
            raise CheckpointNotSavedError(str(target), str(error)) from error
        return record


def _remove(hidden: Path) -> None:
    # What object storage does not let go of now goes when the next attempt begins, or with the run.
    with suppress(StorageUnavailableError):
        remove_stored(hidden)
