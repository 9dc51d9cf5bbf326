"""What peers subtract from photos and add to them, from the statistics Tandem has of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch


def mean_image(work: Path) -> torch.Tensor:
    """float32 [3, S, S]."""
    return torch.from_numpy(_statistics(work)["mean_image"]).permute(2, 0, 1).contiguous()


def channel_mean(work: Path) -> np.ndarray:
    """float64 [3]."""
    return _statistics(work)["channel_mean"]


def colour_axes(work: Path) -> torch.Tensor:
    """float32 [3, 3]: normal numbers [N, 3] times this are the colours to add (P §4.1)."""
    statistics = _statistics(work)
    axes = 0.1 * np.sqrt(statistics["pca_eigenvalues"])[:, None] * statistics["pca_eigenvectors"].T
    return torch.from_numpy(axes.astype(np.float32))


def _statistics(work: Path) -> dict[str, np.ndarray]:
    with np.load(work / "jpg" / "statistics.npz") as stored:
        return dict(stored)
