"""Towers that share a GPU: whether to compute them together or apart, found by trying both."""

from __future__ import annotations

import statistics
import time

import torch

from model.config import ModelConfig
from model.network.alexnet import AlexNet
from model.network.placement import Placement

_ROUNDS = 5
# Nearer than this, noise would decide, and the same run repeated would round its losses in another way.
_CLEARLY_FASTER = 0.9


def fastest_placement(config: ModelConfig, placement: Placement, images_per_step: int) -> Placement:
    """The placement itself, unless its devices are one and the same GPU.

    Then a training step's forward and backward pass over so many images is timed with the towers together
    and apart, in turns. Together is the answer unless apart takes clearly less: under 9/10 of the
    time. Leaves torch's generators as they were.
    """
    device = placement.devices[0]
    # On CPUs both take as long, and a trial would let noise decide how a run rounds its losses.
    if config.towers == 1 or len(set(placement.devices)) > 1 or device.type == "cpu":
        return placement
    together, apart = Placement.one(device), Placement.two(device, device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        networks = [AlexNet(config, each).train() for each in (together, apart)]
        images_N3SS = torch.randn(images_per_step, 3, config.input_size, config.input_size, device=device)
        turns = [[_seconds_for_a_step(network, images_N3SS) for network in networks] for _ in range(_ROUNDS)]
    # The first turn compiles and allocates.
    seconds_together, seconds_apart = map(statistics.median, zip(*turns[1:], strict=True))
    return apart if seconds_apart < _CLEARLY_FASTER * seconds_together else together


def _seconds_for_a_step(network: AlexNet, images_N3SS: torch.Tensor) -> float:
    _wait_for(images_N3SS.device)
    began = time.perf_counter()
    torch.autograd.backward(network(images_N3SS).square().mean())
    _wait_for(images_N3SS.device)
    network.zero_grad()
    return time.perf_counter() - began


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
