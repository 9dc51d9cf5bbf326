"""What chance does to the photos a network trains on (P §4.1). N photos of side S, C the side of a view."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.batches.choices import Choices
from pipeline.batches.philox import philox
from pipeline.batches.view_cutter import ViewCutter
from pipeline.shards.statistics import Statistics

_COLOUR_DEVIATION: Final = 0.1
_WORD: Final = 0xFFFFFFFF


class Augmentation:
    """Random crop, mirroring and colour noise, each a pure function of (seed, epoch, sample_id).

    What a photo gets does not depend on the batch it is in, on the device, or on how often training was
    resumed.

    Colour noise adds [p1 p2 p3][α1√λ1, α2√λ2, α3√λ3]ᵀ, p and λ the eigenvectors and eigenvalues of the RGB
    covariance, α ~ N(0, 0.1). The paper writes λ for √λ; the 2012 source used the deviations √λ, and on a
    0–255 scale only they can be meant: ImageNet's largest eigenvalue would shift a photo by 1,500 levels.

    Views that were given colour noise are then divided by `colour_noise_divisor`. The 2012 source's is 1.1:
    noise widens the range of what a network is taught with, and nothing widens that of evaluation.
    """

    def __init__(
        self,
        statistics: Statistics,
        cutter: ViewCutter,
        seed: int,
        *,
        random_crop: bool = True,
        flip: bool = True,
        colour_noise: bool = True,
        colour_noise_divisor: float = 1.0,
    ) -> None:
        self._cutter = cutter
        self._seed = seed
        self._random_crop = random_crop
        self._flip = flip
        self._colour_noise = colour_noise
        self._divisor = colour_noise_divisor if colour_noise else 1.0
        deviations = np.sqrt(statistics.pca_eigenvalues) * _COLOUR_DEVIATION
        self._colour_axes_33 = statistics.pca_eigenvectors * deviations

    def training_views(
        self, images_NSS3: torch.Tensor, sample_ids_N: torch.Tensor, epoch: int
    ) -> torch.Tensor:
        """One view of each photo, as the cutter cuts them: uint8 [N, S, S, 3] to [N, 3, C, C]."""
        views_N3CC = self._cutter.cut(images_NSS3, self.choices(sample_ids_N, epoch))
        return views_N3CC if self._divisor == 1 else views_N3CC.div_(self._divisor)

    def choices(self, sample_ids_N: torch.Tensor, epoch: int) -> Choices:
        """What chance decides for these photos, int64 [N], in this epoch."""
        geometry_4N, colour_4N = self._words(sample_ids_N.cpu().numpy(), epoch)
        count = len(sample_ids_N)
        span = self._cutter.image_size - self._cutter.crop_size
        if self._random_crop:
            places_2N = (geometry_4N[:2] * np.uint64(span + 1) >> np.uint64(32)).astype(np.int64)
        else:
            places_2N = np.full((2, count), span // 2)
        flips_N = geometry_4N[2] >= 2**31 if self._flip else np.zeros(count, np.bool_)
        colours_N3 = self._colours(colour_4N) if self._colour_noise else np.zeros((count, 3), np.float32)
        return Choices(*map(torch.from_numpy, (*places_2N, flips_N, colours_N3)))

    def _words(self, sample_ids_N: NDArray[np.int64], epoch: int) -> NDArray[np.uint64]:
        """Two blocks of random words per photo, one for its geometry, one for its colour: [2, 4, N]."""
        ids_N = sample_ids_N.astype(np.uint64)
        counters_42N = np.empty((4, 2, len(ids_N)), np.uint64)
        counters_42N[0] = ids_N & np.uint64(_WORD)
        counters_42N[1] = ids_N >> np.uint64(32)
        counters_42N[2] = epoch
        counters_42N[3] = [[0], [1]]
        return philox((self._seed & _WORD, self._seed >> 32 & _WORD), counters_42N).swapaxes(0, 1)

    def _colours(self, words_4N: NDArray[np.uint64]) -> NDArray[np.float32]:
        # Box and Muller: two uniform numbers, never 0, to two normal ones, of which the last is not needed.
        uniform_4N = (words_4N + 0.5) / 2**32
        radius_2N = np.sqrt(-2 * np.log(uniform_4N[0::2]))
        angle_2N = 2 * math.pi * uniform_4N[1::2]
        alpha_3N = (*(radius_2N * np.cos(angle_2N)), radius_2N[0] * np.sin(angle_2N[0]))
        # Added up one by one: a matrix product rounds as the batch's size has it.
        colours_N3 = sum(a[:, None] * axis for a, axis in zip(alpha_3N, self._colour_axes_33.T, strict=True))
        return np.asarray(colours_N3, np.float32)
