"""The kernels that look at the photo itself, from a network's files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.checkpoint import load_weights
from model.checkpoint_record import RECORD_FILE, CheckpointRecord, verify_file
from model.config import ModelConfig
from model.errors import BadCheckpointError
from model.network.architecture import layers_of
from model.published import MODEL_FILE, WEIGHTS_FILE, PublishedModel


def first_kernels(folder: Path) -> tuple[ModelConfig, NDArray[np.float32]]:
    """A published model's or a checkpoint's network, and its first layer's weights: float32 [K, 3, S, S],
    tower 0's first.

    Raises BadCheckpointError for a folder that is neither, or has damaged files.
    """
    if (folder / MODEL_FILE).exists():
        published = PublishedModel.load(folder)
        config, sha256 = published.architecture, published.weights_sha256
    elif (folder / RECORD_FILE).exists():
        record = CheckpointRecord.load(folder)
        config, sha256 = record.architecture, record.weights_sha256
    else:
        raise BadCheckpointError(str(folder), f"no model: it has neither {MODEL_FILE} nor {RECORD_FILE}")
    verify_file(folder / WEIGHTS_FILE, sha256)
    parameters, _ = load_weights(folder / WEIGHTS_FILE, config)
    weights: NDArray[np.float32] = parameters[f"{layers_of(config)[0].name}.weight"].numpy()
    return config, weights
