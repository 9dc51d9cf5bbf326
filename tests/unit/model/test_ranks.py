"""Ranks that share batches train as one that has them whole, step after step, dropout and all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BATCH = 8
# In float64: in float32 sums in another order make a maximum of pooling fall elsewhere, and losses part.
RANK = """
import json, sys
from datetime import timedelta
import torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from model.config import ModelConfig
from model.learning.initialize import starting_parameters
from model.learning.recipe import RecipeConfig
from model.learning.trainer import Trainer
from model.network.alexnet import AlexNet
from model.network.dropout import Share
from model.network.placement import Placement

folder, rank, world_size, batch, steps = sys.argv[1], *map(int, sys.argv[2:])
torch.set_num_threads(1)
share = Share.of(rank, world_size, batch)
config = ModelConfig.preset("alexnet-tiny", num_classes=4)
network = AlexNet(config, Placement.two("cpu", "cpu"))
network.load_canonical_parameters(starting_parameters(config, "fan-in", seed=5))
network.double()
timeout = timedelta(seconds=120)
dist.init_process_group("gloo", f"file://{folder}/of-{world_size}", timeout=timeout, rank=rank,
                        world_size=world_size)
chance = torch.Generator().manual_seed(0)
images = 60 * torch.randn(batch, 3, 64, 64, generator=chance, dtype=torch.float64)[share.start : share.stop]
labels = (torch.arange(batch) % 4)[share.start : share.stop]
recipe = RecipeConfig.preset("paper", learning_rate=0.003)
trainer = Trainer(DistributedDataParallel(network), recipe, steps_per_epoch=steps, share=share)
losses = []
for report in trainer.train_epoch([(images, labels)] * steps):
    loss = torch.tensor(report.loss * share.weight / world_size, dtype=torch.float64)
    dist.all_reduce(loss)
    losses.append(loss.item())
print(json.dumps(losses))
dist.destroy_process_group()
"""


def losses(folder: Path, world_size: int) -> list[list[float]]:
    """What each rank says of the loss at every step."""
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, *map(str, (folder, rank, world_size, BATCH, 40))],
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(world_size)
    ]
    return [json.loads(rank.communicate(timeout=300)[0]) for rank in ranks]


def test_ranks_with_uneven_shares_have_the_losses_of_one_alone(tmp_path: Path) -> None:
    (alone,) = losses(tmp_path, 1)
    assert alone[-1] < 0.9 * alone[0]
    for told in losses(tmp_path, 3):
        assert told == pytest.approx(alone, rel=1e-9)
