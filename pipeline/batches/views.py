"""The views of photos a network is tested on (P §4.1). N photos of side S, C the side of a view."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pipeline.batches.choices import Choices
from pipeline.batches.view_cutter import ViewCutter


class EvaluationViews:
    """Centre views and the paper's ten, cut where chance has no part, as the cutter cuts them."""

    def __init__(self, cutter: ViewCutter) -> None:
        self._cutter = cutter
        far = cutter.image_size - cutter.crop_size
        middle = far // 2
        self._centre = (middle, middle)
        self._five = ((0, 0), (0, far), (far, 0), (far, far), self._centre)

    def centre_view(self, images_NSS3: torch.Tensor) -> torch.Tensor:
        """uint8 [N, S, S, 3] to [N, 3, C, C]."""
        return self._cut(images_NSS3, [self._centre], [False]).squeeze(1)

    def ten_views(self, images_NSS3: torch.Tensor) -> torch.Tensor:
        """Corners and centre, then their mirror images: uint8 [N, S, S, 3] to [N, 10, 3, C, C].

        The corners go top left, top right, bottom left, bottom right.
        """
        return self._cut(images_NSS3, self._five * 2, [False] * 5 + [True] * 5)

    def _cut(
        self, images_NSS3: torch.Tensor, places: Sequence[tuple[int, int]], flips: Sequence[bool]
    ) -> torch.Tensor:
        count, views = len(images_NSS3), len(flips)
        tops_V, lefts_V = torch.tensor(places).unbind(1)
        choices = Choices(
            tops=tops_V.expand(count, views),
            lefts=lefts_V.expand(count, views),
            flips=torch.tensor(flips).expand(count, views),
            colours=torch.zeros((count, views, 3)),
        )
        return self._cutter.cut(images_NSS3, choices)
