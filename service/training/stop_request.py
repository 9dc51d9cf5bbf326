"""The file that asks a run to stop, as the run looks for it between two steps."""

from __future__ import annotations

import math
import os
import time
from contextlib import suppress
from typing import Final

from service.domain.job_folder import JobFolder

_ASK_EVERY_SECONDS: Final = 1.0


class StopRequest:
    """A run's `STOP`, which a process on another machine may have made."""

    def __init__(self, folder: JobFolder) -> None:
        self._path = folder.stop_request
        self._asked_at = -math.inf

    def is_made(self) -> bool:
        """Looks for the file; on a network file system it is seen within about a second."""
        if time.monotonic() - self._asked_at >= _ASK_EVERY_SECONDS:
            # A network file system remembers for a while that a file was not there, but asks the server
            # anew when a folder is listed.
            with suppress(FileNotFoundError):
                os.listdir(self._path.parent)  # noqa: PTH208
            self._asked_at = time.monotonic()
        return self._path.exists()
