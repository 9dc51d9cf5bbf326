"""Photos that are odd or bad, made by code, and the reason with which each bad one is to be refused."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Final

import numpy as np
from PIL import Image

SIZE: Final = 32
"""The side of most of them."""


def smooth(height: int = SIZE, width: int = SIZE, seed: int = 0, channels: int = 3) -> Image.Image:
    blobs = np.random.default_rng(seed).integers(0, 256, (4, 4, channels), dtype=np.uint8)
    image = Image.fromarray(blobs if channels > 1 else blobs[..., 0])
    return image.resize((width, height), Image.Resampling.BICUBIC)


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def patched(data: bytes, place: int, value: bytes) -> bytes:
    return data[:place] + value + data[place + len(value) :]


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    """`rows` with a filter byte before each; `extra` are chunks between header and pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = (png_chunk(b"IHDR", header), *extra, png_chunk(b"IDAT", zlib.compress(rows)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + png_chunk(b"IEND", b"")


def sixteen_bits(channels: int) -> np.ndarray:
    values = np.random.default_rng(channels).integers(0, 2**16, (SIZE, SIZE, channels), dtype=np.uint16)
    if channels in (2, 4):
        values[..., -1] = 2**16 - 1
    return values


def sixteen_bit_png(channels: int, *extra: bytes) -> bytes:
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in sixteen_bits(channels))
    return png(SIZE, SIZE, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], rows, *extra)


def ycck() -> bytes:
    """A JPEG as programs for print write them: inks inverted, then turned into brightness and colour."""
    inks = 255 - np.asarray(smooth())
    planes = np.asarray(Image.fromarray(inks).convert("YCbCr"))
    stored = np.dstack([planes, np.full((SIZE, SIZE), 255, np.uint8)])
    # Pillow inverts what it writes, and says that it is CMYK.
    data = saved(Image.fromarray(255 - stored, "CMYK"), "JPEG", quality=98, subsampling=0)
    return patched(data, data.index(b"Adobe") + 11, b"\x02")


def jpeg_of_size(width: int, height: int) -> bytes:
    """A JPEG that says it is larger than it is."""
    data = saved(smooth(), "JPEG")
    return patched(data, data.index(b"\xff\xc0") + 5, struct.pack(">HH", height, width))


def tiff_with(tags: dict[int, int], image: Image.Image | None = None) -> bytes:
    """A TIFF whose header says otherwise than its pixels: values by tag."""
    data = saved(smooth() if image is None else image, "TIFF")
    directory = int.from_bytes(data[4:8], "little")
    for entry in range(
        directory + 2, directory + 2 + 12 * int.from_bytes(data[directory : directory + 2], "little"), 12
    ):
        tag, kind = struct.unpack("<HH", data[entry : entry + 4])
        if tag in tags:
            data = patched(data, entry + 8, struct.pack("<H" if kind == 3 else "<I", tags[tag]))
    return data


def tiff_with_giant_second_page() -> bytes:
    data = saved(smooth(), "TIFF", save_all=True, append_images=[smooth(seed=1)])
    second = int.from_bytes(data[4:8], "little")
    second += 2 + 12 * int.from_bytes(data[second : second + 2], "little")
    second = int.from_bytes(data[second : second + 4], "little")
    assert struct.unpack("<H", data[second + 2 : second + 4]) == (256,)
    for entry in (second + 2, second + 14):
        kind = struct.unpack("<H", data[entry + 2 : entry + 4])
        data = patched(data, entry + 8, struct.pack("<H" if kind == (3,) else "<I", 65_000))
    return data


def animation(form: str, **options: object) -> bytes:
    return saved(smooth(), form, save_all=True, append_images=[smooth(seed=1)], **options)


def gif_with_giant_second_picture() -> bytes:
    data = animation("GIF")
    first = data.index(b"\x2c\0\0\0\0")
    return patched(data, data.index(b"\x2c\0\0\0\0", first + 1) + 5, b"\xff\xff\xff\xff")


def gif_whose_picture_is_larger_than_its_canvas() -> bytes:
    data = saved(smooth(), "GIF")
    return patched(data, data.index(b"\x2c\0\0\0\0") + 5, b"\xff\xff\xff\xff")


def webp_of_canvas(side: int) -> bytes:
    data = animation("WEBP")
    return patched(data, data.index(b"VP8X") + 12, 2 * (side - 1).to_bytes(3, "little"))


def mpo_whose_second_picture_breaks_off() -> bytes:
    data = saved(smooth(), "MPO", save_all=True, append_images=[smooth(seed=1)], quality=95)
    return data[: data.rindex(b"\xff\xda") + 30]


def damaged_png() -> bytes:
    data = saved(smooth(64, 64), "PNG")
    return patched(data, data.index(b"IDAT") + 40, b"\x55" * 8)


