"""A pickle in the place of any file of a checkpoint or a model is refused, and nothing in it runs."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model.checkpoint import load_checkpoint
from model.classifier import Classifier
from model.errors import BadCheckpointError
from model.learning.recipe import RecipeConfig
from model.learning.trainer import Trainer
from model.network.alexnet import AlexNet
from model.published import sha256_of
from model.snapshot import Snapshot
from pipeline.errors import BadDatasetError
from pipeline.shards.statistics import Statistics


class Marker:
    """Unpickled, it makes a file: the proof that code from a file has run."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def pickled(mark: Path) -> bytes:
    return pickle.dumps(Marker(mark))


def saved_by_torch(mark: Path) -> bytes:
    file = io.BytesIO()
    torch.save({"conv1.weight": Marker(mark)}, file)
    return file.getvalue()


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "it-ran"


@pytest.fixture
def checkpoint(tmp_path: Path, tiny_network: AlexNet) -> Path:
    folder = tmp_path / "step-00000000"
    trainer = Trainer(tiny_network, RecipeConfig.preset("quick"), steps_per_epoch=2)
    Snapshot.of(tiny_network, trainer, torch.zeros(72, 72, 3), {}).write(folder)
    return folder


def test_the_pickles_of_these_tests_do_run_where_they_are_unpickled(mark: Path) -> None:
    pickle.loads(pickled(mark))
    assert mark.exists()


@pytest.mark.parametrize("form", [pickled, saved_by_torch])
@pytest.mark.parametrize("name", ["weights.safetensors", "optimizer.safetensors", "checkpoint.json"])
def test_a_checkpoint_of_pickles_is_refused_even_where_its_record_vouches_for_them(
    checkpoint: Path, mark: Path, name: str, form: Any
) -> None:
    (checkpoint / name).write_bytes(form(mark))
    if name != "checkpoint.json":
        record = json.loads((checkpoint / "checkpoint.json").read_text())
        record[f"{name.partition('.')[0]}_sha256"] = sha256_of(checkpoint / name)
        (checkpoint / "checkpoint.json").write_text(json.dumps(record))
    with pytest.raises(BadCheckpointError, match=name.replace(".", r"\.")):
        load_checkpoint(checkpoint)
    assert not mark.exists()


@pytest.mark.parametrize("form", [pickled, saved_by_torch])
def test_a_published_model_of_pickles_is_refused(tmp_path: Path, mark: Path, form: Any) -> None:
    (tmp_path / "model.json").write_bytes(form(mark))
    (tmp_path / "weights.safetensors").write_bytes(form(mark))
    with pytest.raises(BadCheckpointError, match=r"model\.json"):
        Classifier.load(tmp_path)
    assert not mark.exists()


def test_statistics_with_a_pickled_array_are_refused(tmp_path: Path, mark: Path) -> None:
    array = np.array([Marker(mark)], dtype=object)
    np.savez(tmp_path / "statistics.npz", **dict.fromkeys(Statistics.__dataclass_fields__, array))
    with pytest.raises(BadDatasetError, match=r"statistics\.npz cannot be read"):
        Statistics.load(tmp_path)
    assert not mark.exists()
