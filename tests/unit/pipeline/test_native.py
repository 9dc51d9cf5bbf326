"""What compiled code calls by name."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import simplejpeg
import xxhash

from pipeline.batches import native
from pipeline.batches.native import CHECKSUM_DIFFERS, DOES_NOT_DECODE, NO_FAULT


@pytest.fixture(scope="module")
def jpeg(photos):
    return np.frombuffer(photos.encode(photos.pixels(3, 40, 40), quality=90), np.uint8)


def sealed(jpeg):
    checksum = xxhash.xxh3_64_intdigest(jpeg.tobytes()).to_bytes(8, "little")
    return np.concatenate((jpeg, np.frombuffer(checksum, np.uint8)))


def blank():
    return np.full((40, 40, 3), 77, np.uint8)


def test_pixels_are_libjpegs(jpeg):
    expected = simplejpeg.decode_jpeg(jpeg.tobytes(), "RGB", fastdct=True)
    for stored, is_sealed in ((jpeg, False), (sealed(jpeg), True)):
        pixels = blank()
        assert native.decode_jpeg(stored, pixels, is_sealed) == NO_FAULT
        assert np.array_equal(pixels, expected)


def test_every_changed_byte_is_found(jpeg):
    stored = sealed(jpeg)
    for place in range(len(stored)):
        changed = stored.copy()
        changed[place] ^= 1 << place % 8
        assert native.decode_jpeg(changed, blank(), True) == CHECKSUM_DIFFERS, place


@pytest.mark.parametrize("num_bytes", [0, 1, 7, 8, 200])
def test_every_cut_is_found(jpeg, num_bytes):
    assert native.decode_jpeg(sealed(jpeg)[:num_bytes], blank(), True) == CHECKSUM_DIFFERS
    assert native.decode_jpeg(jpeg[:num_bytes], blank(), False) == DOES_NOT_DECODE


def test_what_libjpeg_only_warns_of_is_a_fault(jpeg):
    cut = jpeg[: len(jpeg) * 3 // 4]
    # Pixels come of it, with a warning: the missing ones are grey.
    assert simplejpeg.decode_jpeg(cut.tobytes(), "RGB", strict=False).shape == (40, 40, 3)
    assert native.decode_jpeg(cut, blank(), False) == DOES_NOT_DECODE


@pytest.mark.parametrize("num_bytes", [0, 1, 31, 32, 33, 4096, 196608])
@pytest.mark.parametrize("offset", [0, 1, 16, 32])
def test_copies_are_exact_and_stay_inside(num_bytes, offset):
    source = np.random.default_rng(num_bytes).integers(0, 256, num_bytes + 64, np.uint8)
    memory = np.full(num_bytes + 192, 9, np.uint8)
    start = -memory.ctypes.data % 32 + offset
    target = memory[start : start + num_bytes]
    native.copy_past_caches(source[5 : 5 + num_bytes], target)
    assert np.array_equal(target, source[5 : 5 + num_bytes])
    assert (memory[:start] == 9).all()
    assert (memory[start + num_bytes :] == 9).all()


def test_threads_decode_at_the_same_time(jpeg):
    expected = simplejpeg.decode_jpeg(jpeg.tobytes(), "RGB", fastdct=True)
    wrong = []

    def decode():
        for _ in range(200):
            pixels = blank()
            if native.decode_jpeg(jpeg, pixels, False) or not np.array_equal(pixels, expected):
                wrong.append(1)

    threads = [threading.Thread(target=decode) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_second_process_compiles_nothing_again(tmp_path):
    script = """
import numpy as np
from pipeline.batches import native
assert native.decode_jpeg(np.zeros(20, np.uint8), np.zeros((8, 8, 3), np.uint8), True)
native.copy_past_caches(np.zeros(64, np.uint8), np.zeros(64, np.uint8))
for compiled in (native.decode_jpeg, native.copy_past_caches):
    stats = compiled.stats
    print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", script]
    answers = [
        subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True, timeout=300
        ).stdout
        for _ in range(2)
    ]
    assert answers == ["0 1\n0 1\n", "1 0\n1 0\n"]


def test_missing_library_is_named_with_its_package():
    with pytest.raises(ImportError, match=r"libnosuch\.so\.0 is not on this machine: install libnosuch0"):
        native._load("libnosuch.so.0", "libnosuch0")
