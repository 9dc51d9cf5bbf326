"""The precision and the execution of a step: what they change, and what they must not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from model.config import ModelConfig
from model.learning.execution import prepare_execution
from model.learning.initialize import starting_parameters
from model.learning.precision import products_in
from model.learning.recipe import RecipeConfig
from model.learning.trainer import StepReport, Trainer
from model.network.alexnet import AlexNet
from model.network.dropout import Share
from model.network.placement import Placement

Views = tuple[Tensor, Tensor]


def trained(config: ModelConfig, recipe: RecipeConfig, views: Views) -> tuple[AlexNet, list[StepReport]]:
    network = AlexNet(config, Placement.one("cpu"))
    network.load_canonical_parameters(starting_parameters(config, "fan-in", seed=5))
    prepare_execution(network, recipe, Share.of(0, 1, len(views[1])))
    trainer = Trainer(network, recipe, steps_per_epoch=5)
    return network, list(trainer.train_epoch([views] * 5))


def test_bf16_rounds_the_passes_and_nothing_that_lasts(tiny_config: ModelConfig, eight_views: Views) -> None:
    exact, exact_reports = trained(tiny_config, RecipeConfig.preset("paper"), eight_views)
    rounded, reports = trained(tiny_config, RecipeConfig.preset("paper", precision="bf16"), eight_views)
    losses, exact_losses = ([report.loss for report in each] for each in (reports, exact_reports))
    assert losses != exact_losses
    assert losses == pytest.approx(exact_losses, rel=0.02)
    for name, parameter in rounded.named_parameters():
        assert parameter.dtype == torch.float32
        assert parameter.grad is not None
        assert parameter.grad.dtype == torch.float32, name
    assert not all(
        torch.equal(one, other) for one, other in zip(rounded.parameters(), exact.parameters(), strict=True)
    )


def test_evaluation_is_in_the_recipes_precision(tiny_config: ModelConfig, eight_views: Views) -> None:
    losses = {}
    for precision in ("fp32", "bf16"):
        network = AlexNet(tiny_config, Placement.one("cpu"))
        network.load_canonical_parameters(starting_parameters(tiny_config, "fan-in", seed=5))
        trainer = Trainer(network, RecipeConfig.preset("paper", precision=precision), steps_per_epoch=5)
        losses[precision] = trainer.evaluate([eight_views]).loss
    assert losses["bf16"] != losses["fp32"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.02)


@pytest.mark.parametrize(("precision", "expected"), [("fp32", "ieee"), ("bf16", "ieee"), ("tf32", "tf32")])
def test_cuda_multiplies_as_the_precision_says_and_afterwards_as_before(
    precision: str, expected: str
) -> None:
    matmul, convolution = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    before = matmul.fp32_precision, convolution.fp32_precision
    with products_in(precision):
        assert (matmul.fp32_precision, convolution.fp32_precision) == (expected, expected)
    assert (matmul.fp32_precision, convolution.fp32_precision) == before


# torch's compiler does what torch warns of.
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_network_learns_as_it_does_by_itself(tiny_config: ModelConfig, eight_views: Views) -> None:
    # Compiled code draws its dropout otherwise.
    config = tiny_config.model_copy(update={"dropout": 0.0})
    _, eager = trained(config, RecipeConfig.preset("paper"), eight_views)
    network, compiled = trained(config, RecipeConfig.preset("paper", execution="compile"), eight_views)
    losses = [report.loss for report in eager]
    assert [report.loss for report in compiled] == pytest.approx(losses, rel=1e-4)
    assert network.exchanged_floats_per_image["fc8"] == (128, 0)
    assert all("_orig_mod" not in name for name, _ in network.named_parameters())


@pytest.mark.parametrize(
    ("overrides", "placement", "words"),
    [
        ({"precision": "tf32"}, Placement.one("cpu"), ["precision='tf32'", "cpu"]),
        ({"execution": "cuda-graph"}, Placement.one("cpu"), ["execution='cuda-graph'", "cpu"]),
        (
            {"execution": "cuda-graph"},
            Placement.two("meta", "cpu"),
            ["execution='cuda-graph'", "one CUDA device", "meta, cpu"],
        ),
    ],
)
def test_what_needs_other_devices_is_refused_naming_them(
    overrides: dict[str, str], placement: Placement, words: list[str], tiny_config: ModelConfig
) -> None:
    network = AlexNet(tiny_config, placement)
    with pytest.raises(ValueError, match=r".") as refusal:
        prepare_execution(network, RecipeConfig.preset("paper", **overrides), Share.of(0, 1, 8))
    for word in words:
        assert word in str(refusal.value)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("norm", ["lrn", "batch"])
def test_a_recorded_step_is_the_step_it_was_recorded_from(
    norm: str, tiny_config: ModelConfig, eight_views: Views
) -> None:
    config = tiny_config.model_copy(update={"dropout": 0.0, "norm": norm})
    views = eight_views[0].cuda(), eight_views[1].cuda()
    ends = []
    for execution in ("eager", "cuda-graph"):
        recipe = RecipeConfig.preset("paper", execution=execution)
        network = AlexNet(config, Placement.one("cuda:0"))
        network.load_canonical_parameters(starting_parameters(config, "fan-in", seed=5))
        prepare_execution(network, recipe, Share.of(0, 1, 8))
        list(Trainer(network, recipe, steps_per_epoch=5).train_epoch([views] * 5))
        ends.append(network.canonical_parameters())
    for name, value in ends[0].items():
        torch.testing.assert_close(ends[1][name], value, rtol=1e-4, atol=1e-6)
