"""Who takes training steps in gpu_step: Tandem's AlexNet, the naive one and torchvision's, each several ways.

A step is forward, loss, backward and update, and ends with a look at the loss, as the trainer's does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import repeat
from typing import NamedTuple

import torch
import torch.nn.functional as F
from naive_alexnet import LEARNING_RATE, MOMENTUM, WEIGHT_DECAY, naive_alexnet
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision_alexnet import torchvision_alexnet

from model.config import ModelConfig
from model.learning.execution import prepare_execution
from model.learning.precision import products_in
from model.learning.recipe import Execution, Precision, RecipeConfig
from model.learning.trainer import Trainer
from model.network.alexnet import AlexNet
from model.network.architecture import layers_of
from model.network.dropout import Share
from model.network.placement import Placement

CONFIG = ModelConfig.preset("alexnet", num_classes=1000)
PASSES = 3  # forward, and backward twice as much

TOGETHER, APART = "tandem, towers together", "tandem, towers apart"
NAIVE, TORCHVISION = "naive", "torchvision's"
EAGER_NAIVE = (f"{NAIVE}, NCHW", f"{NAIVE}, channels last")
ON_TWO_DEVICES = "tandem, a device for each tower"

Step = Callable[[], object]


class Photos(NamedTuple):
    """A batch on a device: images [N, 3, 224, 224] in both memory formats, labels [N]."""

    planar: Tensor
    channels_last: Tensor
    labels: Tensor


class Contender(NamedTuple):
    """`build` makes the network, and gives its step over these photos."""

    build: Callable[[Photos, Precision], Step]
    flop_per_image: int


def made_up_photos(count: int, device: str) -> Photos:
    planar = torch.randn(count, 3, CONFIG.input_size, CONFIG.input_size, device=device) * 60
    labels = torch.randint(CONFIG.num_classes, (count,), device=device)
    return Photos(planar, planar.contiguous(memory_format=torch.channels_last), labels)


def contenders(devices: list[str]) -> dict[str, Contender]:
    """All of them; the first device does all the work, but where each tower has a device."""
    one, two = Placement.one(devices[0]), Placement.two(devices[0], devices[0])
    ways: dict[str, tuple[Placement, Execution]] = {
        TOGETHER: (one, "eager"),
        APART: (two, "eager"),
        f"{TOGETHER}, compiled": (one, "compile"),
        f"{TOGETHER}, CUDA graph": (one, "cuda-graph"),
        f"{APART}, CUDA graph": (two, "cuda-graph"),
    }
    if len(devices) > 1:
        ways[ON_TWO_DEVICES] = (Placement.two(*devices[:2]), "eager")
    flop = PASSES * 2 * sum(layer.multiply_adds for layer in layers_of(CONFIG))
    found = {name: Contender(partial(our_step, *way), flop) for name, way in ways.items()}
    for name, make in ((NAIVE, naive_alexnet), (TORCHVISION, torchvision_alexnet)):
        flop = PASSES * forward_flop(make)
        found[f"{name}, NCHW"] = Contender(partial(peers_step, make, False, False), flop)
        found[f"{name}, channels last"] = Contender(partial(peers_step, make, True, False), flop)
    # Channels last is what compiled convolutions are best given.
    compiled = partial(peers_step, naive_alexnet, True, True)
    found[f"{NAIVE}, channels last, compiled"] = Contender(compiled, PASSES * forward_flop(naive_alexnet))
    return found


def our_step(placement: Placement, execution: Execution, photos: Photos, precision: Precision) -> Step:
    """The product's own loop."""
    count = len(photos.labels)
    recipe = RecipeConfig.preset(
        "paper",
        learning_rate=LEARNING_RATE,
        global_batch_size=count,
        precision=precision,
        execution=execution,
    )
    network = AlexNet(CONFIG, placement)
    prepare_execution(network, recipe, Share.of(0, 1, count))
    trainer = Trainer(network, recipe, steps_per_epoch=10**6)
    return trainer.train_epoch(repeat((photos.channels_last, photos.labels))).__next__


def peers_step(
    make: Callable[[], nn.Module], channels_last: bool, compiled: bool, photos: Photos, precision: Precision
) -> Step:
    """What torch's tutorials have for these networks, in either memory format."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    images = photos.channels_last if channels_last else photos.planar
    network = make().to(images.device).to(memory_format=layout).train()
    optimizer = torch.optim.SGD(
        network.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
    )
    if compiled:
        network.compile(dynamic=False)

    def step() -> float:
        optimizer.zero_grad()
        with products_in(precision):
            with torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bf16"):
                loss = F.cross_entropy(network(images), photos.labels)
            torch.autograd.backward(loss)
        optimizer.step()
        return loss.item()

    return step


def forward_flop(make: Callable[[], nn.Module]) -> int:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        make()(torch.empty(1, 3, CONFIG.input_size, CONFIG.input_size))
    return counter.get_total_flops()
