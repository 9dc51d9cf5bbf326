"""model.json: what was written is read back; what does not fit together is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from model.config import ModelConfig
from model.errors import BadCheckpointError
from model.published import ColourStatistics, DatasetOrigin, Label, PublishedModel


def published(**changes: object) -> PublishedModel:
    values: dict[str, object] = {
        "name": "flowers",
        "version": 3,
        "created_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "architecture": ModelConfig.preset("alexnet-tiny", num_classes=2),
        "image_size": 72,
        "labels": (Label(index=0, id="n01", name="daisy"), Label(index=1, id="n02", name="rose")),
        "statistics": ColourStatistics(
            channel_mean=(120.0, 115.5, 100.25),
            pca_eigenvalues=(3000.0, 200.0, 30.0),
            pca_eigenvectors=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
        ),
        "dataset": DatasetOrigin(name="flowers-72", checksum="00ff"),
        "metrics": {"val_top1_error": 0.25},
        "run_id": "5a0f",
        "step": 120,
        "weights_sha256": "ab" * 32,
    }
    return PublishedModel(**(values | changes))


def test_a_description_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    model = published()
    model.save(tmp_path)
    assert PublishedModel.load(tmp_path) == model
    stored = json.loads((tmp_path / "model.json").read_text())
    assert stored["schema_version"] == 1
    assert stored["labels"][1] == {"index": 1, "id": "n02", "name": "rose"}
    assert stored["architecture"]["network"] == "alexnet-tiny"
    assert stored["dataset"] == {"name": "flowers-72", "checksum": "00ff"}


def test_labels_must_be_one_for_each_class() -> None:
    with pytest.raises(ValidationError, match=r"labels \(1\).*architecture\.num_classes=2"):
        published(labels=(Label(index=0, id="n01", name="daisy"),))


def test_photos_must_be_as_large_as_the_networks_input() -> None:
    with pytest.raises(ValidationError, match=r"image_size=63.*architecture\.input_size=64"):
        published(image_size=63)


@pytest.mark.parametrize("content", ["", "{", '{"schema_version": 2}', "[]", "\x00\xff"])
def test_what_is_no_description_is_refused_by_its_path(tmp_path: Path, content: str) -> None:
    (tmp_path / "model.json").write_text(content)
    with pytest.raises(BadCheckpointError) as refusal:
        PublishedModel.load(tmp_path)
    assert str(refusal.value).startswith(f"{tmp_path / 'model.json'}: ")
    assert "\n" not in str(refusal.value)


def test_a_folder_without_description_is_no_published_model(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpointError, match=r"no published model: model\.json is missing"):
        PublishedModel.load(tmp_path)
