"""Squares as FFCV's own writer stores them with this field, read back with FFCV's own reader."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys

import numpy as np
import pytest
import simplejpeg
import xxhash
from ffcv.fields import IntField, RGBImageField
from ffcv.reader import Reader
from ffcv.writer import DatasetWriter
from PIL import Image

from pipeline.shards.image_field import Square, square_field

SIZE = 64

# FFCV's writer forks its worker.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def write(path, field, images):
    samples = [(image, index) for index, image in enumerate(images)]
    fields = {"image": field, "label": IntField()}
    DatasetWriter(str(path), fields, num_workers=1).from_indexed_dataset(samples)
    return Reader(str(path))


def stored(reader, path):
    """The bytes of each sample's image."""
    sizes = {int(row["ptr"]): int(row["size"]) for row in reader.alloc_table}
    content = path.read_bytes()
    return [content[int(at) : int(at) + sizes[int(at)]] for at in reader.metadata["f0"]["data_ptr"]]


def decoded(jpeg):
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))


def sampling_factors(jpeg):
    """(horizontal, vertical) of each component, from the JPEG's frame header."""
    place = 2
    while jpeg[place + 1] not in (0xC0, 0xC1, 0xC2):
        place += 2 + int.from_bytes(jpeg[place + 2 : place + 4])
    components = jpeg[place + 10 : place + 10 + 3 * jpeg[place + 9]]
    return [divmod(components[index], 16) for index in range(1, len(components), 3)]


def field(quality=90, subsampling="4:2:0"):
    return square_field(jpeg_quality=quality, chroma_subsampling=subsampling)


