"""Chance in training: seeds that follow from (seed, step), and a generator for each GPU that is its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from model.config import ModelConfig
from model.learning import trainer as loop
from model.learning.chance import seed_step, step_seeds
from model.learning.recipe import RecipeConfig
from model.learning.trainer import Trainer
from model.network.alexnet import AlexNet
from model.network.placement import Placement

CPU = torch.device("cpu")
GPUS = [torch.device("cuda", number) for number in range(4)]
SHAPE = (64, 2048)


@pytest.fixture
def generators(monkeypatch: pytest.MonkeyPatch) -> tuple[torch.Generator, ...]:
    """What stands for the generators of a machine's GPUs."""
    # As many as a machine may have that runs this: torch seeds all of them.
    made = tuple(torch.Generator() for _ in range(max(len(GPUS), torch.cuda.device_count())))
    monkeypatch.setattr(torch.cuda, "default_generators", made)
    return made


def numbers(seed: int) -> Tensor:
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("seed", "step"), [(0, 0), (7, 3), (2**63 + 5, 10**6)])
def test_the_first_seed_of_a_step_is_the_same_for_any_number_of_devices(seed: int, step: int) -> None:
    expected = int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0])
    assert [step_seeds(seed, step, count)[0] for count in (1, 2, 3)] == [expected] * 3


def test_seeds_differ_between_towers_steps_and_runs() -> None:
    seeds = [each for seed in range(8) for step in range(50) for each in step_seeds(seed, step, 2)]
    assert len(set(seeds)) == len(seeds)


def test_two_gpus_are_seeded_apart_and_the_first_as_everything_else(
    generators: tuple[torch.Generator, ...],
) -> None:
    seed_step([GPUS[2], GPUS[3]], 7, 1)
    first, second = step_seeds(7, 1, 2)
    assert torch.initial_seed() == first
    assert generators[3].initial_seed() == second
    assert second not in {generator.initial_seed() for generator in generators[:3]}
    dropped, other = numbers(first) < 0.5, numbers(second) < 0.5
    assert float((dropped == other).float().mean()) == pytest.approx(0.5, abs=0.01)


def test_ranks_seed_their_gpus_alike_whatever_their_numbers(generators: tuple[torch.Generator, ...]) -> None:
    for pair in ([GPUS[0], GPUS[1]], [GPUS[2], GPUS[3]]):
        seed_step(pair, 7, 1)
    assert generators[1].initial_seed() == generators[3].initial_seed() == step_seeds(7, 1, 2)[1]


@pytest.mark.parametrize("devices", [[CPU], [CPU, CPU], [GPUS[0]]], ids=str)
def test_one_device_draws_as_it_always_did(
    devices: list[torch.device], generators: tuple[torch.Generator, ...]
) -> None:
    torch.manual_seed(step_seeds(7, 1, 1)[0])
    expected = torch.rand(5)
    seed_step(devices, 7, 1)
    assert torch.equal(torch.rand(5), expected)
    assert generators[1].initial_seed() != step_seeds(7, 1, 2)[1]


def test_a_step_seeds_every_device_of_the_network(
    tiny_config: ModelConfig, eight_views: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    class SeededError(Exception):
        pass

    def seeding(*asked: object) -> None:
        raise SeededError(*asked)

    monkeypatch.setattr(loop, "seed_step", seeding)
    network = AlexNet(tiny_config, Placement.two("cpu", "meta"))
    trainer = Trainer(network, RecipeConfig.preset("paper"), steps_per_epoch=1, seed=9)
    with pytest.raises(SeededError) as found:
        next(trainer.train_epoch([eight_views]))
    assert found.value.args == ([CPU, torch.device("meta")], 9, 0)


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="no two CUDA devices")
def test_towers_on_two_gpus_do_not_drop_units_in_pairs() -> None:
    seed_step(GPUS[:2], 7, 1)
    kept = [F.dropout(torch.ones(SHAPE, device=device), 0.5).cpu() > 0 for device in GPUS[:2]]
    assert float((kept[0] == kept[1]).float().mean()) == pytest.approx(0.5, abs=0.01)
