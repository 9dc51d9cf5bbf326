"""The checkpoints of a run: the newest few, in its folder."""

from __future__ import annotations

import shutil

from torch import Tensor

from model.checkpoint import load_checkpoint, save_checkpoint
from model.learning.trainer import Trainer
from model.network.alexnet import AlexNet
from service.domain.job_folder import JobFolder, checkpoint_name


class RunCheckpoints:
    def __init__(
        self, folder: JobFolder, keep: int, network: AlexNet, trainer: Trainer, mean_image: Tensor
    ) -> None:
        self._folder = folder
        self._keep = keep
        self._network = network
        self._trainer = trainer
        self._mean_image = mean_image
        self.metrics: dict[str, float] = {}
        """The newest validation's, saved with every checkpoint after it."""

    @property
    def newest(self) -> str | None:
        """The name of the newest checkpoint, if there is one."""
        return next(reversed(self._folder.checkpoint_names()), None)

    def resume(self) -> bool:
        """Puts the training back where the newest checkpoint left it; without one it starts at the start.

        Returns whether there was one.
        """
        if self.newest is None:
            return False
        checkpoint = load_checkpoint(self._folder.checkpoints / self.newest)
        checkpoint.restore(self._network, self._trainer)
        self.metrics = checkpoint.record.metrics
        return True

    def clear_unfinished(self) -> None:
        """Removes what an attempt that was killed while it wrote a checkpoint has left."""
        for unfinished in self._folder.checkpoints.glob(".step-*"):
            shutil.rmtree(unfinished)

    def save(self) -> None:
        """Writes a checkpoint of this step, unless it has one, and lets go of the oldest.

        Raises CheckpointNotSavedError; the older ones stay then.
        """
        name = checkpoint_name(self._trainer.step)
        if name in self._folder.checkpoint_names():
            return
        save_checkpoint(
            self._folder.checkpoints / name,
            self._network,
            self._trainer,
            self._mean_image,
            self.metrics,
        )
        for old in self._folder.checkpoint_names()[: -self._keep]:
            shutil.rmtree(self._folder.checkpoints / old)
