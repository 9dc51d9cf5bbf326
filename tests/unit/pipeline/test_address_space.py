"""Files in one range of addresses."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest

from pipeline.batches.address_space import AddressSpace


def mapped_lines():
    return Path("/proc/self/maps").read_text().count("\n")


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
    for offset, content in zip(space.offsets, contents, strict=True):
        assert offset % 2**21 == 0
        start = int(offset)
        assert np.array_equal(space.array[start : start + len(content)], content)
    assert not space.array.flags.writeable
    assert space.array.ctypes.data % 2**21 == 0


def test_range_lives_as_long_as_an_array_over_it_and_no_longer(files):
    paths, contents = files
    before = mapped_lines()
    space = AddressSpace(paths)
    part = space.array[int(space.offsets[4]) :][:1000]
    del space
    gc.collect()
    assert np.array_equal(part, contents[4][:1000])
    assert mapped_lines() > before
    del part
    gc.collect()
    assert mapped_lines() <= before


def test_mapping_copies_nothing(files, tmp_path):
    with (tmp_path / "huge").open("wb") as huge:
        huge.truncate(2**40)
    space = AddressSpace([tmp_path / "huge", files[0][0]])
    assert space.offsets.tolist() == [0, 2**40]
    assert space.array[2**40] == files[1][0][0]
