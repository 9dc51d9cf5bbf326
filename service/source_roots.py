"""The folders and prefixes in object storage that a server with tokens may read photos from."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath


def parse_roots(text: str) -> tuple[str, ...]:
    """Roots separated by ':', which also stands in a URL's scheme; local ones are resolved."""
    return tuple(resolved(root) for root in re.split(r":(?!//)", text) if root)


def resolved(location: str) -> str:
    """A URL as it stands; a path absolute, its links followed."""
    return location if "://" in location else str(Path(location).expanduser().resolve())


def is_below(location: str, roots: Iterable[str]) -> bool:
    """Whether a path or URL is one of the roots or lies below one."""
    place = PurePosixPath(resolved(location))
    # In a URL, nothing has taken the ".." out.
    return ".." not in place.parts and any(place.is_relative_to(root) for root in roots)
