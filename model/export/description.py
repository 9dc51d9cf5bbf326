"""What an exported file says of itself."""

from __future__ import annotations

import json

from model.published import PublishedModel


def description_of(published: PublishedModel) -> dict[str, str]:
    """The model's name and version, its classes in the order of the probabilities as a JSON list of
    {index, id, name}, the side of the photos it takes, the dataset it was trained on, and the checksum of the
    weights it was made from: all as text, which is what the formats have room for."""
    labels = [label.model_dump(mode="json") for label in published.labels]
    return {
        "model": published.name,
        "version": str(published.version),
        "labels": json.dumps(labels, ensure_ascii=False),
        "image_size": str(published.image_size),
        "dataset": published.dataset.name,
        "dataset_checksum": published.dataset.checksum,
        "weights_sha256": published.weights_sha256,
    }
