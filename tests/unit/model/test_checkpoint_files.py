"""Checkpoints: what was saved comes back, and what is not a whole checkpoint of this network is refused."""

from __future__ import annotations

import hashlib
import json
import math
from functools import reduce
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from model.checkpoint import load_checkpoint
from model.config import ModelConfig
from model.errors import BadCheckpointError
from model.learning.epoch_loss import NO_STEPS, EpochLoss
from model.learning.recipe import RecipeConfig
from model.learning.trainer import Trainer
from model.network.alexnet import AlexNet
from model.network.placement import Placement
from model.snapshot import Snapshot

MEAN_IMAGE = torch.rand(72, 72, 3, generator=torch.Generator().manual_seed(4)) * 255
RECIPE = RecipeConfig.preset("paper", schedule={"kind": "plateau", "patience_epochs": 1})


@pytest.fixture
def trained(tiny_network: AlexNet, eight_views: tuple[Tensor, Tensor]) -> Trainer:
    """A trainer that has come as far as the second epoch."""
    trainer = Trainer(tiny_network, RECIPE, steps_per_epoch=2)
    list(trainer.train_epoch([eight_views] * 2))
    trainer.end_epoch(0.75)
    return trainer


@pytest.fixture
def folder(tmp_path: Path, tiny_network: AlexNet, trained: Trainer) -> Path:
    folder = tmp_path / "checkpoints" / "step-2"
    Snapshot.of(tiny_network, trained, MEAN_IMAGE, {"val_top1_error": 0.75}).write(folder)
    return folder


def test_training_continues_from_a_checkpoint_in_another_placement(
    folder: Path, tiny_network: AlexNet, trained: Trainer, eight_views: tuple[Tensor, Tensor]
) -> None:
    network = AlexNet(tiny_network.config, Placement.one("cpu"))
    trainer = Trainer(network, RECIPE, steps_per_epoch=2)
    checkpoint = load_checkpoint(folder)
    checkpoint.restore(network, trainer)
    assert torch.equal(checkpoint.mean_image, MEAN_IMAGE)
    assert checkpoint.record.metrics == {"val_top1_error": 0.75}
    for each in (trained, trainer):
        list(each.train_epoch([eight_views] * 2))
        each.end_epoch(0.75)
        list(each.train_epoch([eight_views]))
    expected, restored = tiny_network.canonical_parameters(), network.canonical_parameters()
    for name, value in expected.items():
        # Towers computed together add up in another order.
        torch.testing.assert_close(restored[name], value, rtol=1e-4, atol=1e-6)


def test_the_folder_holds_tensors_and_json_alone(folder: Path, tiny_network: AlexNet) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoint.json",
        "optimizer.safetensors",
        "weights.safetensors",
    ]
    assert list(folder.parent.iterdir()) == [folder]
    weights = load_file(folder / "weights.safetensors")
    assert torch.equal(weights.pop("mean_image"), MEAN_IMAGE)
    assert weights.keys() == tiny_network.canonical_parameters().keys()
    record = json.loads((folder / "checkpoint.json").read_text())
    assert (record["schema_version"], record["step"], record["epoch"]) == (1, 2, 1)


def test_saving_again_replaces_the_checkpoint(folder: Path, tiny_network: AlexNet, trained: Trainer) -> None:
    Snapshot.of(tiny_network, trained, MEAN_IMAGE * 0, {}).write(folder)
    assert bool((load_checkpoint(folder).mean_image == 0).all())
    assert list(folder.parent.iterdir()) == [folder]


def test_amending_changes_the_record_and_leaves_the_tensors(
    folder: Path, tiny_network: AlexNet, trained: Trainer
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    trained.end_epoch(0.5)
    amended = Snapshot.of(tiny_network, trained, MEAN_IMAGE, {"val_top1_error": 0.5}).amend(folder)
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {name for name in after if after[name] != before.get(name)} == {"checkpoint.json"}
    assert before.keys() == after.keys()
    found = load_checkpoint(folder).record
    assert found == amended
    assert (found.epoch, found.metrics) == (2, {"val_top1_error": 0.5})


def test_the_losses_of_a_record_add_up_to_the_same_bits(
    tmp_path: Path, tiny_network: AlexNet, trained: Trainer
) -> None:
    losses = torch.rand(50, generator=torch.Generator().manual_seed(0), dtype=torch.float64).tolist()
    whole = reduce(EpochLoss.after, losses, NO_STEPS)
    half = reduce(EpochLoss.after, losses[:25], NO_STEPS)
    Snapshot.of(tiny_network, trained, MEAN_IMAGE, {}, half).write(tmp_path / "half")
    found = load_checkpoint(tmp_path / "half").record.epoch_loss
    assert reduce(EpochLoss.after, losses[25:], found) == whole
    assert whole.mean == pytest.approx(math.fsum(losses) / 50)
    assert NO_STEPS.mean is None


def test_a_failed_save_leaves_the_old_checkpoint_and_nothing_else(
    folder: Path, tiny_network: AlexNet, trained: Trainer
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    # Found out when the tensors are written and their record is not.
    with pytest.raises(ValueError, match="val_top1_error"):
        Snapshot.of(tiny_network, trained, MEAN_IMAGE, {"val_top1_error": "low"}).write(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize("name", ["weights.safetensors", "optimizer.safetensors", "checkpoint.json"])
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_refused_by_name(folder: Path, name: str, kept: float) -> None:
    path = folder / name
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(BadCheckpointError) as refusal:
        load_checkpoint(folder)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize("name", ["weights.safetensors", "optimizer.safetensors", "checkpoint.json"])
def test_a_missing_file_is_refused_by_name(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BadCheckpointError, match=f"{name}.* is missing|{name}: the file is missing"):
        load_checkpoint(folder)


def test_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"\x80\x02}")
    with pytest.raises(BadCheckpointError, match=r"no checkpoint: checkpoint\.json is missing"):
        load_checkpoint(tmp_path)


def test_weights_of_another_network_are_refused_naming_the_tensor(folder: Path) -> None:
    path = folder / "weights.safetensors"
    tensors = load_file(path)
    tensors["fc8.weight"] = torch.zeros(9, 256)
    save_file(tensors, path)
    with pytest.raises(BadCheckpointError, match="checksum"):
        load_checkpoint(folder)
    record = json.loads((folder / "checkpoint.json").read_text())
    record["weights_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "checkpoint.json").write_text(json.dumps(record))
    with pytest.raises(BadCheckpointError, match=r"fc8\.weight is \(9, 256\).*num_classes=4.*\(4, 256\)"):
        load_checkpoint(folder)


def test_a_checkpoint_is_not_restored_into_another_network(folder: Path) -> None:
    network = AlexNet(ModelConfig.preset("alexnet-tiny", num_classes=9), Placement.one("cpu"))
    before = network.canonical_parameters()
    with pytest.raises(BadCheckpointError, match=r"num_classes=4.*num_classes=9"):
        load_checkpoint(folder).restore(network, Trainer(network, RECIPE, steps_per_epoch=2))
    after = network.canonical_parameters()
    assert all(torch.equal(before[name], after[name]) for name in before)
