"""Photos on their way to a server."""

from __future__ import annotations

from pathlib import Path

Photo = Path | str | bytes
"""A path to an image file, or the bytes of one."""

Upload = tuple[str, bytes, str]
"""A multipart file: its name, its bytes, its media type."""

_MAGIC = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)


def upload(photo: Photo) -> Upload:
    """A photo as the server takes it. Raises OSError when a path cannot be read."""
    if isinstance(photo, bytes):
        return "photo", photo, media_type(photo)
    path = Path(photo)
    data = path.read_bytes()
    return path.name, data, media_type(data)


def media_type(data: bytes) -> str:
    """What the first bytes say the file is: a name may lie, and ImageNet's do."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _MAGIC if data.startswith(magic)), "application/octet-stream")
