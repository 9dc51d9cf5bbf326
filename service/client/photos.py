"""Photos on their way to a server."""

from __future__ import annotations

from pathlib import Path

from service.domain.image_type import image_type

Photo = Path | str | bytes
"""A path to an image file, or the bytes of one."""

Upload = tuple[str, bytes, str]
"""A multipart file: its name, its bytes, its media type."""


def upload(photo: Photo) -> Upload:
    """A photo as the server takes it. Raises OSError when a path cannot be read."""
    name, data = (
        ("photo", photo) if isinstance(photo, bytes) else (Path(photo).name, Path(photo).read_bytes())
    )
    return name, data, image_type(data) or "application/octet-stream"
