"""Where a run's towers stand: found once, the same for all ranks, and kept for the rest of the run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from model.config import ModelConfig
from model.learning.recipe import RecipeConfig
from model.network.dropout import Share
from model.network.placement import Placement
from service.domain.job_folder import JobFolder
from service.domain.resolved_run import Allocation, DatasetPin, ResolvedRun
from service.domain.spec import RunSpec
from service.training import placing
from service.training.agreement import Agreement, Rank

CPU = torch.device("cpu")
HALF = Share.of(0, 2, 4)

TWO_RANKS = """
import sys
from datetime import timedelta
from pathlib import Path
import torch, torch.distributed as dist
from torch import nn
from service.domain.job_folder import JobFolder
from service.training.agreement import Agreement, Rank

rank = int(sys.argv[2])
where = f"file://{sys.argv[1]}/rendezvous"
dist.init_process_group("gloo", where, timeout=timedelta(seconds=60), rank=rank, world_size=2)
agreement = Agreement(JobFolder(Path(sys.argv[1])), Rank(rank, 2))
network = nn.BatchNorm2d(3)
network.running_mean.fill_(10.0 + rank)
agreement.share_buffers(network)
print(agreement.first_says(rank == 0), agreement.first_says(rank == 1), network.running_mean.tolist())
dist.destroy_process_group()
"""


def run_of(network: str) -> ResolvedRun:
    return ResolvedRun(
        run_id="run-1",
        spec=RunSpec(dataset="photos"),
        model=ModelConfig.preset(network, num_classes=3),
        recipe=RecipeConfig.preset("quick", global_batch_size=4),
        dataset=DatasetPin(name="photos", path="photos", checksum="0"),
        allocation=Allocation(num_workers=2, cpus_per_worker=1, gpus_per_worker=0, min_workers=2),
        versions={},
    )


def agreement_of(folder: JobFolder) -> Agreement:
    return Agreement(folder, Rank(0, 1))


def test_what_was_found_when_a_run_began_holds_until_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = JobFolder(tmp_path)
    tried = []

    def apart(config: ModelConfig, placement: Placement, images_per_step: int) -> Placement:
        tried.append(images_per_step)
        return placement

    monkeypatch.setattr(placing, "fastest_placement", apart)
    for _ in range(2):
        placement = placing.place_towers(folder, run_of("alexnet-tiny"), agreement_of(folder), [CPU], HALF)
        assert placement.devices == (CPU, CPU)
    assert tried == [2]
    assert json.loads(folder.placement.read_text()) == {"towers_apart": True}


@pytest.mark.parametrize(("recorded", "devices"), [(True, (CPU, CPU)), (False, (CPU,))])
def test_a_run_goes_on_as_it_did(tmp_path: Path, recorded: bool, devices: tuple[torch.device, ...]) -> None:
    folder = JobFolder(tmp_path)
    folder.placement.write_text(json.dumps({"towers_apart": recorded}))
    placement = placing.place_towers(folder, run_of("alexnet-tiny"), agreement_of(folder), [CPU], HALF)
    assert placement.devices == devices


def test_one_tower_needs_no_trial(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    placement = placing.place_towers(folder, run_of("cifar-4layer"), agreement_of(folder), [CPU], HALF)
    assert placement.devices == (CPU,)
    assert not folder.placement.exists()


def test_ranks_take_rank_0s_word_and_its_statistics(tmp_path: Path) -> None:
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", TWO_RANKS, str(tmp_path), str(rank)], stdout=subprocess.PIPE, text=True
        )
        for rank in (0, 1)
    ]
    said = [rank.communicate(timeout=120)[0].strip() for rank in ranks]
    assert said == ["True False [10.0, 10.0, 10.0]"] * 2


def test_each_tower_gets_a_device_where_there_are_two(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    devices = [CPU, torch.device("meta")]
    placement = placing.place_towers(folder, run_of("alexnet-tiny"), agreement_of(folder), devices, HALF)
    assert placement.devices == tuple(devices)
    assert not folder.placement.exists()
