"""How broad a JSON document is, told before it is parsed.

A parser makes a hundred bytes and more of each empty list, and an error of each member that is not as it
should be: of a body of the largest size, gigabytes. A photo in base64 has none of the marks that are counted.
"""

from __future__ import annotations

from typing import Final

from service.domain.classification import MAX_PHOTOS
from service.errors import PayloadTooLargeError

MOST_MARKS: Final = 16 * MAX_PHOTOS
_MARKS: Final = (b",", b"[", b"{")


def refuse_broad(document: bytes) -> None:
    """Raises `PayloadTooLargeError` for a document with far more in it than the most photos."""
    if sum(document.count(mark) for mark in _MARKS) > MOST_MARKS:
        raise PayloadTooLargeError(
            f"a document with more in it than {MAX_PHOTOS} photos: send them in several requests"
        )
