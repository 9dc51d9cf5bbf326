"""Numbers as JSON has them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator


def _without_its_point(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WholeNumber = Annotated[int, BeforeValidator(_without_its_point)]
"""An integer, in a strict model too when it comes as `3.0`: JSON knows no difference."""
