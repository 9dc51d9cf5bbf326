"""What all parts of a recipe have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A config that takes no unknown field, guesses no type, and stays as it is."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
