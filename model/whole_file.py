"""A file that is there whole or not at all."""

from __future__ import annotations

from pathlib import Path

from model.whole_folder import bring_to_disk


def write_whole_file(path: Path, text: str) -> None:
    """Puts a text in the place of what the file held, and on the disk. The file has one writer.

    A kill may leave `.<name>` beside it.
    """
    aside = path.with_name(f".{path.name}")
    aside.write_text(text, encoding="utf-8")
    bring_to_disk(aside)
    aside.replace(path)
    bring_to_disk(path.parent)
