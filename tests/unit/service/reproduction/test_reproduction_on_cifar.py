"""CIFAR-10 as it lies beside the checkout becomes a dataset that the claims' networks learn from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pipeline.shards.manifest import Manifest
from service.reproduction.claims import CLAIMS
from service.reproduction.experiment import Experiment
from service.reproduction.photos import PhotoSelection, prepare_photos

ARCHIVE = Path(__file__).parents[5] / "shared" / "data" / "cifar10.tar.xz"


@pytest.mark.shared_data
@pytest.mark.skipif(not ARCHIVE.is_file(), reason="no CIFAR-10 beside the checkout")
def test_the_first_photos_of_the_archive_teach_a_network_more_than_chance(
    ray_here: None, tmp_path: Path
) -> None:
    selection = PhotoSelection(ARCHIVE, image_size=32, train_per_class=150, test_per_class=30)
    list(prepare_photos(selection, tmp_path, workers=2))
    manifest = Manifest.load(tmp_path / selection.dataset_name)
    assert [each.id for each in manifest.classes] == [
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ]
    assert {split: part.num_samples for split, part in manifest.splits.items()} == {"train": 1500, "val": 300}

    torch.set_num_threads(1)
    relu = CLAIMS["relu"].forms["quick"].arms[0]
    points = list(
        Experiment(
            tmp_path / selection.dataset_name,
            relu.model_config_for(num_classes=10),
            relu.recipe_config(relu.learning_rates[0], epochs=4),
            seed=0,
            train_photos_measured=1500,
            num_threads=1,
        ).points()
    )
    assert [(point.epoch, point.step) for point in points] == [(n, 23 * n) for n in range(5)]
    # Who guesses is wrong 9 times in 10, of 300 photos with a standard deviation of 0.017.
    assert points[-1].test_error < 0.8 < points[0].test_error
    assert points[-1].train_error < points[0].train_error
