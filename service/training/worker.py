"""One Ray Train worker: hosts the network on its devices and trains it on its slice of every batch."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import ray.train
import ray.train.torch
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from model.learning.execution import prepare_execution
from model.network.alexnet import AlexNet
from model.network.dropout import Share
from model.network.placement import Placement
from service.domain.job_folder import JobFolder
from service.domain.resolved_run import ResolvedRun
from service.training.agreement import Agreement, Rank
from service.training.job import record_failure
from service.training.placing import place_towers
from service.training.session import Session
from service.training.sole_attempt import sole_attempt
from service.training.starting_point import starting_point


def train_worker(config: dict[str, str]) -> None:
    """What Ray Train calls on every worker. What goes wrong is left in `error.json` before it is raised."""
    folder = JobFolder(Path(config["folder"]))
    context = ray.train.get_context()
    rank = Rank(context.get_world_rank(), context.get_world_size())
    try:
        with sole_attempt(folder) if rank.is_first else nullcontext():
            if rank.is_first:
                # Left by workers that fell and were started again as these.
                folder.error.unlink(missing_ok=True)
            _train(folder, rank)
    except Exception as error:
        record_failure(folder, error, rank.number)
        raise


def _train(folder: JobFolder, rank: Rank) -> None:
    run = ResolvedRun.model_validate_json(folder.specification.read_text())
    torch.set_num_threads(run.allocation.cpus_per_worker)
    agreement = Agreement(folder, rank)
    share = Share.of(rank.number, rank.world_size, run.recipe.global_batch_size)
    placement = place_towers(folder, run, agreement, devices_of(run), share)
    goes_on = agreement.first_says(bool(folder.checkpoint_names()))
    network = network_of(run, placement, share, goes_on=goes_on)
    session = Session(folder, run, agreement, share, network, parallel(network, rank))
    for evaluation in session.epochs():
        ray.train.report(evaluation.model_dump(include={"epoch", "step", "val_loss", "val_top1_error"}))


def devices_of(run: ResolvedRun) -> list[torch.device]:
    """This worker's GPUs, or the CPU."""
    gpus = run.allocation.gpus_per_worker
    devices: list[torch.device] = ray.train.torch.get_devices()[:gpus] if gpus else [torch.device("cpu")]
    return devices


def network_of(run: ResolvedRun, placement: Placement, share: Share, *, goes_on: bool) -> AlexNet:
    """The run's network on this worker's devices, initialised alike on every worker."""
    network = AlexNet(run.model, placement)
    network.load_canonical_parameters(starting_point(run, goes_on=goes_on))
    prepare_execution(network, run.recipe, share)
    return network


def parallel(network: AlexNet, rank: Rank) -> nn.Module:
    """The network with its gradients averaged over the ranks.

    DDP without device ids: the module spans devices. A resumed run has to go on to the bit, and from three
    ranks on the order that a gradient is summed in follows from its place in a bucket. DDP lays the buckets
    out anew after its first step, as gradients became ready in it, unless it looks for unused parameters.
    There are none, as it tells once in the log.
    """
    if rank.world_size == 1:
        return network
    return DistributedDataParallel(network, find_unused_parameters=rank.world_size > 2)
