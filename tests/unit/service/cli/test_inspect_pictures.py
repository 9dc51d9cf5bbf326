"""`tandem inspect` writes pictures of a dataset, tells its sizes, and makes nothing of damaged data."""

from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.batches.contact_sheet import contact_sheet, mean_image
from pipeline.png import write_png
from pipeline.shards.manifest import Manifest
from pipeline.shards.verify import verify
from service.cli.main import run


@pytest.fixture(scope="module")
def prepared(ray_here: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes, and a file that is in quarantine."""
    random = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("photos")
    for split, count in (("train", 6), ("val", 2)):
        for class_id in ("circle", "square"):
            (folder / split / class_id).mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 256, (40, 50, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / split / class_id / f"{number}.jpg")
    (folder / "train" / "circle" / "notes.txt").write_text("no photo")
    out = tmp_path_factory.mktemp("datasets") / "shapes"
    options = ["--image-size", "32", "--workers", "1", "--max-quarantine", "0.5", "--shard-size", "8"]
    assert run(["prepare", str(folder), "--out", str(out), *options]) == 0
    return out


@pytest.fixture
def dataset(prepared: Path, tmp_path: Path) -> Path:
    """A copy to do harm to."""
    return shutil.copytree(prepared, tmp_path / "shapes")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    return folder


def options(folder: Path) -> list[str]:
    return ["--contact-sheet", str(folder / "sheet.png"), "--mean-image", str(folder / "mean.png")]


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        return np.asarray(image)


def test_pictures_are_png_files_of_the_datasets_pixels_and_are_named_in_the_answer(
    prepared: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["inspect", str(prepared), "--json", *options(pictures)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["contact_sheet"] == str(pictures / "sheet.png")
    assert answer["mean_image"] == str(pictures / "mean.png")
    assert np.array_equal(pixels_of(pictures / "sheet.png"), contact_sheet(prepared))
    assert np.array_equal(pixels_of(pictures / "mean.png"), mean_image(prepared))
    assert sorted(path.name for path in pictures.iterdir()) == ["mean.png", "sheet.png"]


def test_without_pictures_none_is_named(prepared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(prepared), "--json"]) == 0
    assert {"contact_sheet", "mean_image"}.isdisjoint(json.loads(capsys.readouterr().out))


def test_the_same_dataset_gives_the_same_bytes_over_whatever_was_there(
    prepared: Path, pictures: Path
) -> None:
    written = []
    for _ in range(2):
        assert run(["inspect", str(prepared), *options(pictures)]) == 0
        written.append([path.read_bytes() for path in sorted(pictures.iterdir())])
        for path in pictures.iterdir():
            path.write_bytes(b"something else, and longer" * 10_000)
    assert written[0] == written[1]


def test_sizes_are_those_of_the_files(prepared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = {
        split: sum(path.stat().st_size for path in prepared.glob(f"{split}-*.beton"))
        for split in ("train", "val")
    }
    assert run(["inspect", str(prepared), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["split_size_bytes"] == sizes
    assert answer["size_bytes"] == sum(sizes.values())
    assert run(["inspect", str(prepared)]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, size in {"size": sum(sizes.values()), **sizes}.items():
        (line,) = (line for line in lines if line.split()[0] == name)
        assert line.endswith(f"{size / 2**20:.1f} MiB ({size:,} bytes)")
    assert "12 photos in 2 shards" in " ".join(lines)
    assert "4 photos in 1 shard," in " ".join(lines)


@pytest.mark.parametrize(
    ("place", "code"), [("absent/sheet.png", 3), ("folder", 1), ("file/sheet.png", 1), ("device", 1)]
)
def test_a_place_that_cannot_be_written_is_one_line(
    prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str, code: int
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("here first")
    (tmp_path / "device").symlink_to("/dev/null")
    before = sorted(tmp_path.iterdir())
    path = tmp_path / place
    assert run(["inspect", str(prepared), "--contact-sheet", str(path), "--json"]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"tandem: {path}: the picture cannot be written")
    assert printed.err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before
    assert Path("/dev/null").is_char_device()


def test_a_picture_that_breaks_off_leaves_what_was_there(pictures: Path) -> None:
    path = pictures / "sheet.png"
    path.write_bytes(b"earlier")
    pixels = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        with pytest.raises(OSError, match=r"cannot be written.*sheet\.png"):
            write_png(path, pixels)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"earlier"
    assert list(pictures.iterdir()) == [path]


def test_a_picture_never_replaces_the_other_or_a_file_of_the_dataset(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = sorted(path.name for path in dataset.iterdir())
    assert {"manifest.json", "quarantine.jsonl", "train-00001.beton", "val-00000.beton"} < set(names)
    (tmp_path / "link").symlink_to(dataset)
    names.remove("mean-image.png")
    for name in names:
        for place in (dataset / name, tmp_path / "link" / name):
            assert run(["inspect", str(dataset), "--mean-image", str(place)]) == 2
            assert "belongs to the dataset" in capsys.readouterr().err
    one = str(tmp_path / "one.png")
    assert run(["inspect", str(dataset), "--mean-image", one, "--contact-sheet", one]) == 2
    assert not (tmp_path / "one.png").exists()
    assert list(verify(dataset)) == []


def test_pictures_may_be_put_where_those_of_the_dataset_are_and_are_the_same(dataset: Path) -> None:
    places = {name: dataset / f"{name}.png" for name in ("contact-sheet", "mean-image")}
    prepared = {name: path.read_bytes() for name, path in places.items()}
    for path in places.values():
        path.unlink()
    named = [part for name, path in places.items() for part in (f"--{name}", str(path))]
    assert run(["inspect", str(dataset), *named]) == 0
    assert {name: path.read_bytes() for name, path in places.items()} == prepared


def test_verify_counts_the_photos_of_each_class_whatever_the_manifest_says(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = dataset / "manifest.json"
    manifest = json.loads(path.read_text())
    assert manifest["splits"]["train"]["class_counts"] == [6, 6]
    manifest["splits"]["train"]["class_counts"] = [5, 7]
    path.write_text(json.dumps(manifest))
    assert run(["inspect", str(dataset), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["class_counts"]["train"] == {"circle": 6, "square": 6}
    assert run(["inspect", str(dataset), "--verify"]) == 3
    assert "manifest.json says otherwise how many photos of each class train has" in capsys.readouterr().err
    for split in manifest["splits"].values():
        del split["class_counts"]
    path.write_text(json.dumps(manifest))
    assert run(["inspect", str(dataset), "--verify"]) == 0


def test_damage_is_reported_and_no_picture_made_of_it(
    dataset: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flip(dataset / "train-00001.beton", -1)
    assert run(["inspect", str(dataset), "--verify", "--json", *options(pictures)]) == 3
    printed = capsys.readouterr()
    answer = json.loads(printed.out)
    assert [fault["file"] for fault in answer["faults"]] == ["train-00001.beton"]
    assert {"contact_sheet", "mean_image"}.isdisjoint(answer)
    assert "train-00001.beton" in printed.err
    assert list(pictures.iterdir()) == []


@pytest.mark.parametrize("place", [100, -1])
def test_damage_is_found_before_a_picture_is_made_without_being_asked(
    dataset: Path, pictures: Path, capsys: pytest.CaptureFixture[str], place: int
) -> None:
    flip(dataset / "train-00000.beton", place)
    assert run(["inspect", str(dataset), *options(pictures)]) == 3
    assert "train-00000.beton" in capsys.readouterr().err
    assert list(pictures.iterdir()) == []


@pytest.mark.parametrize("place", [0, 4, 20, 25, 3200, 5000, 8 * 2**20 + 300, -1])
def test_verify_names_the_shard_whatever_part_of_it_changed(
    dataset: Path, capsys: pytest.CaptureFixture[str], place: int
) -> None:
    for shard in Manifest.load(dataset).splits["train"].shards:
        flip(dataset / shard.file, place)
        assert run(["inspect", str(dataset), "--verify"]) == 3
        error = capsys.readouterr().err
        assert shard.file in error
        assert error.count("\n") == 1
        flip(dataset / shard.file, place)
    assert run(["inspect", str(dataset), "--verify"]) == 0


def test_verify_counts_the_lines_of_the_ledger(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (dataset / "quarantine.jsonl").write_text("")
    assert run(["inspect", str(dataset)]) == 0
    capsys.readouterr()
    assert run(["inspect", str(dataset), "--verify"]) == 3
    assert "quarantine.jsonl has 0 lines instead of 1" in capsys.readouterr().err
