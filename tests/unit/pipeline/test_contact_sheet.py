"""The contact sheet and the mean image: what people are shown of a dataset is what is stored in it."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import simplejpeg
from ffcv.reader import Reader
from PIL import Image

from pipeline.batches.contact_sheet import contact_sheet, evenly, mean_image
from pipeline.config import PrepareConfig
from pipeline.errors import BadDatasetError
from pipeline.shards.manifest import Manifest

PHOTOS_PER_CLASS = 16
BIGGEST_PHOTO = 96
NUM_COLOURS = 150


@pytest.fixture
def dataset(prepared, tmp_path):
    """A copy to do harm to."""
    return shutil.copytree(prepared.path, tmp_path / "pets")


def change(dataset, edit):
    path = dataset / "manifest.json"
    manifest = json.loads(path.read_text())
    edit(manifest)
    path.write_text(json.dumps(manifest))


def training_photos(path):
    """Every training photo in the order of the shards, decoded without the reader: (shard, label, pixels)."""
    for shard in Manifest.load(path).splits["train"].shards:
        content = (path / shard.file).read_bytes()
        reader = Reader(str(path / shard.file))
        for row, (_, start, size) in zip(reader.metadata, reader.alloc_table, strict=True):
            data = content[int(start) : int(start) + int(size)]
            yield shard.file, int(row["f1"]), simplejpeg.decode_jpeg(data, "RGB", fastdct=True)


def shown_photos(path):
    """Those of them that belong on a sheet, by label, and the names of the shards they are in."""
    by_label, shards = {}, set()
    for shard, label, pixels in training_photos(path):
        photos = by_label.setdefault(label, [])
        if len(photos) < PHOTOS_PER_CLASS:
            photos.append(pixels)
            shards.add(shard)
    return by_label, shards


def place_of(sheet, photo):
    """Where on the sheet a photo is, pixel for pixel: (top, left)."""
    height, width, _ = photo.shape
    first = photo[0].tobytes()
    for top in range(len(sheet) - height + 1):
        at = sheet[top].tobytes().find(first)
        if at >= 0 and np.array_equal(sheet[top : top + height, at // 3 : at // 3 + width], photo):
            return top, at // 3
    return None


def test_each_class_has_a_row_of_its_first_training_photos_in_the_order_of_the_shards(prepared):
    sheet = contact_sheet(prepared.path)
    by_label, _ = shown_photos(prepared.path)
    places = {label: [place_of(sheet, photo) for photo in photos] for label, photos in by_label.items()}
    assert all(len(of_class) == PHOTOS_PER_CLASS and None not in of_class for of_class in places.values())
    for of_class in places.values():
        assert len({top for top, _ in of_class}) == 1
        assert of_class == sorted(of_class)
    assert [places[label][0] for label in sorted(places)] == sorted(row[0] for row in places.values())


def test_photos_beyond_a_row_are_not_shown(prepared):
    sheet = contact_sheet(prepared.path)
    seen = dict.fromkeys(range(3), 0)
    for _, label, pixels in training_photos(prepared.path):
        seen[label] += 1
        assert (place_of(sheet, pixels) is not None) == (seen[label] <= PHOTOS_PER_CLASS)
    assert min(seen.values()) > PHOTOS_PER_CLASS


def test_mean_image_is_the_rounded_mean_of_the_training_photos_and_is_on_the_sheet(prepared):
    mean = mean_image(prepared.path)
    with np.load(prepared.path / "statistics.npz") as stored:
        exact = stored["mean_image"]
    assert mean.dtype == np.uint8
    assert np.abs(mean - exact).max() <= 0.5
    sheet = contact_sheet(prepared.path)
    by_label, _ = shown_photos(prepared.path)
    assert place_of(sheet, mean) < place_of(sheet, by_label[0][0])


def test_sheet_depends_on_the_dataset_and_not_on_when_it_was_made(dataset):
    sheet = contact_sheet(dataset)
    change(dataset, lambda manifest: manifest.update(created_at="2001-01-01T00:00:00Z"))
    assert np.array_equal(contact_sheet(dataset), sheet)


@pytest.mark.parametrize(
    "name",
    ["x" * 5000, "三毛猫 кошка עברית", "a\u0301\u200b\U0001f600", "\u0301", "two\nlines\x00", "%s {0}"],
)
def test_names_of_any_kind_stay_in_their_place(dataset, name):
    before = contact_sheet(dataset)
    by_label, _ = shown_photos(dataset)
    _, left = place_of(before, by_label[1][0])
    change(dataset, lambda manifest: manifest["classes"][1].update(name=name))
    after = contact_sheet(dataset)
    assert after.shape == before.shape
    changed = np.argwhere((after != before).any(axis=2))
    rows = [place_of(before, by_label[label][0])[0] for label in (1, 2)]
    assert len(changed)
    assert rows[0] <= changed[:, 0].min()
    assert changed[:, 0].max() < rows[1]
    assert changed[:, 1].max() < left

    change(dataset, lambda manifest: manifest.update(name=name))
    titled = contact_sheet(dataset)
    changed = np.argwhere((titled != after).any(axis=2))
    assert len(changed)
    assert changed[:, 0].max() < place_of(before, by_label[0][0])[0]
    assert changed[:, 1].max() < titled.shape[1] - 1


def test_accents_are_left_out_and_not_the_letters_below_them(dataset):
    sheets = []
    for name in ("Crème brûlée", "Creme brulee"):
        change(dataset, lambda manifest, name=name: manifest["classes"][1].update(name=name))
        sheets.append(contact_sheet(dataset))
    assert np.array_equal(*sheets)


def test_class_without_training_photos_has_an_empty_row(dataset):
    before = contact_sheet(dataset)

    def add_yak(manifest):
        manifest["classes"].append({"index": 3, "id": "yak", "name": "yak"})
        for split in manifest["splits"].values():
            split["class_counts"].append(0)

    change(dataset, add_yak)
    after = contact_sheet(dataset)
    by_label, _ = shown_photos(dataset)
    top, left = place_of(after, by_label[2][0])
    row_height = len(after) - len(before)
    assert row_height > 0
    assert (after[top + row_height :, left:] == 255).all()
    assert (after[top + row_height :, :left] < 255).any()


def test_dataset_without_training_photos_has_a_sheet_of_names(dataset):
    change(dataset, lambda manifest: manifest["splits"].pop("train"))
    sheet = contact_sheet(dataset)
    assert sheet.dtype == np.uint8
    assert place_of(sheet, mean_image(dataset)) is not None


def test_nothing_is_drawn_from_a_damaged_shard_and_others_do_not_matter(dataset):
    _, shown = shown_photos(dataset)
    for shard in sorted(dataset.glob("*.beton")):
        content = shard.read_bytes()
        middle = int(Reader(str(shard)).alloc_table["ptr"][0]) + 300
        shard.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        if shard.name in shown:
            with pytest.raises(BadDatasetError, match=f"{shard.name} has checksum"):
                contact_sheet(dataset)
        else:
            contact_sheet(dataset)
        shard.write_bytes(content)
    assert shown
    (dataset / "statistics.npz").write_bytes(b"other")
    for draw in (contact_sheet, mean_image):
        with pytest.raises(BadDatasetError, match=r"statistics\.npz has checksum"):
            draw(dataset)


def colour(index):
    return index, 200, (7 * index) % 256


@pytest.fixture(scope="module")
def colours(run_prepare, tmp_path_factory):
    """Many classes, each of one colour, as large raw photos; the first of fine black and white dots."""
    source = tmp_path_factory.mktemp("colours")
    size = 2 * BIGGEST_PHOTO
    for index in range(NUM_COLOURS):
        for split in ("train", "val"):
            folder = source / split / f"{index:03d}"
            folder.mkdir(parents=True)
            Image.new("RGB", (size, size), colour(index)).save(folder / "0.png")
    dots = 255 * (np.indices((size, size)).sum(axis=0) % 2).astype(np.uint8)
    Image.fromarray(np.stack([dots] * 3, axis=2)).save(source / "train" / "000" / "0.png")
    out = tmp_path_factory.mktemp("datasets") / "colours"
    run_prepare(source, out, PrepareConfig(image_size=size, write_mode="raw", shard_size=1000, workers=2))
    return out


def test_of_many_classes_an_even_choice_is_shown_within_the_limits(colours):
    sheet = contact_sheet(colours)
    height, width, _ = sheet.shape
    assert height <= 4000
    assert width <= 2000
    found, counts = np.unique(sheet.reshape(-1, 3), axis=0, return_counts=True)
    areas = dict(zip(map(tuple, found.tolist()), counts.tolist(), strict=True))
    shown = [0] + [index for index in range(1, NUM_COLOURS) if colour(index) in areas]
    assert {areas[colour(index)] for index in shown[1:]} == {BIGGEST_PHOTO**2}
    steps = np.diff([*shown, NUM_COLOURS])
    assert len(shown) > 30
    assert steps.max() - steps.min() <= 1


def test_large_photos_are_averaged_as_they_become_small(colours):
    sheet = contact_sheet(colours)
    grey = (np.abs(sheet.astype(int) - 127.5) < 4).all(axis=2)
    assert grey.sum() >= 0.8 * BIGGEST_PHOTO**2


@pytest.mark.parametrize(("count", "limit"), [(0, 5), (1, 5), (5, 5), (6, 5), (1000, 37), (38, 37)])
def test_an_even_choice_is_of_the_size_asked_for_and_has_no_doubles(count, limit):
    chosen = evenly(count, limit)
    assert len(chosen) == len(set(chosen)) == min(count, limit)
    assert chosen == sorted(chosen)
    assert all(0 <= number < count for number in chosen)
