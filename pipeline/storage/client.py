"""pyarrow's client for an address: docs/adr/0009."""

from __future__ import annotations

import os
from typing import Any, Final

from pyarrow.fs import FileSystem

from pipeline.storage.address import ENDPOINT, Address

# Google's client would otherwise try for a quarter of an hour.
_OPTIONS: Final = {"s3": "", "gs": "?retry_limit_seconds=30"}


def open_client(address: Address) -> Any:
    """A connection, not used yet. Credentials, region and endpoint are those of the environment."""
    # An emulator of Google's has no accounts; its client would look for one all the same.
    user = "anonymous@" if address.scheme == "gs" and ENDPOINT["gs"] in os.environ else ""
    client, _ = FileSystem.from_uri(f"{address.scheme}://{user}{address.bucket}{_OPTIONS[address.scheme]}")
    return client
