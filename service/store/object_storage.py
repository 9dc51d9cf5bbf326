"""Whether TANDEM_STORAGE can be used from here."""

from __future__ import annotations

import threading
import time
from typing import Final

from pipeline import errors
from pipeline.storage.trial import try_storage
from service.errors import StorageUnavailableError

# Whoever asks whether the server is ready may ask every second, and objects are paid for.
_GOOD_SECONDS: Final = 30.0


class ObjectStorage:
    """Thread-safe. Without a URL there is none, and nothing that could fail."""

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._good_until = 0.0

    def require(self) -> None:
        """Raises `StorageUnavailableError` unless it could be written and read a moment ago."""
        if self._url is None:
            return
        with self._lock:
            if time.monotonic() < self._good_until:
                return
            try:
                try_storage(self._url)
            except errors.StorageUnavailableError as error:
                raise StorageUnavailableError(str(error)) from error
            self._good_until = time.monotonic() + _GOOD_SECONDS
