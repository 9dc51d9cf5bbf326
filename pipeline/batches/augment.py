"""The views of photos a network trains on (P §4.1). N photos of side S, C the side of a view."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import torch

from pipeline.batches.philox import philox
from pipeline.shards.statistics import Statistics

_COLOUR_DEVIATION: Final = 0.1
_WORD: Final = 0xFFFFFFFF


class Choices(NamedTuple):
    """What chance decided for each photo, on the CPU.

    `tops` and `lefts` int64 [N] place the crop, `flips` bool [N] mirror it, and `colours` float32 [N, 3] are
    added to every pixel's R, G and B.
    """

    tops: torch.Tensor
    lefts: torch.Tensor
    flips: torch.Tensor
    colours: torch.Tensor


class Augmentation:
    """Random crop, mirroring and colour noise, each a pure function of (seed, epoch, sample_id).

    What a photo gets does not depend on the batch it is in, on the device, or on how often training was
    resumed.

    Colour noise adds [p1 p2 p3][α1√λ1, α2√λ2, α3√λ3]ᵀ, p and λ the eigenvectors and eigenvalues of the RGB
    covariance, α ~ N(0, 0.1). The paper writes λ for √λ; the 2012 source used the deviations √λ, and on a
    0–255 scale only they can be meant: ImageNet's largest eigenvalue would shift a photo by 1,500 levels.
    """

    def __init__(
        self,
        statistics: Statistics,
        crop_size: int,
        seed: int,
        *,
        random_crop: bool = True,
        flip: bool = True,
        colour_noise: bool = True,
    ) -> None:
        """Raises ValueError when views of `crop_size` cannot be cut from photos of the statistics' size."""
        self._image_size = statistics.mean_image.shape[0]
        if not 1 <= crop_size <= self._image_size:
            raise ValueError(f"crop_size={crop_size} does not fit into image_size={self._image_size}")
        self._crop_size = crop_size
        self._seed = seed
        self._random_crop = random_crop
        self._flip = flip
        self._colour_noise = colour_noise
        self._mean_3SS = torch.from_numpy(statistics.mean_image).permute(2, 0, 1).contiguous()
        deviations = torch.from_numpy(statistics.pca_eigenvalues).sqrt() * _COLOUR_DEVIATION
        self._colour_axes = torch.from_numpy(statistics.pca_eigenvectors) * deviations

    def training_views(
        self, images_NSS3: torch.Tensor, sample_ids_N: torch.Tensor, epoch: int
    ) -> torch.Tensor:
        """One view of each photo: uint8 [N, S, S, 3] to float32 [N, 3, C, C], on the photos' device.

        The mean image is subtracted where the crop fell; the scale stays 0–255.
        """
        self._mean_3SS = self._mean_3SS.to(images_NSS3.device)
        choices = self.choices(sample_ids_N, epoch)
        size = self._crop_size
        views_N3CC = torch.empty((len(images_NSS3), 3, size, size), device=images_NSS3.device)
        # One photo at a time stays in the processor's cache; the batch as a whole does not, and takes two to
        # ten times as long.
        for image_SS3, view_3CC, top, left, flip in zip(
            images_NSS3,
            views_N3CC,
            choices.tops.tolist(),
            choices.lefts.tolist(),
            choices.flips.tolist(),
            strict=True,
        ):
            rows, columns = slice(top, top + size), slice(left, left + size)
            crop_3CC = image_SS3[rows, columns].permute(2, 0, 1)
            mean_3CC = self._mean_3SS[:, rows, columns]
            if flip:
                crop_3CC, mean_3CC = crop_3CC.flip(2), mean_3CC.flip(2)
            torch.sub(crop_3CC, mean_3CC, out=view_3CC)
        return views_N3CC.add_(choices.colours.to(views_N3CC.device)[:, :, None, None])

    def choices(self, sample_ids_N: torch.Tensor, epoch: int) -> Choices:
        """What chance decides for these photos in this epoch."""
        words = self._words(sample_ids_N.cpu(), epoch)
        span = self._image_size - self._crop_size
        if self._random_crop:
            tops, lefts = (words[:, 0, :2] * (span + 1) >> 32).unbind(-1)
        else:
            tops = lefts = torch.full((len(words),), span // 2)
        return Choices(
            tops=tops,
            lefts=lefts,
            flips=words[:, 0, 2] >= 2**31 if self._flip else torch.zeros(len(words), dtype=torch.bool),
            colours=self._colours(words[:, 1]),
        )

    def _words(self, sample_ids_N: torch.Tensor, epoch: int) -> torch.Tensor:
        """Two blocks of random words per photo, one for its geometry, one for its colour: int64 [N, 2, 4]."""
        counters_N24 = torch.empty((len(sample_ids_N), 2, 4), dtype=torch.int64)
        counters_N24[..., 0] = (sample_ids_N & _WORD)[:, None]
        counters_N24[..., 1] = (sample_ids_N >> 32 & _WORD)[:, None]
        counters_N24[..., 2] = epoch
        counters_N24[..., 3] = torch.arange(2)
        return philox((self._seed & _WORD, self._seed >> 32 & _WORD), counters_N24)

    def _colours(self, words_N4: torch.Tensor) -> torch.Tensor:
        if not self._colour_noise:
            return torch.zeros((len(words_N4), 3))
        # Box and Muller: two uniform numbers, never 0, to two normal ones, of which the last is not needed.
        uniform_N4 = (words_N4.double() + 0.5) / 2**32
        radius_N2 = (-2 * uniform_N4[:, 0::2].log()).sqrt()
        angle_N2 = 2 * math.pi * uniform_N4[:, 1::2]
        normal_N4 = torch.cat((radius_N2 * angle_N2.cos(), radius_N2 * angle_N2.sin()), dim=1)
        return (normal_N4[:, :3] @ self._colour_axes.T).float()
