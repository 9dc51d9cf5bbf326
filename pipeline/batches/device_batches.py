"""The step from loader to model: photos to the device, and there to views. N photos of side S."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from pipeline.batches.loader import Batch


class _Ready(NamedTuple):
    """Views and labels that are on the device once `made` has come to pass there."""

    views: torch.Tensor
    labels: torch.Tensor
    made: torch.cuda.Event


def device_batches(
    batches: Iterable[Batch],
    views_of: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    device: torch.device,
) -> Generator[tuple[torch.Tensor, torch.Tensor]]:
    """Yields views and labels int64 [N], on the device, for each of a loader's batches.

    `views_of` makes views of photos uint8 [N, S, S, 3], on the device, and their sample ids int64 [N]. On
    CUDA one batch is read, copied and augmented, by a thread and on a stream of its own, while the consumer
    works on the batch before it. A consumer that gets further ahead of the device than one batch is made to
    wait.

    Closing this closes the iteration over `batches`; on CUDA it waits for the batch that is being prepared,
    and drops what goes wrong with it.
    """
    source = iter(batches)
    try:
        if device.type == "cuda":
            yield from _overlapped(source, views_of, device)
        else:
            for batch in source:
                images_NSS3 = batch.images.to(device)
                yield views_of(images_NSS3, batch.sample_ids), batch.labels.to(device)
    finally:
        if isinstance(source, Generator):
            source.close()


def _overlapped(
    batches: Iterator[Batch],
    views_of: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    device: torch.device,
) -> Generator[tuple[torch.Tensor, torch.Tensor]]:
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def prepare() -> _Ready | None:
        batch = next(batches, None)
        if batch is None:
            return None
        with torch.cuda.stream(stream):
            images_NSS3 = batch.images.to(device, non_blocking=True)
            views = views_of(images_NSS3, batch.sample_ids)
            labels_N = batch.labels.to(device, non_blocking=True)
            return _Ready(views, labels_N, stream.record_event())

    used: torch.cuda.Event | None = None
    # What is to be done for a batch on the host would otherwise leave the device without work.
    with ThreadPoolExecutor(1, "device-batches") as executor:
        ready = prepare()
        while ready is not None:
            following = executor.submit(prepare)
            yield _handed_over(ready, device)
            # A consumer that waits for nothing would otherwise have batch after batch put into memory.
            if used is not None:
                used.synchronize()
            used = torch.cuda.current_stream(device).record_event()
            ready = following.result()


def _handed_over(ready: _Ready, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    consumer = torch.cuda.current_stream(device)
    consumer.wait_event(ready.made)
    for tensor in (ready.views, ready.labels):
        # Once let go of, their memory goes back to the other stream, which must not overtake the consumer.
        tensor.record_stream(consumer)
    return ready.views, ready.labels
