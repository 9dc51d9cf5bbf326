"""The shards of a split, read as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.batches.address_space import AddressSpace
from pipeline.errors import BadDatasetError
from pipeline.ffcv_import import ffcv_import
from pipeline.shards.manifest import Manifest, Shard

with ffcv_import():
    from ffcv.fields.rgb_image import IMAGE_MODES
    from ffcv.memory_managers import OSCacheManager
    from ffcv.memory_managers.os_cache import OSCacheContext
    from ffcv.reader import Reader

_FIELDS: Final = ["image", "label", "sample_id"]


class SplitReader:
    """What FFCV's Reader knows of one file, of all shards of a split joined, and the memory they are in.

    `metadata` is FFCV's, one row per sample with the fields f0 (image), f1 (label) and f2 (sample_id);
    pointers count from the start of the address space that `memory` reads from.
    Raises `BadDatasetError` for a split that is not there, or a shard that is not as its manifest says.
    """

    def __init__(self, dataset_dir: Path, split: str) -> None:
        manifest = Manifest.load(dataset_dir)
        if split not in manifest.splits:
            raise BadDatasetError(
                f"{dataset_dir} has no split {split!r}: it has {', '.join(manifest.splits)}"
            )
        shards = manifest.splits[split].shards
        paths = [dataset_dir / shard.file for shard in shards]
        readers = [_open(path, shard, manifest.image_size) for path, shard in zip(paths, shards, strict=True)]
        space = AddressSpace(paths)
        self.image_size = manifest.image_size
        self.num_samples = sum(shard.num_samples for shard in shards)
        self.metadata = np.concatenate([reader.metadata for reader in readers])
        starts = np.repeat(space.offsets, [shard.num_samples for shard in shards])
        self.metadata["f0"]["data_ptr"] += starts
        sizes = np.concatenate([reader.alloc_table["size"] for reader in readers])
        self.memory = SplitMemory(space.array, self.metadata["f0"]["data_ptr"], sizes)

    @property
    def labels(self) -> NDArray[np.int64]:
        """int64 [num_samples], in the order of the shards."""
        return np.asarray(self.metadata["f1"])

    @property
    def sample_ids(self) -> NDArray[np.int64]:
        """int64 [num_samples], in the order of the shards."""
        return np.asarray(self.metadata["f2"])


class SplitMemory(OSCacheManager):  # type: ignore[misc]
    """FFCV's reader of mapped files, over an address space instead of a file.

    FFCV's own begins with dictionaries of all allocations, seconds of Python for a million samples, which
    only its quasi-random order needs.
    """

    def __init__(
        self, array: NDArray[np.uint8], pointers: NDArray[np.uint64], sizes: NDArray[np.uint64]
    ) -> None:
        # FFCV looks an allocation's size up by bisection.
        order = np.argsort(pointers, kind="stable")
        self.ptrs = pointers[order]
        self.sizes = sizes[order]
        self.context = OSCacheContext(self)
        self.context.mmap = array


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
    if not _is_sound(reader, shard, image_size):
        raise BadDatasetError(f"{path} is damaged: tandem inspect --verify tells more")
    return reader


def _is_sound(reader: Reader, shard: Shard, image_size: int) -> bool:
    """Whether every pointer leads to a photo inside the file: following any other would end the process."""
    if reader.field_names != _FIELDS or len(reader.metadata) != shard.num_samples:
        return False
    images, table = reader.metadata["f0"], reader.alloc_table
    if not np.array_equal(table["ptr"], images["data_ptr"]):
        return False
    # FFCV copies whatever is not marked as JPEG.
    is_raw = images["mode"] != IMAGE_MODES["jpg"]
    return bool(
        (table["ptr"] < shard.size_bytes).all()
        and (table["size"] <= shard.size_bytes - table["ptr"]).all()
        and (images["width"] == image_size).all()
        and (images["height"] == image_size).all()
        and (table["size"][is_raw] == 3 * image_size**2).all()
    )