def damaged_jpeg() -> bytes:
    """Sixteen bytes in the middle of the pixels that mean nothing."""
    data = saved(smooth(128, 128), "JPEG", quality=95)
    return patched(data, (data.index(b"\xff\xda") + len(data)) // 2, b"\xff\x00" * 8)


def jpeg_of_scans(scans: int) -> bytes:
    """A progressive one, whose last scan comes again and again."""
    data = saved(smooth(), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * (scans - data.count(b"\xff\xda")) + data[-2:]


def tiled_tiff(side: int, tile: int) -> bytes:
    """A red square in one tile of so many pixels a side."""
    pixels = zlib.compress(bytes((200, 30, 30)) * tile * tile)
    short, long, rgb, deflate = 3, 4, 2, 8
    fields = 10
    depths_at = 8 + 2 + 12 * fields + 4
    pixels_at = depths_at + 6
    directory = [
        struct.pack("<HHIHxx", number, short, 1, value) for number, value in ((256, side), (257, side))
    ]
    directory.append(struct.pack("<HHII", 258, short, 3, depths_at))
    directory += [
        struct.pack("<HHIHxx", number, short, 1, value)
        for number, value in ((259, deflate), (262, rgb), (277, 3), (322, tile), (323, tile))
    ]
    directory += [
        struct.pack("<HHII", number, long, 1, value)
        for number, value in ((324, pixels_at), (325, len(pixels)))
    ]
    head = b"II*\0" + struct.pack("<IH", 8, len(directory))
    return head + b"".join(directory) + bytes(4) + struct.pack("<HHH", 8, 8, 8) + pixels


REFUSED: Final[dict[str, tuple[Callable[[], bytes], str]]] = {
    "nothing": (lambda: b"", "empty"),
    "one byte": (lambda: b"\xff", "not_an_image"),
    "zeros": (lambda: bytes(1000), "not_an_image"),
    "words": (lambda: b"words, and no photo", "not_an_image"),
    "web page": (lambda: b"<!DOCTYPE html><html>404</html>", "not_an_image"),
    "drawing": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not_an_image"),
    "PostScript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not_an_image"),
    "PDF": (lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "not_an_image"),
    "HEIC": (lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100), "not_an_image"),
    "archive": (lambda: b"PK\x03\x04" + bytes(60), "not_an_image"),
    "JPEG of markers alone": (lambda: b"\xff\xd8\xff\xe0 and then nothing of use", "corrupt"),
    "JPEG without rows": (lambda: jpeg_of_size(SIZE, 0), "corrupt"),
    "JPEG without columns": (lambda: jpeg_of_size(0, SIZE), "corrupt"),
    "JPEG with fewer rows than it says": (lambda: jpeg_of_size(SIZE, 4 * SIZE), "corrupt"),
    "JPEG without its end marker": (lambda: saved(smooth(), "JPEG")[:-2], "corrupt"),
    "JPEG with half its end marker": (lambda: saved(smooth(), "JPEG")[:-1], "corrupt"),
    "JPEG damaged in its pixels": (damaged_jpeg, "corrupt"),
    "PNG without columns": (lambda: png(0, SIZE, 8, 2, b""), "corrupt"),
    "PNG without pixels": (lambda: png(SIZE, SIZE, 8, 2, b""), "corrupt"),
    "PNG damaged in its pixels": (damaged_png, "corrupt"),
    "PNG of a depth that does not exist": (lambda: png(SIZE, SIZE, 5, 2, bytes(3200)), "corrupt"),
    "GIF without a canvas": (lambda: b"GIF89a" + bytes(7) + b";", "corrupt"),
    "WebP of another length than it says": (lambda: saved(smooth(), "WEBP")[:-40], "corrupt"),
    "JPEG bomb": (lambda: jpeg_of_size(65_500, 65_500), "too_many_pixels"),
    "PNG bomb": (lambda: png(60_000, 60_000, 8, 2, bytes(10)), "too_many_pixels"),
    "PNG bomb of one bit": (lambda: png(2**31 - 1, 2**31 - 1, 1, 0, bytes(10)), "too_many_pixels"),
    "GIF bomb": (lambda: patched(saved(smooth(), "GIF"), 6, b"\xff\xff\xff\xff"), "too_many_pixels"),
    "GIF bomb in its first picture": (gif_whose_picture_is_larger_than_its_canvas, "too_many_pixels"),
    "BMP bomb": (
        lambda: patched(saved(smooth(), "BMP"), 18, struct.pack("<ii", 60_000, 60_000)),
        "too_many_pixels",
    ),
    "PPM bomb": (lambda: b"P6 60000 60000 255\n" + bytes(100), "too_many_pixels"),
    "TIFF bomb": (lambda: tiff_with({256: 60_000, 257: 60_000}), "too_many_pixels"),
    "WebP bomb": (lambda: webp_of_canvas(16_383), "too_many_pixels"),
    "JPEG of too many scans": (lambda: jpeg_of_scans(101), "too_many_scans"),
    "TIFF of floats": (lambda: saved(Image.new("F", (8, 8)), "TIFF"), "unsupported_pixels"),
    "TIFF of 32-bit integers": (lambda: saved(Image.new("I", (8, 8)), "TIFF"), "unsupported_pixels"),
    "TIFF of 16 bits whose 0 is white": (
        lambda: tiff_with({262: 0}, Image.fromarray(sixteen_bits(1)[..., 0])),
        "unsupported_pixels",
    ),
}
