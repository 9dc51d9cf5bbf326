"""The fingerprint of all that a shard holds beside its photos."""

from __future__ import annotations

import numpy as np
import xxhash

from pipeline.ffcv_import import ffcv_import

with ffcv_import():
    from ffcv.reader import Reader


def index_checksum(reader: Reader) -> str:
    """xxh3_128, in hex, of a shard's header, field descriptors, metadata and allocation table.

    They are in memory once a shard is opened, so that a changed label or pointer costs no reading to find.
    """
    digest = xxhash.xxh3_128(reader.header.tobytes())
    for table in (reader.field_descriptors, reader.metadata, reader.alloc_table):
        digest.update(table.view(np.uint8))
    return digest.hexdigest()
