"""The paper's network, all 61 million parameters of it, takes steps on real photos."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from service.client import Client
from service.domain.state import JobState
from service.stack.up import Stack

SHARED = Path(__file__).parents[3] / "shared" / "data"

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.shared_data,
    pytest.mark.skipif(
        not (SHARED / "imagenet-sample").is_dir(), reason="no ImageNet sample beside the checkout"
    ),
]


def test_the_full_network_trains_on_imagenet_photos(client: Client, stack: Stack) -> None:
    photos = SHARED / "imagenet-sample"
    # One photo a class cannot be split, so the same photos validate: what counts is that steps are taken.
    client.datasets.create(
        {
            "name": "imagenet-sample",
            "source": {"path": str(photos)},
            "val": {"path": str(photos)},
            "shard_size": 250,
        }
    )
    while not (dataset := client.datasets.get("imagenet-sample")).state.is_terminal:
        time.sleep(0.3)
    assert dataset.manifest is not None, dataset.reason
    assert dataset.manifest["splits"]["train"]["num_samples"] == 800
    assert len(dataset.manifest["splits"]["train"]["shards"]) == 4

    run = client.runs.create(
        {
            "dataset": "imagenet-sample",
            "model": {"preset": "alexnet"},
            "recipe": {"preset": "paper", "max_steps": 5, "global_batch_size": 32},
            "resources": {"cpus_per_worker": 2},
        }
    )
    list(client.runs.events(run.id))
    done = client.runs.get(run.id)
    assert done.state is JobState.SUCCEEDED, done.reason
    assert done.progress.step == 5
    assert done.progress.loss is not None
    assert done.progress.loss < 10

    checkpoint = Path(stack.settings.runs) / run.id / "checkpoints" / "step-00000005"
    weights = load_file(checkpoint / "weights.safetensors")
    parameters = sum(values.size for name, values in weights.items() if name != "mean_image")
    # P §3.5 with 800 classes: the output layer has 4096·800 + 800 parameters where ImageNet's has 4,097,000.
    assert parameters == 60_965_224 - 4_097_000 + 4096 * 800 + 800
    assert json.loads((checkpoint / "checkpoint.json").read_text())["step"] == 5
