"""A fault that lasts: told of when it begins and when it is over, and not at every look."""

from __future__ import annotations

import structlog

log = structlog.get_logger()


class Outage:
    """What is away, by its name in the log."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lasts = False

    def tell(self, error: Exception | None) -> None:
        """What the newest look found: the fault, or None where there was none."""
        if error is not None and not self._lasts:
            log.error(f"{self._name}_unavailable", detail=str(error))
        elif error is None and self._lasts:
            log.info(f"{self._name}_is_back")
        self._lasts = error is not None
