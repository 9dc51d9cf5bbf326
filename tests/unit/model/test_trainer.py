"""The training loop: it learns, it can be left and continued exactly, and it stops where it has to."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
import torch.distributed
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from model.config import ModelConfig
from model.errors import DivergedError
from model.learning.initialize import starting_parameters
from model.learning.recipe import RecipeConfig
from model.learning.trainer import Trainer
from model.network.alexnet import AlexNet
from model.network.dropout import Share
from model.network.placement import Placement

Views = tuple[Tensor, Tensor]
SECOND_HALF = Share.of(1, 2, 16)


def network_of(config: ModelConfig) -> AlexNet:
    network = AlexNet(config, Placement.two("cpu", "cpu"))
    network.load_canonical_parameters(starting_parameters(config, "fan-in", seed=5))
    return network


def same_parameters(one: AlexNet, other: AlexNet) -> bool:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return all(torch.equal(left, right) for left, right in pairs)


def test_a_handful_of_images_is_learnt_by_heart(eight_views: Views) -> None:
    config = ModelConfig.preset("alexnet-tiny", num_classes=4)
    network = network_of(config)
    trainer = Trainer(network, RecipeConfig.preset("quick", epochs=1), steps_per_epoch=60)
    before = trainer.evaluate([eight_views])
    reports = list(trainer.train_epoch([eight_views] * 60))
    after = trainer.evaluate([eight_views])
    assert before.loss == pytest.approx(torch.tensor(4.0).log().item(), abs=0.1)
    assert after.top1_errors == 0
    assert after.loss < 0.1
    assert [report.step for report in reports] == list(range(1, 61))
    assert {(report.epoch, report.samples) for report in reports} == {(0, 8)}


def test_reports_tell_the_loss_before_and_the_rate_of_the_update(
    tiny_config: ModelConfig, eight_views: Views
) -> None:
    config = tiny_config.model_copy(update={"dropout": 0.0})
    network = network_of(config)
    recipe = RecipeConfig.preset("paper")
    trainer = Trainer(network, recipe, steps_per_epoch=10)
    images, labels = eight_views
    expected_loss = torch.nn.functional.cross_entropy(network(images), labels).item()
    (report,) = trainer.train_epoch([eight_views])
    assert report.loss == pytest.approx(expected_loss)
    assert report.learning_rate == 0.01


def test_a_continued_training_is_the_uninterrupted_one_bit_for_bit(
    tiny_config: ModelConfig, eight_views: Views
) -> None:
    recipe = RecipeConfig.preset("paper", schedule={"kind": "plateau", "patience_epochs": 1})
    images, labels = eight_views
    batches = [(images * scale, labels) for scale in (1.0, 0.9, 1.1)]

    whole = network_of(tiny_config)
    trainer = Trainer(whole, recipe, steps_per_epoch=3, seed=2, share=SECOND_HALF)
    for error in (0.5, 0.5):
        list(trainer.train_epoch(batches))
        trainer.end_epoch(error)
    list(trainer.train_epoch(batches))

    first_part = network_of(tiny_config)
    first_trainer = Trainer(first_part, recipe, steps_per_epoch=3, seed=2, share=SECOND_HALF)
    list(first_trainer.train_epoch(batches))
    first_trainer.end_epoch(0.5)
    # Left in the middle of the second epoch.
    for report in first_trainer.train_epoch(batches):
        if report.step == 5:
            break

    torch.manual_seed(999)
    second_part = AlexNet(tiny_config, Placement.two("cpu", "cpu"))
    second_part.load_canonical_parameters(first_part.canonical_parameters())
    second_trainer = Trainer(second_part, recipe, steps_per_epoch=3, seed=2, share=SECOND_HALF)
    second_trainer.load_state_dict(first_trainer.state_dict())
    assert (second_trainer.step, second_trainer.epoch) == (5, 1)
    list(second_trainer.train_epoch(batches[2:]))
    second_trainer.end_epoch(0.5)
    reports = list(second_trainer.train_epoch(batches))

    assert reports[-1].step == trainer.step == 9
    assert reports[-1].learning_rate == 0.001
    assert same_parameters(second_part, whole)


@pytest.mark.parametrize("name", ["original", "large-batch"])
def test_every_recipe_is_continued_in_another_placement_as_it_would_have_gone_on(
    eight_views: Views, name: str
) -> None:
    stages = [
        {"after_epochs": 1, "learning_rate": 0.001, "layer_learning_rates": {"conv1": 0.0002}},
        {"after_epochs": 2, "learning_rate": 0.001, "layer_learning_rates": {"conv1": 0.0}},
    ]
    schedules = {"original": {"kind": "epochs", "stages": stages}, "large-batch": {"kind": "poly"}}
    recipe = RecipeConfig.preset(name, epochs=3, schedule=schedules[name])
    config = ModelConfig.preset("alexnet-tiny", num_classes=4, **RecipeConfig.network_switches(name))

    whole = network_of(config).double()
    trainer = Trainer(whole, recipe, steps_per_epoch=2)
    images, labels = eight_views
    batches = [(images.double() * scale, labels) for scale in (1.0, 0.9)]
    rates = []
    for _ in range(3):
        rates += [report.learning_rate for report in trainer.train_epoch(batches)]
        trainer.end_epoch(0.5)
    if name == "original":
        assert rates == [0.01, 0.01, 0.001, 0.001, 0.001, 0.001]

    first_part = network_of(config).double()
    first_trainer = Trainer(first_part, recipe, steps_per_epoch=2)
    list(first_trainer.train_epoch(batches))
    first_trainer.end_epoch(0.5)
    list(first_trainer.train_epoch(batches[:1]))
    second_part = AlexNet(config, Placement.one("cpu")).double()
    second_part.load_canonical_parameters(first_part.canonical_parameters())
    second_trainer = Trainer(second_part, recipe, steps_per_epoch=2)
    state = first_trainer.state_dict()
    velocity = first_part.division.to_canonical(state["velocity"])
    state["velocity"] = second_part.division.from_canonical(velocity)
    second_trainer.load_state_dict(state)
    list(second_trainer.train_epoch(batches[1:]))
    second_trainer.end_epoch(0.5)
    before = second_part.canonical_parameters()
    list(second_trainer.train_epoch(batches))
    after = second_part.canonical_parameters()

    expected = whole.canonical_parameters()
    for key, value in after.items():
        torch.testing.assert_close(value, expected[key], rtol=1e-9, atol=1e-12)
        frozen = name == "original" and key.startswith("conv1.")
        assert torch.equal(value, before[key]) == frozen, key


def test_batches_left_without_photos_change_no_evaluation(tiny_network: AlexNet, eight_views: Views) -> None:
    trainer = Trainer(tiny_network, RecipeConfig.preset("paper"), steps_per_epoch=1)
    images, labels = eight_views
    nothing = images[:0], labels[:0]
    assert trainer.evaluate([nothing, eight_views, nothing]) == trainer.evaluate([eight_views])
    assert trainer.evaluate([nothing]).samples == 0


@pytest.mark.parametrize("name", ["original", "large-batch"])
def test_every_recipe_lowers_the_loss(eight_views: Views, name: str) -> None:
    config = ModelConfig.preset("alexnet-tiny", num_classes=4, **RecipeConfig.network_switches(name))
    recipe = RecipeConfig.preset(name, learning_rate={"original": 0.002, "large-batch": 10.0}[name])
    network = network_of(config)
    losses = [
        report.loss for report in Trainer(network, recipe, steps_per_epoch=1).train_epoch([eight_views] * 60)
    ]
    assert losses[-1] < 0.5 * losses[0]


def test_rates_for_a_layer_that_the_network_lacks_are_refused(tiny_network: AlexNet) -> None:
    stage = {"after_epochs": 1, "learning_rate": 0.1, "layer_learning_rates": {"fc9": 0.0}}
    recipe = RecipeConfig.preset("paper", schedule={"kind": "epochs", "stages": [stage]})
    with pytest.raises(ValueError, match="learning rates for fc9"):
        Trainer(tiny_network, recipe, steps_per_epoch=1)


def test_ranks_draw_different_dropout(tiny_config: ModelConfig, eight_views: Views) -> None:
    networks = []
    for rank in (0, 1):
        network = network_of(tiny_config)
        trainer = Trainer(
            network, RecipeConfig.preset("paper"), steps_per_epoch=1, share=Share.of(rank, 2, 16)
        )
        list(trainer.train_epoch([eight_views]))
        networks.append(network)
    assert not same_parameters(*networks)


@pytest.mark.parametrize(("max_steps", "expected"), [(4, 4), (None, 6)])
def test_training_stops_at_its_last_step(
    tiny_network: AlexNet, eight_views: Views, max_steps: int | None, expected: int
) -> None:
    recipe = RecipeConfig.preset("quick", epochs=2, max_steps=max_steps)
    trainer = Trainer(tiny_network, recipe, steps_per_epoch=3)
    for _ in range(3):
        list(trainer.train_epoch([eight_views] * 3))
        trainer.end_epoch(None)
    assert trainer.step == trainer.total_steps == expected
    assert trainer.finished


def test_the_last_step_draws_no_further_batch(tiny_network: AlexNet, eight_views: Views) -> None:
    trainer = Trainer(tiny_network, RecipeConfig.preset("quick", max_steps=2), steps_per_epoch=100)
    batches = iter([eight_views] * 5)
    list(trainer.train_epoch(batches))
    assert len(list(batches)) == 3


def test_a_loss_that_is_no_number_ends_training_and_harms_nothing(
    tiny_config: ModelConfig, tiny_network: AlexNet, eight_views: Views
) -> None:
    trainer = Trainer(tiny_network, RecipeConfig.preset("paper"), steps_per_epoch=10)
    images, labels = eight_views
    with pytest.raises(DivergedError, match=r"step 1 with learning rate 0\.01") as failure:
        list(trainer.train_epoch([(images * float("nan"), labels)]))
    assert trainer.step == 0
    assert same_parameters(tiny_network, network_of(tiny_config))
    assert str(pickle.loads(pickle.dumps(failure.value))) == str(failure.value)


def test_a_divergence_names_the_last_good_checkpoint_where_there_is_one() -> None:
    alone = DivergedError(301, 0.01, float("nan"))
    assert str(alone) == "the loss is nan at step 301 with learning rate 0.01: lower learning_rate"
    after = pickle.loads(pickle.dumps(DivergedError(301, 0.01, float("nan"), "step-00000300")))
    assert "at step 301" in str(after)
    assert "the last good checkpoint is step-00000300" in str(after)


def test_evaluation_leaves_chance_out_and_does_not_depend_on_batches(
    tiny_network: AlexNet, eight_views: Views
) -> None:
    trainer = Trainer(tiny_network, RecipeConfig.preset("paper"), steps_per_epoch=1)
    images, labels = eight_views
    whole = trainer.evaluate([eight_views])
    parts = trainer.evaluate([(images[:3], labels[:3]), (images[3:], labels[3:])])
    assert (parts.samples, parts.top1_errors) == (whole.samples, whole.top1_errors)
    assert parts.loss == pytest.approx(whole.loss, rel=1e-5)


def test_a_network_in_data_parallel_learns_as_it_does_bare(
    tmp_path: Path, tiny_config: ModelConfig, eight_views: Views
) -> None:
    recipe = RecipeConfig.preset("paper")
    bare, wrapped = network_of(tiny_config), network_of(tiny_config)
    bare_trainer = Trainer(bare, recipe, steps_per_epoch=3)
    list(bare_trainer.train_epoch([eight_views] * 3))
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        trainer = Trainer(DistributedDataParallel(wrapped), recipe, steps_per_epoch=3)
        list(trainer.train_epoch([eight_views] * 3))
    finally:
        torch.distributed.destroy_process_group()
    assert same_parameters(wrapped, bare)
    assert trainer.state_dict()["velocity"].keys() == bare_trainer.state_dict()["velocity"].keys()
