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
_BAD_SECONDS: Final = 5.0


class ObjectStorage:
    """Thread-safe. Without a URL there is none, and nothing that could fail."""

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._known_until = 0.0
        self._fault: str | None = f"{url} is being tried for the first time: ask again in a moment"

    def require(self) -> None:
        """Raises `StorageUnavailableError` unless it could be written and read a moment ago.

        One caller tries. Those who come meanwhile are told what was found before: a trial may take long, and
        each that waited would hold a thread of the server's.
        """
        if self._url is None:
            return
        if time.monotonic() > self._known_until and self._lock.acquire(blocking=False):
            try:
                self._fault = _fault_of(self._url)
                good = self._fault is None
                self._known_until = time.monotonic() + (_GOOD_SECONDS if good else _BAD_SECONDS)
            finally:
                self._lock.release()
        if self._fault is not None:
            raise StorageUnavailableError(self._fault)


def _fault_of(url: str) -> str | None:
    try:
        try_storage(url)
    except errors.StorageUnavailableError as error:
        return str(error)
    return None
