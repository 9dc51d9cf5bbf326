"""The checksum behind each JPEG, as it is written here and compared by what compiled code calls."""

from __future__ import annotations

import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st

from pipeline.batches.native import CHECKSUM_DIFFERS, DOES_NOT_DECODE, NO_FAULT, decode_jpeg
from pipeline.shards.sample_checksum import CHECKSUM_BYTES, sealed

SIZE = 16


def fault(stored):
    return decode_jpeg(stored, np.zeros((SIZE, SIZE, 3), np.uint8), True)


@pytest.fixture(scope="module")
def jpeg(photos):
    return simplejpeg.encode_jpeg(np.ascontiguousarray(photos.pixels(5, SIZE, SIZE)), 90, "RGB", "420")


def test_checksum_is_the_published_one_of_nothing_lowest_byte_first():
    assert sealed(b"").tobytes() == bytes.fromhex("c294d3380580062d")


def test_jpeg_stands_unchanged_before_its_checksum(jpeg):
    stored = sealed(jpeg)
    assert stored.dtype == np.uint8
    assert stored.tobytes()[:-CHECKSUM_BYTES] == jpeg
    assert len(stored) == len(jpeg) + 8
    assert fault(stored) == NO_FAULT


@given(st.binary(max_size=1500))
def test_whatever_is_sealed_holds_when_it_is_read(content):
    """Bytes that are no JPEG pass the checksum, and only then fail to decode."""
    assert fault(sealed(content)) == DOES_NOT_DECODE


def test_any_other_value_of_any_byte_is_found(jpeg):
    stored = sealed(jpeg)
    for place, value in enumerate(stored.tolist()):
        changed = stored.copy()
        for other in set(range(256)) - {value}:
            changed[place] = other
            assert fault(changed) == CHECKSUM_DIFFERS, (place, other)


@given(st.data())
def test_any_other_bytes_than_those_written_are_found(jpeg, data):
    stored = sealed(jpeg).tobytes()
    start = data.draw(st.integers(0, len(stored) - 1))
    end = data.draw(st.integers(start, len(stored)))
    other = stored[:start] + data.draw(st.binary(max_size=64)) + stored[end:]
    expected = NO_FAULT if other == stored else CHECKSUM_DIFFERS
    assert fault(np.frombuffer(other, np.uint8)) == expected


def test_damage_that_decodes_without_a_word_is_found(photos):
    """What it is there for: the strictest decoder makes other pixels of most flipped bits, and is silent."""
    pixels = np.ascontiguousarray(photos.pixels(6, 64, 64))
    jpeg = simplejpeg.encode_jpeg(pixels, 90, "RGB", "420")
    whole = simplejpeg.decode_jpeg(jpeg, strict=True)
    start_of_scan = jpeg.index(b"\xff\xda") + 14
    silent = 0
    for place in range(start_of_scan, len(jpeg) - 2):
        changed = bytearray(jpeg)
        changed[place] ^= 4
        stored = np.frombuffer(bytes(changed) + sealed(jpeg).tobytes()[-CHECKSUM_BYTES:], np.uint8)
        assert decode_jpeg(stored, np.zeros((64, 64, 3), np.uint8), True) == CHECKSUM_DIFFERS
        try:
            silent += not np.array_equal(simplejpeg.decode_jpeg(bytes(changed), strict=True), whole)
        except ValueError:
            continue
    assert silent > (len(jpeg) - start_of_scan) / 2
