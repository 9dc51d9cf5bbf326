"""A model as one file: it answers as the classifier does, in a runtime that knows nothing of Tandem."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from model.checkpoint_record import MEAN_IMAGE
from model.classifier import Classifier
from model.config import ModelConfig
from model.errors import BadCheckpointError, ExportDiffersError, ExportPackagesMissingError
from model.export.agreement import TOLERANCE, Agreement, same_top
from model.export.exported import Exported
from model.export.format import FormatName, format_named
from model.export.portable import PortableModel
from model.learning.initialize import starting_parameters
from model.network.alexnet import AlexNet
from model.network.architecture import layers_of
from model.network.placement import Placement
from model.published import (
    WEIGHTS_FILE,
    ColourStatistics,
    DatasetOrigin,
    Label,
    PublishedModel,
    sha256_of,
)

FORMATS: tuple[FormatName, ...] = ("onnx", "torchscript")
# Every operation that a network here may have is in one of them.
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "alexnet-tiny": ("alexnet-tiny", {}),
    "tanh, disjoint pooling": ("alexnet-tiny", {"activation": "tanh", "pooling": "disjoint"}),
    "batch normalisation": ("alexnet-tiny", {"norm": "batch"}),
    "2012, no exchange": ("alexnet-tiny", {"norm": "lrn-2012", "exchange": False}),
    "one tower, no LRN": ("alexnet-tiny-half", {"lrn": False}),
    "cifar-4layer": ("cifar-4layer", {}),
}
CLASSES = 12
# What a batch normalisation makes of float32's rounding; without one it is a tenth.
NEAR = 3e-5

# Without site, nothing in site-packages is found but what is said; and of that, no link to a checkout.
ALONE = [sys.executable, "-I", "-S", "-c"]
WITHOUT_TANDEM = f"""
import importlib.util, sys
sys.path.append({sysconfig.get_path("purelib")!r})
assert not any(importlib.util.find_spec(name) for name in ("model", "pipeline", "service"))
import numpy as np
path, photos, answers = sys.argv[1:]
"""
RUN_ONNX = """
import onnxruntime
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
(found,) = session.run(None, {"photos": np.load(photos)})
assert "torch" not in sys.modules
np.save(answers, found)
"""
RUN_TORCHSCRIPT = """
import torch
np.save(answers, torch.jit.load(path)(torch.from_numpy(np.load(photos))).numpy())
"""


def blots(count: int, size: int, seed: int = 3) -> NDArray[np.uint8]:
    """Photos of a few blots of colour: to a network, each is another."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, size=(count, 4, 4, 3)).astype(np.uint8)
    fine = coarse.repeat(-(-size // 4), axis=1).repeat(-(-size // 4), axis=2)[:, :size, :size]
    return np.ascontiguousarray(fine // 2 + random.integers(0, 128, fine.shape, dtype=np.uint8))


def publish(folder: Path, config: ModelConfig) -> Path:
    """A model whose answers are as decided as those of one that has learnt."""
    size, seeded = config.image_size, torch.Generator().manual_seed(9)
    parameters = dict(starting_parameters(config, "fan-in", seed=5))
    for name, tensor in AlexNet(config, Placement.one("cpu")).canonical_parameters().items():
        if ".norm." in name:
            # A batch normalisation that has seen batches: no two channels alike.
            parameters[name] = torch.rand(tensor.shape, generator=seeded) / 4 + ("mean" not in name) / 4
    output = layers_of(config)[-1].name
    mean_image = torch.rand((size, size, 3), generator=seeded) * 80 + 80
    write(folder, config, parameters, mean_image)
    logits_NK = np.log(Classifier.load(folder).probabilities(blots(20, size)))
    logits_NK -= logits_NK.mean(axis=1, keepdims=True)
    scale = float(2 / logits_NK.std(axis=0).mean())
    parameters[f"{output}.weight"] *= scale
    parameters[f"{output}.bias"] = torch.from_numpy(-scale * logits_NK.mean(axis=0))
    write(folder, config, parameters, mean_image)
    return folder


def write(
    folder: Path, config: ModelConfig, parameters: dict[str, torch.Tensor], mean_image: torch.Tensor
) -> None:
    save_file(parameters | {MEAN_IMAGE: mean_image}, folder / WEIGHTS_FILE)
    PublishedModel(
        name="blotches",
        version=3,
        created_at=datetime.now(UTC),
        architecture=config,
        image_size=config.image_size,
        labels=tuple(Label(index=i, id=f"n{i}", name=f"Größe {i}") for i in range(config.num_classes)),
        statistics=ColourStatistics(
            channel_mean=(115.0, 115.0, 115.0),
            pca_eigenvalues=(3.0, 2.0, 1.0),
            pca_eigenvectors=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
        ),
        dataset=DatasetOrigin(name="blots", checksum="ab" * 16),
        metrics={},
        run_id="r",
        step=1,
        weights_sha256=sha256_of(folder / WEIGHTS_FILE),
    ).save(folder)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("version")
    return publish(folder, ModelConfig.preset("alexnet-tiny", num_classes=CLASSES))


@pytest.fixture(scope="module")
def files(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[FormatName, Path]:
    """The tiny model in each format."""
    folder, photos = tmp_path_factory.mktemp("files"), blots(3, 72)
    return {form: export(tiny, form, folder / form, photos).path for form in FORMATS}


def export(folder: Path, form: FormatName, out: Path, photos: NDArray[np.uint8]) -> Exported:
    return Exported.write(
        PortableModel.load(folder), Classifier.load(folder), format_named(form), out, photos
    )


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("preset", "switches"), NETWORKS.values(), ids=NETWORKS)
def test_a_file_answers_as_the_classifier_whatever_the_network(
    preset: str, switches: dict[str, Any], form: FormatName, tmp_path: Path
) -> None:
    config = ModelConfig.preset(preset, num_classes=CLASSES, **switches)
    folder = publish(tmp_path, config)
    photos = blots(40, config.image_size)
    exported = export(folder, form, tmp_path / "exported", photos)
    assert exported.agreement.photos == exported.agreement.same_top5 == 40
    assert exported.agreement.greatest_difference < NEAR
    expected = Classifier.load(folder).probabilities(photos)
    assert expected.max() > 0.5
    answers = format_named(form).open(exported.path)
    for count in (1, 2, 40):
        found = answers(photos[:count])
        assert found.dtype == np.float32
        assert len(set(found.argmax(axis=1))) > count // 10
        np.testing.assert_allclose(found, expected[:count], atol=NEAR)


@pytest.mark.parametrize(("form", "program"), [("onnx", RUN_ONNX), ("torchscript", RUN_TORCHSCRIPT)])
def test_it_runs_where_tandem_is_not(
    form: FormatName, program: str, tiny: Path, files: dict[FormatName, Path], tmp_path: Path
) -> None:
    photos = blots(5, 72)
    np.save(tmp_path / "photos.npy", photos)
    arguments = [files[form], tmp_path / "photos.npy", tmp_path / "answers.npy"]
    done = subprocess.run(
        [*ALONE, WITHOUT_TANDEM + program, *map(str, arguments)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    expected = Classifier.load(tiny).probabilities(photos)
    np.testing.assert_allclose(np.load(tmp_path / "answers.npy"), expected, atol=1e-5)


def onnx_description(path: Path) -> dict[str, str]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found: dict[str, str] = session.get_modelmeta().custom_metadata_map
    return found


@pytest.mark.filterwarnings("ignore:`torch.jit.load`:DeprecationWarning")
def torchscript_description(path: Path) -> dict[str, str]:
    wanted = dict.fromkeys(
        ("model", "version", "labels", "image_size", "dataset", "dataset_checksum", "weights_sha256"), ""
    )
    torch.jit.load(path, _extra_files=wanted)  # type: ignore[no-untyped-call]
    return {name: value.decode() for name, value in wanted.items()}  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("ignore:`torch.jit.load`:DeprecationWarning")
@pytest.mark.parametrize(
    ("form", "read"), [("onnx", onnx_description), ("torchscript", torchscript_description)]
)
def test_it_says_what_it_is(
    form: FormatName,
    read: Callable[[Path], dict[str, str]],
    tiny: Path,
    files: dict[FormatName, Path],
) -> None:
    found = read(files[form])
    labels = json.loads(found.pop("labels"))
    assert labels == [{"index": i, "id": f"n{i}", "name": f"Größe {i}"} for i in range(CLASSES)]
    assert found == {
        "model": "blotches",
        "version": "3",
        "image_size": "72",
        "dataset": "blots",
        "dataset_checksum": "ab" * 16,
        "weights_sha256": sha256_of(tiny / WEIGHTS_FILE),
    }


def test_an_onnx_file_takes_any_number_of_photos_and_says_nothing_of_where_it_was_made(
    tiny: Path, files: dict[FormatName, Path], tmp_path: Path
) -> None:
    session = onnxruntime.InferenceSession(files["onnx"], providers=["CPUExecutionProvider"])
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.type, taken.shape) == ("photos", "tensor(uint8)", ["N", 72, 72, 3])
    assert (given.name, given.type, given.shape) == ("probabilities", "tensor(float)", ["N", CLASSES])
    written = files["onnx"].read_bytes()
    assert b".py" not in written
    assert export(tiny, "onnx", tmp_path / "again", blots(3, 72)).path.read_bytes() == written


@pytest.mark.parametrize("form", FORMATS)
def test_photos_of_another_size_are_refused_rather_than_cut_elsewhere(
    form: FormatName, files: dict[FormatName, Path]
) -> None:
    answers = format_named(form).open(files[form])
    for size in (64, 80):
        with pytest.raises(Exception, match="72"):
            answers(blots(1, size))


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_that_answers_otherwise_is_refused_and_leaves_nothing(
    form: FormatName, tiny: Path, tmp_path: Path
) -> None:
    original, portable, photos = Classifier.load(tiny), PortableModel.load(tiny), blots(34, 72)
    parameters = portable.network.canonical_parameters()
    parameters["conv3.weight"][:, :, 1, 1] += 0.02
    portable.network.load_canonical_parameters(parameters)
    with pytest.raises(ExportDiffersError) as refusal:
        Exported.write(portable, original, format_named(form), tmp_path / "out", photos)
    assert refusal.value.greatest_difference > TOLERANCE
    with torch.no_grad():
        wrong = portable(torch.from_numpy(photos)).numpy()
    difference = np.abs(wrong - original.probabilities(photos)).max()
    assert refusal.value.greatest_difference == pytest.approx(difference, rel=1e-3)
    assert f"up to {difference:.2g}" in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_stays_when_a_file_is_refused(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_bytes(b"of before")
    portable = PortableModel.load(tiny)
    portable.mean_image += 20
    with pytest.raises(ExportDiffersError):
        Exported.write(portable, Classifier.load(tiny), format_named("torchscript"), out, blots(3, 72))
    assert out.read_bytes() == b"of before"
    assert list(tmp_path.iterdir()) == [out]
    export(tiny, "torchscript", out, blots(3, 72))
    assert list(tmp_path.iterdir()) == [out]
    assert len(out.read_bytes()) > 1000


def test_a_place_that_cannot_be_written_is_named(tiny: Path, tmp_path: Path) -> None:
    place = tmp_path / "absent" / "exported"
    with pytest.raises(OSError, match="the file cannot be written") as refusal:
        export(tiny, "torchscript", place, blots(3, 72))
    assert refusal.value.filename == str(place)


def test_damaged_weights_are_not_exported(tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "version")
    weights = folder / WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(BadCheckpointError, match=f"{WEIGHTS_FILE}: the file is truncated or damaged"):
        PortableModel.load(folder)


def test_missing_packages_are_named_with_what_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "model.export.onnx", raising=False)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ExportPackagesMissingError, match=r"onnxruntime.*pip install .*\[export\]"):
        format_named("onnx")
    assert format_named("torchscript").suffix == ".pt"


def test_errors_survive_pickling() -> None:
    for error in (ExportDiffersError("a.onnx", 0.25, 3, 100), ExportPackagesMissingError("onnx", "onnx")):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (type(error), str(error))


def answering(rows: list[list[float]]) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Answers each photo with the row that its first pixel numbers."""
    table = np.array(rows, dtype=np.float32)
    return lambda photos: table[photos[:, 0, 0, 0]]


def numbered(count: int) -> NDArray[np.uint8]:
    return np.arange(count, dtype=np.uint8).reshape(count, 1, 1, 1).repeat(3, axis=3)


def test_the_greatest_difference_may_lie_in_any_batch() -> None:
    rows = [[0.5, 0.25, 0.25]] * 100
    assert Agreement.of(answering(rows), answering(rows), numbered(100)) == Agreement(100, 0.0, 100)
    for place in (0, 50, 99):
        others = [*rows[:place], [0.5, 0.2505, 0.2495], *rows[place + 1 :]]
        found = Agreement.of(answering(rows), answering(others), numbered(100))
        assert found.greatest_difference == pytest.approx(5e-4, rel=1e-3)
        assert not found.holds


def test_what_is_not_a_number_does_not_agree() -> None:
    rows = [[0.5, 0.5]] * 3
    for place in range(3):
        others = [*rows[:place], [float("nan"), 0.5], *rows[place + 1 :]]
        assert not Agreement.of(answering(rows), answering(others), numbered(3)).holds
    hopeless = [[float("nan")] * 2] * 3
    assert not Agreement.of(answering(hopeless), answering(hopeless), numbered(3)).holds


def test_classes_in_another_order_do_not_agree_unless_they_are_tied() -> None:
    expected = np.array([[0.3, 0.2, 0.19992, 0.1, 0.1, 0.05, 0.05008]], dtype=np.float32)
    swapped = expected[:, [0, 2, 1, 3, 4, 5, 6]]
    assert np.abs(expected - swapped).max() < TOLERANCE
    assert not same_top(expected, swapped).any()
    tied = np.array([[0.3, 0.2, 0.2 - 4e-5, 0.1, 0.1, 0.05, 0.05008]], dtype=np.float32)
    assert same_top(tied, tied[:, [0, 2, 1, 3, 4, 5, 6]]).all()
    # Only the five likeliest count.
    assert same_top(expected, expected[:, [0, 1, 2, 3, 4, 6, 5]]).all()
    assert same_top(expected[:, :3], expected[:, :3]).all()


def test_the_papers_network_is_exported_and_agrees(tmp_path: Path) -> None:
    config = ModelConfig.preset("alexnet", num_classes=1000)
    write(tmp_path, config, starting_parameters(config, "fan-in", seed=5), torch.full((256, 256, 3), 115.0))
    exported = export(tmp_path, "onnx", tmp_path / "alexnet.onnx", blots(6, 256))
    assert exported.agreement == Agreement(6, pytest.approx(0, abs=1e-6), 6)
    assert exported.size_bytes == pytest.approx(4 * (60_965_224 + 256 * 256 * 3), rel=1e-3)
