"""Readable names of classes, from a JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pipeline.errors import BadSourceError
from pipeline.photos.files import Files


def read_class_names(files: Files, path: str) -> Mapping[str, str]:
    """Class id to name; raises `BadSourceError` for anything but a JSON object of printable names."""
    with files.open(path) as file:
        try:
            names = json.loads(file.read().decode("utf-8"))
        except ValueError as error:
            raise BadSourceError(f"{files.location}/{path} is not readable JSON: {error}") from error
    if not isinstance(names, dict) or not all(is_printable(name) for name in names.values()):
        raise BadSourceError(f"{files.location}/{path} does not map class ids to names that can be printed")
    return names


def name_of(class_id: str, names: Mapping[str, str]) -> str:
    """A class's readable name; its id where it has none. A number's zeros may be left out among the names."""
    number = str(int(class_id)) if class_id.isascii() and class_id.isdecimal() else class_id
    return names.get(class_id, names.get(number, class_id))


def is_printable(name: object) -> bool:
    return isinstance(name, str) and bool(name) and name.isprintable()
