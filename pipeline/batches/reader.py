"""The index of a split: what its shards hold and where, joined into one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.batches.address_space import ALIGNMENT_BYTES, placed
from pipeline.errors import BadDatasetError
from pipeline.ffcv_import import ffcv_import
from pipeline.shards.index_checksum import index_checksum
from pipeline.shards.local_shards import LocalShards
from pipeline.shards.manifest import Manifest, Shard

with ffcv_import():
    from ffcv.fields.rgb_image import IMAGE_MODES
    from ffcv.reader import Reader

_FIELDS: Final = ["image", "label", "sample_id"]


class SplitReader:
    """What FFCV's Reader knows of one file, of all shards of a split joined. Photos are not touched.

    A sample's position is its place among all shards, in the order of the manifest. `metadata` is FFCV's, one
    row per position with the fields f0 (image), f1 (label) and f2 (sample_id). Its pointers count through one
    range of addresses in which shard i begins at `offsets[i]`, a multiple of `page_size`; `sizes` uint64
    [num_samples] are the bytes of each sample's photo as it is stored. With `shards`, these alone are opened.
    Raises `BadDatasetError` for a split that is not there, or a shard that is not as its manifest says, and
    what `LocalShards` raises where shards are in object storage; they stay in the node's cache meanwhile.
    """

    page_size: Final = ALIGNMENT_BYTES

    def __init__(self, dataset_dir: Path, split: str, shards: Sequence[Shard] | None = None) -> None:
        manifest = Manifest.load(dataset_dir)
        if split not in manifest.splits:
            raise BadDatasetError(
                f"{dataset_dir} has no split {split!r}: it has {', '.join(manifest.splits)}"
            )
        self.manifest = manifest
        self.shards = manifest.splits[split].shards if shards is None else shards
        self._local = LocalShards(dataset_dir, self.shards)
        self.paths = self._local.paths
        readers = [
            _open(path, shard, manifest.image_size)
            for path, shard in zip(self.paths, self.shards, strict=True)
        ]
        self.image_size = manifest.image_size
        counts = [shard.num_samples for shard in self.shards]
        self.num_samples = sum(counts)
        self.offsets = placed([shard.size_bytes for shard in self.shards])
        self.metadata = np.concatenate([reader.metadata for reader in readers])
        self.metadata["f0"]["data_ptr"] += np.repeat(self.offsets, counts)
        self.sizes: NDArray[np.uint64] = np.concatenate([reader.alloc_table["size"] for reader in readers])
        self._ends = np.cumsum(counts)

    @property
    def labels(self) -> NDArray[np.int64]:
        """int64 [num_samples], by position."""
        return np.asarray(self.metadata["f1"])

    @property
    def sample_ids(self) -> NDArray[np.int64]:
        """int64 [num_samples], by position."""
        return np.asarray(self.metadata["f2"])

    @property
    def class_counts(self) -> list[int]:
        """How many photos of each class there are, by label."""
        counts: list[int] = np.bincount(self.labels, minlength=len(self.manifest.classes)).tolist()
        return counts

    @property
    def pointers(self) -> NDArray[np.uint64]:
        """Where each photo begins in the range of addresses: uint64 [num_samples], by position."""
        return np.asarray(self.metadata["f0"]["data_ptr"])

    def shards_of(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """The number of the shard each position lies in: int64, of the shape of `positions`."""
        return np.searchsorted(self._ends, positions, side="right")

    def stored(self, position: int) -> bytes:
        """A photo as it is stored, read from its shard."""
        shard = int(self.shards_of(np.array(position)))
        with self.paths[shard].open("rb") as file:
            file.seek(int(self.pointers[position] - self.offsets[shard]))
            return file.read(int(self.sizes[position]))


def is_raw(metadata: NDArray[np.void]) -> NDArray[np.bool_]:
    """Which rows are of photos stored as pixels. FFCV copies whatever is not marked as JPEG."""
    return np.asarray(metadata["f0"]["mode"] != IMAGE_MODES["jpg"])


def _open(path: Path, shard: Shard, image_size: int) -> Reader:
    """Opens a shard, as far as that can be done without reading photos."""
    try:
        size_bytes = path.stat().st_size
        if size_bytes != shard.size_bytes:
            raise BadDatasetError(f"{path} has {size_bytes} bytes instead of {shard.size_bytes}")
        reader = Reader(str(path))
    except OSError as error:
        raise BadDatasetError(f"{path} cannot be read: {error.strerror}") from error
    # FFCV asserts, or runs into whatever the damage leads to.
    except (AssertionError, IndexError, KeyError, TypeError, ValueError) as error:
        raise BadDatasetError(f"{path} is not a shard: {error}") from error
    changed = shard.index_xxh3_128 is not None and index_checksum(reader) != shard.index_xxh3_128
    if changed or not _is_sound(reader, shard, image_size):
        raise BadDatasetError(f"{path} is damaged: tandem inspect --verify tells more")
    return reader


def _is_sound(reader: Reader, shard: Shard, image_size: int) -> bool:
    """Whether every pointer leads to a photo inside the file: following any other would end the process."""
    if reader.field_names != _FIELDS or len(reader.metadata) != shard.num_samples:
        return False
    page_size = np.uint64(SplitReader.page_size)
    if reader.page_size != page_size:
        return False
    images, table = reader.metadata["f0"], reader.alloc_table
    if not np.array_equal(table["ptr"], images["data_ptr"]):
        return False
    return bool(
        (table["ptr"] < shard.size_bytes).all()
        and (table["size"] <= shard.size_bytes - table["ptr"]).all()
        and (table["ptr"] % page_size + table["size"] <= page_size).all()
        and (images["width"] == image_size).all()
        and (images["height"] == image_size).all()
        and (table["size"][is_raw(reader.metadata)] == 3 * image_size**2).all()
    )
