"""Files in one range of addresses."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest

from pipeline.batches.address_space import ALIGNMENT_BYTES, AddressSpace, placed


def is_mapped(path):
    return str(path) in Path("/proc/self/maps").read_text()


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    contents = [
        rng.integers(0, 256, size, dtype=np.uint8) for size in (10, 2**21, 2**21 + 1, 4096, 5_000_000)
    ]
    paths = [tmp_path / str(number) for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content.tobytes())
    return paths, contents


def test_every_file_is_seen_at_its_offset(files):
    paths, contents = files
    space = AddressSpace(paths)
    for offset, content in zip(placed([len(content) for content in contents]), contents, strict=True):
        assert offset % ALIGNMENT_BYTES == 0
        start = int(offset)
        assert np.array_equal(space.array[start : start + len(content)], content)
    assert not space.array.flags.writeable
    assert space.array.ctypes.data % ALIGNMENT_BYTES == 0


def test_range_lives_as_long_as_an_array_over_it_and_no_longer(files):
    paths, contents = files
    space = AddressSpace(paths)
    part = space.array[4 * ALIGNMENT_BYTES :][:1000]
    del space
    gc.collect()
    assert np.array_equal(part, contents[4][:1000])
    assert is_mapped(paths[4])
    del part
    gc.collect()
    assert not any(is_mapped(path) for path in paths)


def test_mapping_copies_nothing(files, tmp_path):
    with (tmp_path / "huge").open("wb") as huge:
        huge.truncate(2**40)
    space = AddressSpace([tmp_path / "huge", files[0][0]])
    assert placed([2**40, 10]).tolist() == [0, 2**40]
    assert space.array[2**40] == files[1][0][0]
