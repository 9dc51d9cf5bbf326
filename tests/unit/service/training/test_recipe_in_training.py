"""What a recipe's table says of colour noise reaches the photos that the network is trained on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from model.learning.initialize import starting_parameters
from model.network.alexnet import AlexNet
from model.network.dropout import Share
from model.network.placement import Placement
from pipeline.batches.loader import ShardLoader
from pipeline.batches.view_cutter import ViewCutter
from pipeline.batches.views import EvaluationViews
from pipeline.shards.statistics import Statistics
from service.domain.job_folder import JobFolder
from service.domain.resolved_run import ResolvedRun
from service.training.agreement import Agreement, Rank
from service.training.session import Session


def centre_views(dataset: Path, epoch: int) -> torch.Tensor:
    """The views of an epoch in the order of its steps, had chance no part in them."""
    loader = ShardLoader(dataset, "train", batch_size=4, seed=0)
    loader.set_epoch(epoch)
    views = EvaluationViews(ViewCutter(torch.from_numpy(Statistics.load(dataset).mean_image), 64))
    return torch.cat([views.centre_view(batch.images).clone() for batch in loader])


def test_noise_and_its_divisor_end_with_the_epoch_that_the_table_names(
    dataset: Path, tmp_path: Path, run_on: Callable[..., tuple[JobFolder, ResolvedRun]]
) -> None:
    stages = [
        {"after_epochs": 1, "learning_rate": 0.001},
        {"after_epochs": 2, "learning_rate": 0.001, "colour_noise": False},
    ]
    schedule = {"kind": "epochs", "stages": stages}
    folder, run = run_on(
        tmp_path, dataset, "original", epochs=3, schedule=schedule, random_crop=False, flip=False
    )
    network = AlexNet(run.model, Placement.one("cpu"))
    network.load_canonical_parameters(starting_parameters(run.model, run.recipe.initialization, seed=0))
    shown: list[torch.Tensor] = []
    network.register_forward_pre_hook(
        lambda module, inputs: shown.append(inputs[0].clone()) if module.training else None
    )

    share = Share.of(0, 1, run.recipe.global_batch_size)
    session = Session(folder, run, Agreement(folder, Rank(0, 1)), share, network, network)
    assert len(list(session.epochs())) == 3

    steps = len(shown) // 3
    views = [torch.cat(shown[epoch * steps : (epoch + 1) * steps]) for epoch in range(3)]
    for epoch in (0, 1):
        noise_N3CC = 1.1 * views[epoch] - centre_views(dataset, epoch)
        noise_N3 = noise_N3CC.mean(dim=(2, 3))
        # One colour for a whole photo, and for every photo another.
        torch.testing.assert_close(
            noise_N3CC, noise_N3[:, :, None, None].expand_as(noise_N3CC), atol=1e-3, rtol=0
        )
        assert len(noise_N3.round(decimals=2).unique(dim=0)) == len(noise_N3)
    assert torch.equal(views[2], centre_views(dataset, 2))
