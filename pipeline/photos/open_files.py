"""From a path or URL to the files below it."""

from __future__ import annotations

from pathlib import Path

from pipeline.photos.files import Files
from pipeline.photos.local_files import LocalFiles
from pipeline.photos.remote_files import RemoteFiles


def open_files(location: str) -> Files:
    """The files below a folder or prefix; nothing is looked at yet.

    Raises `BadSourceError` for a URL that is neither s3:// nor gs://.
    """
    if "://" in location:
        return RemoteFiles(location)
    return LocalFiles(Path(location).expanduser().absolute())


def parent_and_name(location: str) -> tuple[str, str]:
    """The folder a path or URL lies in, and its own name; a bucket's own URL has no name."""
    if "://" not in location:
        path = Path(location).expanduser().absolute()
        return str(path.parent), path.name
    scheme, _, rest = location.rstrip("/").partition("://")
    parent, slash, name = rest.rpartition("/")
    return (f"{scheme}://{parent}", name) if slash else (f"{scheme}://{rest}", "")
