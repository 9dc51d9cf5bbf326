"""Cuts the views that a network sees out of photos. N photos of side S, V views of each, C a view's side."""

from __future__ import annotations

import torch

from pipeline.batches.augment_torch import TorchCutter
from pipeline.batches.choices import Choices
from pipeline.batches.host_memory import HostMemory


class ViewCutter:
    """The one way from photos to views, on the device the photos are on.

    A view is (crop - mean image where the crop fell) + colour, in float32 and on the 0–255 scale, mirrored
    where chosen. It is rounded once, to `dtype` (float32, bfloat16 or float16), and lies in `memory_format`
    (contiguous or channels_last), as the network asks. `mean_image` is float32 [S, S, 3], RGB.

    Raises ValueError when views of `crop_size` cannot be cut from photos of the mean image's size.
    """

    def __init__(
        self,
        mean_image: torch.Tensor,
        crop_size: int,
        *,
        dtype: torch.dtype = torch.float32,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> None:
        self.image_size = mean_image.shape[0]
        self.crop_size = crop_size
        if not 1 <= crop_size <= self.image_size:
            raise ValueError(f"crop_size={crop_size} does not fit into image_size={self.image_size}")
        self._dtype = dtype
        self._memory_format = memory_format
        mean_3SS = mean_image.cpu().permute(2, 0, 1)
        # The mean image and its mirror image, which is what lies under a mirrored crop.
        both_23SS = torch.stack((mean_3SS, mean_3SS.flip(2)))
        self._means = {torch.device("cpu"): both_23SS.contiguous(memory_format=memory_format)}
        self._on_cpu = TorchCutter()
        self._memory: HostMemory | None = None
        self._max_views = 0

    def cut(self, images_NSS3: torch.Tensor, choices: Choices) -> torch.Tensor:
        """uint8 [N, S, S, 3] to [N, 3, C, C] or [N, V, 3, C, C], as the choices are for one view or several.

        On the CPU the views' memory is used again once nothing holds it any more. On CUDA nothing is waited
        for. Raises ValueError for photos of another size, and for choices that are not for these photos or
        lie outside of them.
        """
        self._check(images_NSS3, choices)
        device, places = images_NSS3.device, choices.tops.shape
        if device not in self._means:
            self._means[device] = self._means[torch.device("cpu")].to(device)
        views_M3CC = self._new_views(places.numel(), device)
        if device.type == "cuda":
            # Triton is there only where CUDA is.
            from pipeline.batches.augment_triton import cut_with_triton, packed

            there_M6 = packed(choices.flat()).pin_memory().to(device, non_blocking=True)
            with torch.cuda.device(device):
                cut_with_triton(images_NSS3, self._means[device][0], there_M6, views_M3CC)
        else:
            self._on_cpu.cut(images_NSS3, self._means[device], choices.flat(), views_M3CC)
        return views_M3CC.view(*places, *views_M3CC.shape[1:])

    def _check(self, images_NSS3: torch.Tensor, choices: Choices) -> None:
        side = self.image_size
        if images_NSS3.shape[1:] != (side, side, 3) or images_NSS3.dtype != torch.uint8:
            found = f"{images_NSS3.dtype} {list(images_NSS3.shape)}"
            raise ValueError(f"photos are {found}, not torch.uint8 [N, {side}, {side}, 3]")
        if len(choices.tops) != len(images_NSS3):
            raise ValueError(f"choices for {len(choices.tops)} photos do not fit {len(images_NSS3)} photos")
        places = torch.stack((choices.tops, choices.lefts))
        if ((places < 0) | (places > side - self.crop_size)).any():
            raise ValueError(f"choices lie outside [0, {side - self.crop_size}]")

    def _new_views(self, count: int, device: torch.device) -> torch.Tensor:
        size = self.crop_size
        if device.type != "cpu":
            return torch.empty(
                (count, 3, size, size),
                dtype=self._dtype,
                device=device,
                memory_format=self._memory_format,
            )
        # Clearing the pages of fresh memory takes three times as long as cutting the views.
        if self._memory is None or count > self._max_views:
            self._max_views = max(count, 1)
            self._memory = HostMemory(self._max_views, (3 * size * size,), self._dtype)
        memory = self._memory.take(count)
        if self._memory_format == torch.channels_last:
            return memory.view(count, size, size, 3).permute(0, 3, 1, 2)
        return memory.view(count, 3, size, size)
