"""Settings of a claim's arms that are given beside presets."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final


def settings(**values: Any) -> Mapping[str, Any]:
    return MappingProxyType(values)


PLAIN: Final = settings(random_crop=False, flip=False)
