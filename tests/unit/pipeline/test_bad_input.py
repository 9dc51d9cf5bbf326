"""A source with everything in it that goes wrong: each bad photo on the ledger, each good one stored."""

from __future__ import annotations

import io
import json
import os
import struct
import zlib

import numpy as np
import pytest
from ffcv.reader import Reader
from PIL import Image

from pipeline.config import PrepareConfig
from pipeline.shards.manifest import Manifest
from pipeline.shards.verify import verify


def saved(image, form, **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def png_bomb():
    """A few bytes that claim to be 60,000 pixels wide and high."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"")
    chunks = [
        struct.pack(">I", len(each) - 4) + each + struct.pack(">I", zlib.crc32(each))
        for each in (header, data)
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.fixture
def source(photos, tmp_path):
    """Good photos of every odd kind, and bad files with the reason each is to get."""
    folder = tmp_path / "source"
    pixels = photos.pixels(1, 64, 80)
    image = Image.fromarray(pixels)
    jpeg = photos.encode(pixels)
    red, blue = (Image.new("RGB", (40, 40), colour) for colour in ("red", "blue"))
    good = {
        "1×1.png": saved(Image.new("RGB", (1, 1)), "PNG"),
        "1×20000.png": saved(Image.new("L", (1, 20_000)), "PNG"),
        "wide.jpg": saved(Image.new("RGB", (65_500, 40), "green"), "JPEG"),
        "cmyk.jpg": saved(image.convert("CMYK"), "JPEG"),
        "grey.jpg": saved(image.convert("L"), "JPEG"),
        "palette.png": saved(image.quantize(16), "PNG"),
        "alpha.png": saved(image.convert("RGBA"), "PNG"),
        "sixteen.png": saved(Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64)), "PNG"),
        "animated.gif": saved(red, "GIF", save_all=True, append_images=[blue]),
        "progressive.jpg": saved(image, "JPEG", progressive=True),
        "really-a.png.JPEG": saved(image, "PNG"),
        "line\nbreak.jpg": jpeg,
        os.fsdecode(b"caf\xe9.jpg"): jpeg,
        "linked.jpg": "grey.jpg",
    }
    bad = {
        "zero.jpg": (b"", "empty"),
        "text.jpg": (b"these are words\n", "not_an_image"),
        "bomb.png": (png_bomb(), "too_many_pixels"),
        "float.tiff": (saved(Image.new("F", (8, 8)), "TIFF"), "unsupported_pixels"),
        "nowhere.jpg": ("absent.jpg", "unreadable"),
        "outside.jpg": ("/etc/hostname", "outside_source"),
        os.fsdecode(b"bad\n\xff.jpg"): (b"words", "not_an_image"),
    }
    bad |= {f"cut-{tenth}.jpg": (jpeg[: len(jpeg) * tenth // 10], "corrupt") for tenth in range(1, 10)}
    (folder / "a").mkdir(parents=True)
    for name, content in [*good.items(), *((name, content) for name, (content, _) in bad.items())]:
        if isinstance(content, str):
            (folder / "a" / name).symlink_to(content)
        else:
            (folder / "a" / name).write_bytes(content)
    return folder, len(good), {f"a/{name}": reason for name, (_, reason) in bad.items()}


def test_every_bad_photo_gets_its_reason_and_every_good_one_is_stored(source, run_prepare, tmp_path):
    folder, num_good, reasons = source
    out = tmp_path / "out"
    run_prepare(folder, out, PrepareConfig(image_size=32, workers=2, shard_size=8, max_quarantine=1))
    ledger = [json.loads(line) for line in (out / "quarantine.jsonl").read_text("ascii").splitlines()]
    assert {line["path"]: line["reason"] for line in ledger} == reasons
    manifest = Manifest.load(out)
    assert (manifest.splits["train"].num_samples, manifest.quarantined) == (num_good, len(reasons))
    stored = [Reader(str(out / shard.file)).metadata["f2"] for shard in manifest.splits["train"].shards]
    assert len(set(np.concatenate(stored).tolist())) == num_good
    assert list(verify(out)) == []
