"""The training of a run on one rank: epochs of steps, validation, checkpoints, and a stop that is heard."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from model.checkpoint_record import CheckpointRecord
from model.errors import CheckpointNotSavedError, DivergedError
from model.learning.epoch_loss import NO_STEPS
from model.learning.stall import StallWatch
from model.learning.trainer import Trainer
from model.network.alexnet import AlexNet
from model.network.dropout import Share
from pipeline.batches.augment import Augmentation
from pipeline.batches.device_batches import device_batches
from pipeline.batches.loader import ShardLoader
from pipeline.batches.view_cutter import ViewCutter
from pipeline.batches.views import EvaluationViews
from pipeline.shards.statistics import Statistics
from service.domain.events import CheckpointLine, EpochLine
from service.domain.job_folder import JobFolder, checkpoint_name, now
from service.domain.resolved_run import ResolvedRun
from service.training import remarks
from service.training.agreement import Agreement
from service.training.checkpoints import RunCheckpoints
from service.training.reporter import Reporter
from service.training.waits import Waits

VALIDATED = {"val_loss", "val_top1_error", "val_top5_error"}


class Session:
    """Everything one rank trains with. Rank 0 alone writes to the run's folder.

    `share` is its part of every global batch. `network` is this rank's own; `parallel` is what is trained:
    the same, or wrapped so that gradients are averaged over the ranks.
    """

    def __init__(
        self,
        folder: JobFolder,
        run: ResolvedRun,
        agreement: Agreement,
        share: Share,
        network: AlexNet,
        parallel: nn.Module,
    ) -> None:
        self._run, self._rank = run, agreement.rank
        dataset = Path(run.dataset.path)
        self._statistics = Statistics.load(dataset)
        mean_image = torch.from_numpy(self._statistics.mean_image)
        self._device = network.input_device
        self._train, self._val = (self._loader(dataset, split) for split in ("train", "val"))
        self._cutter = ViewCutter(mean_image, run.model.input_size, memory_format=torch.channels_last)
        self._views = EvaluationViews(self._cutter)
        self._trainer = Trainer(
            parallel,
            run.recipe,
            steps_per_epoch=len(self._train),
            seed=run.spec.seed,
            share=share,
        )
        self._stall = StallWatch(run.model.num_classes)
        self._waits = Waits()
        self._agreement, self._share, self._network = agreement, share, network
        self._checkpoints = RunCheckpoints(
            folder, run.spec.checkpoint.keep, network, self._trainer, mean_image, run.storage
        )
        self._reporter = (
            Reporter(
                folder,
                self._trainer.total_steps,
                images_per_step=run.recipe.global_batch_size,
                num_workers=self._rank.world_size,
            )
            if self._rank.is_first
            else None
        )

    def epochs(self) -> Iterator[EpochLine]:
        """Trains from the newest checkpoint, or the start, to the end; yields after each validated epoch.

        Ends early, with a checkpoint of its last step, when the run is asked to stop.
        """
        with closing(self._reporter) if self._reporter else nullcontext(), closing(self._checkpoints):
            yield from self._epochs()

    def _epochs(self) -> Iterator[EpochLine]:
        if self._reporter:
            self._checkpoints.clear_unfinished()
        if resumed_from := self._checkpoints.resume(self._agreement):
            # The attempt before may have ended between leaving the checkpoint and saying so.
            self._tell_of_checkpoint(resumed_from)
        if self._reporter:
            self._checkpoints.draw_start()
        while not self._trainer.finished or self._in_epoch:
            rate = self._trainer.learning_rate
            try:
                line = self._epoch()
            except DivergedError as error:
                at = error.step, error.learning_rate, error.loss
                self._tell_of_written(wait=True)
                # One of this very step has the weights that gave this loss.
                good = self._checkpoints.newest_before(self._trainer.step)
                raise DivergedError(*at, good) from error
            if line is None:
                self._save(needed=True)
                return
            self._checkpoints.metrics = line.model_dump(include=VALIDATED)
            self._checkpoints.epoch_loss = NO_STEPS
            if self._reporter:
                self._reporter.event(line)
                if self._run.recipe.schedule.kind == "plateau" and self._trainer.learning_rate < rate:
                    self._reporter.event(remarks.plateau(line.epoch, rate, self._trainer.learning_rate))
            self._save(needed=self._trainer.finished)
            yield line

    @property
    def _in_epoch(self) -> bool:
        """Whether an epoch has steps and no validation: a run may be stopped after the last of them."""
        return self._trainer.step > self._trainer.epoch * len(self._train)

    @property
    def _epoch_is_trained(self) -> bool:
        return self._trainer.finished or self._trainer.step % len(self._train) == 0

    def _epoch(self) -> EpochLine | None:
        """Trains to the end of the epoch and validates; None where the run is asked to stop before that."""
        began = time.monotonic()
        return None if self._train_epoch() else self._validate(began)

    def _train_epoch(self) -> bool:
        """Trains to the end of the epoch or to a stop: whether it was asked for."""
        stopped = False
        with closing(self._training_batches()) as batches:
            for report in self._trainer.train_epoch(self._waits.timed(batches)):
                loss, stopped, corrupt = self._agreement.after_step(
                    report.loss * self._share.weight, self._train.num_skipped
                )
                self._checkpoints.epoch_loss = self._checkpoints.epoch_loss.after(loss)
                if self._reporter:
                    self._reporter.step(
                        report, loss, waited_seconds=self._waits.seconds, corrupt_samples=corrupt
                    )
                    if self._stall.stalled(loss):
                        self._reporter.event(remarks.stalled(self._stall.chance))
                    self._tell_of_written(wait=False)
                if stopped:
                    break
                # The last step of an epoch gets its checkpoint when it is validated.
                if report.step % self._run.spec.checkpoint.every_steps == 0 and not self._epoch_is_trained:
                    self._save()
        return stopped

    def _validate(self, began: float) -> EpochLine:
        """Counts the errors of the whole validation split, each photo once, over all ranks.

        Raises DivergedError when their loss is not a finite number.
        """
        self._agreement.share_buffers(self._network)
        with closing(self._validation_batches()) as batches:
            found = self._agreement.sum_evaluations(self._trainer.evaluate(batches))
        if not math.isfinite(found.loss):
            raise DivergedError(self._trainer.step, self._trainer.last_learning_rate, found.loss)
        self._trainer.end_epoch(found.top1_error)
        return EpochLine(
            at=now(),
            epoch=self._trainer.epoch,
            step=self._trainer.step,
            train_loss=self._checkpoints.epoch_loss.mean,
            val_loss=found.loss,
            val_top1_error=found.top1_error,
            val_top5_error=found.top5_error,
            val_samples=found.samples,
            seconds=time.monotonic() - began,
        )

    def _training_batches(self) -> Generator[tuple[Tensor, Tensor]]:
        """Views and labels from where the trainer stands to the end of its epoch."""
        epoch = self._trainer.epoch
        done = self._trainer.step - epoch * len(self._train)
        self._train.load_state_dict({"seed": self._run.spec.seed, "epoch": epoch, "step": done})
        views_of = partial(self._augmentation(epoch).training_views, epoch=epoch)
        return device_batches(self._train, views_of, self._device)

    def _augmentation(self, epoch: int) -> Augmentation:
        recipe = self._run.recipe
        return Augmentation(
            self._statistics,
            self._cutter,
            self._run.spec.seed,
            random_crop=recipe.random_crop,
            flip=recipe.flip,
            colour_noise=recipe.has_colour_noise(epoch),
            colour_noise_divisor=recipe.colour_noise_divisor,
        )

    def _validation_batches(self) -> Generator[tuple[Tensor, Tensor]]:
        return device_batches(self._val, lambda images, _: self._views.centre_view(images), self._device)

    def _save(self, *, needed: bool = False) -> None:
        """Begins a checkpoint of this step.

        Where it cannot be written the run goes on, and tries at the next one. One that is `needed` is
        waited for, and raises `CheckpointNotSavedError`.
        """
        if not self._reporter:
            return
        self._tell_of_written(wait=True)
        self._checkpoints.begin()
        if needed:
            self._tell_of_written(wait=True, needed=True)

    def _tell_of_written(self, *, wait: bool, needed: bool = False) -> None:
        """Tells what became of the checkpoint that is being written, if that is known."""
        if not self._reporter:
            return
        try:
            record = self._checkpoints.written(wait=wait)
        except CheckpointNotSavedError as error:
            if needed:
                raise
            self._reporter.event(remarks.not_saved(error))
        else:
            if record:
                self._tell_of_checkpoint(record)

    def _tell_of_checkpoint(self, record: CheckpointRecord) -> None:
        if self._reporter:
            name = checkpoint_name(record.step)
            self._reporter.event(CheckpointLine(at=now(), name=name, epoch=record.epoch, step=record.step))

    def _loader(self, dataset: Path, split: str) -> ShardLoader:
        return ShardLoader(
            dataset,
            split,
            batch_size=self._run.recipe.global_batch_size,
            seed=self._run.spec.seed,
            rank=self._rank.number,
            world_size=self._rank.world_size,
            num_threads=self._run.allocation.cpus_per_worker,
            config=self._run.spec.loading,
            pin_memory=self._device.type == "cuda",
        )
