"""The views of photos a network is tested on (P §4.1). N photos of side S, C the side of a view."""

from __future__ import annotations

import torch


class EvaluationViews:
    """Centre views and the paper's ten, cut where chance has no part.

    `mean_image` is float32 [S, S, 3], RGB on the 0–255 scale, and is subtracted where each crop falls. Views
    are float32 on the photos' device. Raises ValueError when the views do not fit into the photos.
    """

    def __init__(self, mean_image: torch.Tensor, crop_size: int) -> None:
        image_size = mean_image.shape[0]
        if not 1 <= crop_size <= image_size:
            raise ValueError(f"crop_size={crop_size} does not fit into image_size={image_size}")
        self._crop_size = crop_size
        self._span = image_size - crop_size
        self._mean_SS3 = mean_image

    def centre_view(self, images_NSS3: torch.Tensor) -> torch.Tensor:
        """uint8 [N, S, S, 3] to float32 [N, 3, C, C]."""
        return self._cut(images_NSS3, self._span // 2, self._span // 2)

    def ten_views(self, images_NSS3: torch.Tensor) -> torch.Tensor:
        """Corners and centre, then their mirror images: uint8 [N, S, S, 3] to float32 [N, 10, 3, C, C].

        The corners go top left, top right, bottom left, bottom right.
        """
        far, middle = self._span, self._span // 2
        places = ((0, 0), (0, far), (far, 0), (far, far), (middle, middle))
        five = torch.stack([self._cut(images_NSS3, top, left) for top, left in places], dim=1)
        return torch.cat((five, five.flip(-1)), dim=1)

    def _cut(self, images_NSS3: torch.Tensor, top: int, left: int) -> torch.Tensor:
        self._mean_SS3 = self._mean_SS3.to(images_NSS3.device)
        rows, columns = slice(top, top + self._crop_size), slice(left, left + self._crop_size)
        views_NCC3 = images_NSS3[:, rows, columns] - self._mean_SS3[rows, columns]
        return views_NCC3.permute(0, 3, 1, 2).contiguous()
