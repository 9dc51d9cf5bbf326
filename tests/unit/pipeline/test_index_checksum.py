"""What the checksum of a shard's index covers, and what it leaves to others."""

from __future__ import annotations

import shutil
import struct

import pytest
import xxhash
from ffcv.reader import Reader

from pipeline.batches.reader import SplitReader
from pipeline.errors import BadDatasetError
from pipeline.shards.index_checksum import index_checksum
from pipeline.shards.manifest import Manifest
from pipeline.shards.verify import verify

SHARD = "train-00001.beton"
ROW = 7

# How FFCV lays a shard out: sizes of its header, of a field's descriptor, of a row of either table, and the
# place in a row of what it says.
HEADER, DESCRIPTOR, METADATA_ROW, ALLOCATION_ROW = 24, 1041, 32, 24
IN_METADATA = {"mode": 0, "width": 1, "height": 3, "pointer": 5, "label": 16, "sample_id": 24}
IN_ALLOCATION = {"allocated sample": 0, "allocated pointer": 8, "size": 16}


@pytest.fixture
def dataset(prepared, tmp_path):
    """A copy to do harm to."""
    return shutil.copytree(prepared.path, tmp_path / "pets")


class Layout:
    """Where a shard's parts begin, read without FFCV."""

    def __init__(self, content):
        _, num_fields, _, self.num_samples, self.allocations = struct.unpack_from("<HHIQQ", content)
        self.metadata = HEADER + num_fields * DESCRIPTOR
        self.photos = self.metadata + self.num_samples * METADATA_ROW

    def place(self, name, row=ROW):
        if name in IN_METADATA:
            return self.metadata + row * METADATA_ROW + IN_METADATA[name]
        return self.allocations + row * ALLOCATION_ROW + IN_ALLOCATION[name]


def flip(path, place, bit=1):
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ (1 << bit)]))


def checksum(path):
    return index_checksum(Reader(str(path)))


def test_manifest_states_the_checksum_of_every_shard_as_it_is_opened(prepared):
    manifest = Manifest.load(prepared.path)
    stated = {
        shard.file: shard.index_xxh3_128 for split in manifest.splits.values() for shard in split.shards
    }
    assert len(set(stated.values())) == len(stated) == 6
    assert stated == {file: checksum(prepared.path / file) for file in stated}


def test_checksum_is_that_of_the_bytes_before_and_behind_the_photos(prepared):
    content = (prepared.path / SHARD).read_bytes()
    layout = Layout(content)
    index = content[: layout.photos] + content[layout.allocations :]
    assert checksum(prepared.path / SHARD) == xxhash.xxh3_128_hexdigest(index)


def test_layout_of_these_tests_is_ffcvs(prepared):
    content = (prepared.path / SHARD).read_bytes()
    layout, reader = Layout(content), Reader(str(prepared.path / SHARD))
    row, allocation = reader.metadata[ROW], reader.alloc_table[ROW]
    forms = {"mode": "B", "width": "<H", "height": "<H", "pointer": "<Q", "label": "<q", "sample_id": "<q"}
    found = [struct.unpack_from(form, content, layout.place(name))[0] for name, form in forms.items()]
    assert found == [*row["f0"].item(), row["f1"], row["f2"]]
    assert struct.unpack_from("<QQQ", content, layout.place("allocated sample")) == allocation.item()


@pytest.mark.parametrize("name", [*IN_METADATA, *IN_ALLOCATION])
def test_flipped_bit_is_found_when_the_shard_is_opened(dataset, name):
    path = dataset / SHARD
    before = checksum(path)
    flip(path, Layout(path.read_bytes()).place(name))
    assert checksum(path) != before
    with pytest.raises(BadDatasetError, match=SHARD):
        SplitReader(dataset, "train")


def test_every_byte_of_both_tables_counts(dataset):
    path = dataset / SHARD
    content = path.read_bytes()
    layout, before = Layout(content), checksum(path)
    for place in [*range(layout.metadata, layout.photos), *range(layout.allocations, len(content))]:
        flip(path, place, place % 8)
        assert checksum(path) != before, place
        flip(path, place, place % 8)
    assert checksum(path) == before


@pytest.mark.parametrize("place", [4, 7, HEADER + 20, HEADER + DESCRIPTOR + 5, HEADER + 3 * DESCRIPTOR - 1])
def test_header_and_descriptors_count(dataset, place):
    path = dataset / SHARD
    before = checksum(path)
    flip(path, place)
    assert checksum(path) != before


def test_photos_are_left_to_their_own_checksums(dataset):
    path = dataset / SHARD
    before = checksum(path)
    flip(path, int(Reader(str(path)).alloc_table["ptr"][ROW]) + 300)
    assert checksum(path) == before
    assert [fault.file for fault in verify(dataset)] == [SHARD]
    SplitReader(dataset, "train")
