"""The checkpoints of a run: the newest few, in its folder, written while the training goes on.

With each, the first layer's kernels are drawn, and these pictures stay.
"""

from __future__ import annotations

import socket
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from torch import Tensor

from model.checkpoint import load_checkpoint
from model.checkpoint_record import OPTIMIZER_FILE, CheckpointRecord
from model.errors import BadCheckpointError, CheckpointNotSavedError
from model.learning.epoch_loss import NO_STEPS
from model.learning.trainer import Trainer
from model.network.alexnet import AlexNet
from model.published import WEIGHTS_FILE
from model.snapshot import Snapshot
from pipeline.errors import PipelineError, StorageUnavailableError
from pipeline.storage.local_folder import LocalFolder
from pipeline.storage.moving import remove_stored, store_folder
from pipeline.storage.node_cache import NodeCache
from service.domain.job_folder import JobFolder, checkpoint_name, step_of
from service.errors import CheckpointUnseenError
from service.training.agreement import Agreement
from service.training.filters import RunFilters

_LOOK_EVERY_SECONDS: Final = 0.5


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
        self.epoch_loss = NO_STEPS
        """That of the epoch that is being trained, saved with every checkpoint in it."""

    def newest_before(self, step: int) -> str | None:
        """The name of the newest checkpoint of an earlier step, if there is one."""
        names = self._folder.checkpoint_names()
        return next((name for name in reversed(names) if step_of(name) < step), None)

    def resume(self, agreement: Agreement, patience_seconds: float = 120.0) -> CheckpointRecord | None:
        """Puts the training where rank 0's newest checkpoint left it; without one it starts at the start.

        Collective. A network file system may show a rank what is new a while later: that is waited for.
        Raises CheckpointUnseenError on a rank that does not get to see it.
        """
        step, epoch = agreement.first_has(*(self._place_of_newest() if agreement.rank.is_first else (0, 0)))
        if step == 0:
            return None
        folder = self._folder.checkpoints / checkpoint_name(step)
        deadline = time.monotonic() + patience_seconds
        while not self._shows(folder, epoch):
            if time.monotonic() > deadline:
                raise CheckpointUnseenError(
                    f"rank 0 goes on from {folder}, and {socket.gethostname()} of rank "
                    f"{agreement.rank.number} did not see it there for {patience_seconds:g} seconds"
                )
            time.sleep(_LOOK_EVERY_SECONDS)
        with LocalFolder(folder) as whole:
            checkpoint = load_checkpoint(whole.path)
        checkpoint.restore(self._network, self._trainer)
        self.metrics = checkpoint.record.metrics
        self.epoch_loss = checkpoint.record.epoch_loss
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
        """Copies the training as of this step and begins to write it.

        A checkpoint that the step has, of a stop before the validation, keeps its tensors and is told what
        the validation has found. What became of the one before it has been asked for, by `written`.
        """
        assert self._writing is None
        name = checkpoint_name(self._trainer.step)
        snapshot = Snapshot.of(self._network, self._trainer, self._mean_image, self.metrics, self.epoch_loss)
        if name in self._folder.checkpoint_names():
            self._writing = self._writer.submit(snapshot.amend, self._folder.checkpoints / name)
        else:
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

    def _place_of_newest(self) -> tuple[int, int]:
        """Its step and its epoch. No checkpoint is of step 0."""
        names = self._folder.checkpoint_names()
        if not names:
            return 0, 0
        record = CheckpointRecord.load(self._folder.checkpoints / names[-1])
        return record.step, record.epoch

    def _shows(self, folder: Path, epoch: int) -> bool:
        """Whether the checkpoint is to be seen from here, and as of that epoch: it may have been amended."""
        # Listing a folder is what makes a network file system ask anew.
        if folder.name not in self._folder.checkpoint_names():
            return False
        with suppress(BadCheckpointError, OSError):
            return CheckpointRecord.load(folder).epoch == epoch
        return False

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
