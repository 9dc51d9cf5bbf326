"""What the first layer looks for (P figure 3), and how it comes to: pictures of it in a run's folder."""

from __future__ import annotations

import shutil
from contextlib import suppress

from PIL import Image
from torch import Tensor

from model.figures.filters import tower_mosaics
from model.whole_folder import whole_folder
from service.domain.job_folder import JobFolder


class RunFilters:
    """A PNG for each tower at each step that is drawn; a step's pictures are there whole or not at all."""

    def __init__(self, folder: JobFolder, towers: int) -> None:
        self._folder = folder
        self._towers = towers

    def draw(self, step: int, kernels_K3SS: Tensor) -> None:
        """Draws the kernels, tower 0's first, unless the step has its pictures; they stay as they are.

        The same weights give the same bytes. Where they cannot be written there are none of this step.
        """
        pictures = [self._folder.filter_picture(step, tower) for tower in range(self._towers)]
        step_folder = pictures[0].parent
        if step_folder.exists():
            return
        # No run ends over a picture. A disk that is full is told of by the next checkpoint.
        with suppress(OSError), whole_folder(step_folder) as unfinished:
            for picture, pixels in zip(
                pictures, tower_mosaics(kernels_K3SS.numpy(), self._towers), strict=True
            ):
                Image.fromarray(pixels).save(unfinished / picture.name, "PNG")

    def clear_unfinished(self) -> None:
        """Removes what an attempt that was killed while it drew has left."""
        for unfinished in self._folder.filters.glob(".step-*"):
            shutil.rmtree(unfinished, ignore_errors=True)