def chroma_error(subsampling, tmp_path):
    """Mean error of stripes two pixels wide whose colours are alike in brightness."""
    stripes = np.empty((SIZE, SIZE, 3), np.uint8)
    stripes[:] = (230, 30, 30)
    stripes[:, [column for column in range(SIZE) if column // 2 % 2]] = (0, 120, 60)
    path = tmp_path / f"{subsampling[-1]}.beton"
    reader = write(path, field(95, subsampling), [Square(stripes, raw=False)])
    return np.abs(decoded(stored(reader, path)[0]).astype(int) - stripes).mean()


def test_stock_reader_finds_jpegs_of_the_pixels(photos, tmp_path):
    pixels = [photos.pixels(seed, SIZE, SIZE) for seed in range(5)]
    path = tmp_path / "jpg.beton"
    reader = write(path, field(), [Square(square, raw=False) for square in pixels])
    assert [type(handler) for handler in reader.handlers.values()] == [RGBImageField, IntField]
    assert reader.metadata["f1"].tolist() == [0, 1, 2, 3, 4]
    for jpeg, square in zip(stored(reader, path), pixels, strict=True):
        assert np.abs(decoded(jpeg).astype(int) - square).mean() < 3


def test_raw_and_jpeg_stand_side_by_side_as_the_caller_chose(photos, tmp_path):
    pixels = [photos.pixels(seed, SIZE, SIZE) for seed in range(4)]
    path = tmp_path / "both.beton"
    reader = write(path, field(), [Square(square, raw=index % 2 == 1) for index, square in enumerate(pixels)])
    assert reader.metadata["f0"]["mode"].tolist() == [0, 1, 0, 1]
    contents = stored(reader, path)
    for index in (1, 3):
        assert np.array_equal(np.frombuffer(contents[index], np.uint8).reshape(SIZE, SIZE, 3), pixels[index])
    for index in (0, 2):
        assert decoded(contents[index]).shape == (SIZE, SIZE, 3)


def test_file_of_raw_squares_is_the_stock_fields_to_the_byte(photos, tmp_path):
    pixels = [photos.pixels(seed, SIZE, SIZE) for seed in range(3)]
    ours, stock = tmp_path / "ours.beton", tmp_path / "stock.beton"
    write(ours, field(), [Square(square, raw=True) for square in pixels])
    write(stock, RGBImageField(write_mode="raw"), pixels)
    assert ours.read_bytes() == stock.read_bytes()


def test_metadata_of_jpegs_is_the_stock_fields_but_for_their_lengths(photos, tmp_path):
    pixels = [photos.pixels(seed, SIZE, SIZE) for seed in range(3)]
    ours = write(tmp_path / "ours.beton", field(), [Square(square, raw=False) for square in pixels])
    stock = write(tmp_path / "stock.beton", RGBImageField(write_mode="jpg"), pixels)
    assert ours.metadata.dtype == stock.metadata.dtype
    for name in ("mode", "width", "height"):
        assert np.array_equal(ours.metadata["f0"][name], stock.metadata["f0"][name])


@pytest.mark.parametrize(("subsampling", "factors"), [("4:2:0", (2, 2)), ("4:4:4", (1, 1))])
def test_jpegs_have_the_sampling_factors_asked_for(photos, tmp_path, subsampling, factors):
    path = tmp_path / "sampled.beton"
    squares = [Square(photos.pixels(1, SIZE, SIZE), raw=False)]
    reader = write(path, field(subsampling=subsampling), squares)
    assert sampling_factors(stored(reader, path)[0]) == [factors, (1, 1), (1, 1)]


def test_full_chroma_keeps_coloured_stripes_apart(tmp_path):
    assert chroma_error("4:4:4", tmp_path) < chroma_error("4:2:0", tmp_path) / 4


def test_quality_is_the_one_asked_for(photos, tmp_path):
    squares = [Square(photos.pixels(2, SIZE, SIZE), raw=False)]
    lengths = []
    for quality in (30, 90, 100):
        path = tmp_path / f"{quality}.beton"
        lengths.append(len(stored(write(path, field(quality), squares), path)[0]))
    assert lengths == sorted(set(lengths))


def test_samples_that_fill_more_than_a_page_are_all_there(tmp_path):
    rng = np.random.default_rng(3)
    pixels = [rng.integers(0, 256, (800, 800, 3), dtype=np.uint8) for _ in range(7)]
    path = tmp_path / "pages.beton"
    reader = write(path, field(), [Square(square, raw=True) for square in pixels])
    for content, square in zip(stored(reader, path), pixels, strict=True):
        assert content == square.tobytes()


def test_field_survives_pickling(photos, tmp_path):
    squares = [Square(photos.pixels(4, SIZE, SIZE), raw=False)]
    write(tmp_path / "first.beton", field(), squares)
    write(tmp_path / "again.beton", pickle.loads(pickle.dumps(field())), squares)
    assert (tmp_path / "first.beton").read_bytes() == (tmp_path / "again.beton").read_bytes()


def test_jpegs_end_with_their_checksum_which_decoders_do_not_see(photos, tmp_path):
    path = tmp_path / "sealed.beton"
    reader = write(path, field(), [Square(photos.pixels(seed, SIZE, SIZE), raw=False) for seed in range(5)])
    for content in stored(reader, path):
        jpeg, checksum = content[:-8], content[-8:]
        assert jpeg.endswith(b"\xff\xd9")
        assert int.from_bytes(checksum, "little") == xxhash.xxh3_64_intdigest(jpeg)
        assert np.array_equal(decoded(content), decoded(jpeg))
        strict = [simplejpeg.decode_jpeg(each, "RGB", strict=True) for each in (content, jpeg)]
        assert np.array_equal(*strict)


def test_stock_loader_shows_the_pixels_of_checked_jpegs(photos, tmp_path):
    path = tmp_path / "sealed.beton"
    reader = write(path, field(), [Square(photos.pixels(seed, SIZE, SIZE), raw=False) for seed in range(5)])
    script = """
import sys
import numpy as np
from ffcv.loader import Loader, OrderOption
(images, labels), = Loader(sys.argv[1], batch_size=5, num_workers=1, order=OrderOption.SEQUENTIAL)
np.save(sys.argv[2], images.numpy())
"""
    found = tmp_path / "found.npy"
    command = [sys.executable, "-c", script, str(path), str(found)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    for pixels, content in zip(np.load(found), stored(reader, path), strict=True):
        assert np.array_equal(pixels, simplejpeg.decode_jpeg(content, "RGB", fastdct=True))
