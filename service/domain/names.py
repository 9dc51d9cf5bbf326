"""Names that become folder names: of datasets, models and aliases."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints, WithJsonSchema

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
VERSION_PATTERN = r"^[1-9][0-9]{0,8}$"
HIGHEST_VERSION = 999_999_999

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""Letters, digits, dot, dash and underscore; no slash and no leading dot, so it stays inside its folder."""


def is_version_number(text: str) -> bool:
    return re.fullmatch(VERSION_PATTERN, text) is not None


def _no_version_number(alias: str) -> str:
    if is_version_number(alias):
        raise ValueError(f"{alias!r} is a version's number: choose another name for the alias")
    return alias


Alias = Annotated[
    Name,
    AfterValidator(_no_version_number),
    WithJsonSchema({"type": "string", "pattern": NAME_PATTERN, "not": {"pattern": VERSION_PATTERN}}),
]
"""A name that cannot be taken for a version's number."""
