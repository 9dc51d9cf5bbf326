"""A dataset's pictures, drawn by a Ray task once its shards and its manifest are written."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pipeline.errors import PreparationFailedError
from pipeline.png import write_png
from pipeline.shards.cluster import Cluster
from pipeline.shards.pictures import CONTACT_SHEET_FILE, MEAN_IMAGE_FILE

_ATTEMPTS: Final = 3


def draw_pictures(folder: Path, cluster: Cluster) -> None:
    """Leaves the pictures in the folder, each whole or not at all; the same dataset has the same bytes.

    Raises what drawing raised, and `PreparationFailedError` when the processes that draw keep dying.
    """
    ray = cluster.ray
    # Retried here: Ray would draw again for ever where memory is what a worker dies of.
    draw = ray.remote(max_retries=0, num_cpus=1)(_draw)
    for _ in range(_ATTEMPTS):
        try:
            ray.get(draw.remote(folder))
        except ray.exceptions.RayTaskError as error:
            # What the worker raised, without Ray's wrapping.
            raise error.cause from None
        except (
            ray.exceptions.WorkerCrashedError,
            ray.exceptions.OutOfMemoryError,
            ray.exceptions.NodeDiedError,
        ):
            continue
        return
    raise PreparationFailedError(
        f"{_ATTEMPTS} processes in a row died while they drew the pictures of {folder}; what is finished is"
        " kept, and the same command goes on with it"
    )


def _draw(folder: Path) -> None:
    # The driver has no use for torch and FFCV; the worker that has written shards has them at hand.
    from pipeline.batches.contact_sheet import contact_sheet, mean_image

    write_png(folder / CONTACT_SHEET_FILE, contact_sheet(folder))
    write_png(folder / MEAN_IMAGE_FILE, mean_image(folder))
