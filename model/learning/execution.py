"""How a network's passes are carried out: operation by operation, compiled, or replayed as a CUDA graph."""

from __future__ import annotations

import torch
from torch import Tensor

from model.learning.precision import casting_to, products_in
from model.learning.recipe import RecipeConfig
from model.network.alexnet import AlexNet
from model.network.dropout import Share, share_batch


def prepare_execution(network: AlexNet, recipe: RecipeConfig, share: Share) -> None:
    """Makes the network's passes go as the recipe's `execution` says; before it is wrapped for several ranks.

    `share` is what this rank holds of each global batch. "eager": passes go as they are. "compile": by
    torch.compile. "cuda-graph": training passes over the share are recorded once and replayed, which spares
    the launch of every kernel; batches of another size and passes in evaluation go on as they are.
    Raises ValueError for a CUDA graph on a CPU or over two devices, and for precision "tf32" on a CPU.
    """
    share_batch(network, share)
    devices = set(network.placement.devices)
    device = network.input_device
    if recipe.precision == "tf32" and device.type != "cuda":
        raise ValueError(f"precision='tf32' needs CUDA devices, and tower 0 stands on {device}")
    if recipe.execution == "compile":
        network.compile()
    elif recipe.execution == "cuda-graph":
        if len(devices) > 1 or device.type != "cuda":
            places = ", ".join(map(str, network.placement.devices))
            raise ValueError(f"execution='cuda-graph' needs all towers on one CUDA device, not on {places}")
        _record(network, recipe, share.images)


def _record(network: AlexNet, recipe: RecipeConfig, images_per_step: int) -> None:
    side = network.config.input_size
    shape = (images_per_step, 3, side, side)
    images_N3SS = torch.zeros(shape, device=network.input_device).to(memory_format=torch.channels_last)
    gathered = {name: buffer.clone() for name, buffer in network.named_buffers()}
    eager = network.forward
    with products_in(recipe.precision), casting_to(recipe.precision, network.input_device):
        torch.cuda.make_graphed_callables(network.train(), (images_N3SS,))
    # Recording runs the passes a few times, and batch normalisation would remember that.
    for name, buffer in network.named_buffers():
        buffer.copy_(gathered[name])
    replayed = network.forward

    def forward(images: Tensor) -> Tensor:
        recorded = network.training and images.shape == shape
        logits: Tensor = replayed(images) if recorded else eager(images)
        return logits

    network.forward = forward  # type: ignore[assignment, method-assign]
