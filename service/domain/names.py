"""Names that become folder names: of datasets, models and aliases."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""Letters, digits, dot, dash and underscore; no slash and no leading dot, so it stays inside its folder."""
