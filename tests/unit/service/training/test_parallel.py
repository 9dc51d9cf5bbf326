"""Gradients of three ranks, summed: the same in the first step of a process as in any later one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# Of three numbers the sum depends on the order; and a process that resumes a run has its first step in the
# midst of another's.
RANK = """
import sys
from datetime import timedelta
import torch, torch.distributed as dist
from model.config import ModelConfig
from model.learning.initialize import starting_parameters
from model.network.alexnet import AlexNet
from model.network.placement import Placement
from service.training.agreement import Rank
from service.training.worker import parallel

folder, rank = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(1)
timeout = timedelta(seconds=120)
dist.init_process_group("gloo", f"file://{folder}/ranks", timeout=timeout, rank=rank, world_size=3)
config = ModelConfig.preset("alexnet-tiny", num_classes=4)
network = AlexNet(config, Placement.two("cpu", "cpu"))
network.load_canonical_parameters(starting_parameters(config, "fan-in", seed=5))
network.eval()
together = parallel(network, Rank(rank, 3))
images = torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(rank))
gradients = []
for step in range(3):
    network.zero_grad()
    together(images).square().sum().backward()
    gradients.append([parameter.grad.clone() for parameter in network.parameters()])
first = gradients[0]
print(all(torch.equal(a, b) for later in gradients[1:] for a, b in zip(first, later, strict=True)))
dist.destroy_process_group()
"""


def test_a_gradient_is_summed_in_the_same_order_at_every_step(tmp_path: Path) -> None:
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(tmp_path), str(rank)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(3)
    ]
    assert [rank.communicate(timeout=300)[0].strip() for rank in ranks] == ["True"] * 3
