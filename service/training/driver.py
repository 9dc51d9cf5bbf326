"""A training run as a Ray job: launches Ray Train workers, each of which hosts the network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError, UserCallback
from ray.train.torch import TorchConfig, TorchTrainer

from service.domain.events import FailureLine
from service.domain.job_folder import JobFolder, now
from service.domain.resolved_run import Allocation, ResolvedRun
from service.training.job import job
from service.training.lost_worker import named_error
from service.training.progress import LineFile
from service.training.worker import train_worker

GROUP_FAILURES = 3
START_FAILURES = 3
RENDEZVOUS_SECONDS = 600
# A resize goes back to the newest checkpoint, so it should be rarer than checkpoints are.
RESIZE_SECONDS = 60.0


class TellOfFailures(UserCallback):  # type: ignore[misc]
    """Runs in Ray Train's controller: notes that workers fell, so that the run shows as recovering."""

    def __init__(self, folder: JobFolder) -> None:
        self._folder = folder

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        lines = LineFile(self._folder.events)
        for rank, error in worker_exceptions.items():
            lines.append(FailureLine(at=now(), rank=rank, message=str(error).strip().split("\n")[-1]))
        lines.close()


def main() -> None:
    """`tandem-train-job FOLDER`"""
    folder = JobFolder(Path(sys.argv[1]))
    with job(folder):
        run = ResolvedRun.model_validate_json(folder.specification.read_text())
        try:
            trainer(folder, run).fit()
        except TrainingFailedError as error:
            if lost := named_error(error):
                raise lost from error
            raise


def trainer(folder: JobFolder, run: ResolvedRun) -> TorchTrainer:
    """Ray Train's side of a run. Its own checkpoints are unused: the run's folder holds them."""
    return TorchTrainer(
        train_worker,
        train_loop_config={"folder": str(folder.path)},
        torch_config=TorchConfig(timeout_s=RENDEZVOUS_SECONDS),
        scaling_config=_scaling(run.allocation),
        run_config=RunConfig(
            name=run.run_id,
            storage_path=str(folder.path / "ray"),
            failure_config=FailureConfig(
                max_failures=GROUP_FAILURES, controller_failure_limit=START_FAILURES
            ),
            callbacks=[TellOfFailures(folder)],
        ),
    )


def _scaling(allocation: Allocation) -> ScalingConfig:
    resources: dict[str, float] = {"CPU": allocation.cpus_per_worker}
    if allocation.gpus_per_worker:
        resources["GPU"] = allocation.gpus_per_worker
    workers = (allocation.min_workers, allocation.num_workers)
    return ScalingConfig(
        num_workers=workers if allocation.is_elastic else allocation.num_workers,
        elastic_resize_monitor_interval_s=RESIZE_SECONDS,
        use_gpu=allocation.gpus_per_worker > 0,
        resources_per_worker=resources,
    )
