"""The fingerprint of a file's bytes."""

from __future__ import annotations

from pathlib import Path

import xxhash


def file_checksum(path: Path) -> str:
    """xxh3_128 of the file, in hex."""
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
