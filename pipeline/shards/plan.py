"""What is fixed before the first shard is written: which photo goes where, and what the bytes depend on."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.config import PrepareConfig
from pipeline.errors import BadDatasetError
from pipeline.permutation import Purpose, permutation
from pipeline.photos.sources.class_names import name_of
from pipeline.shards.manifest import SAMPLE_CHECKSUM
from pipeline.shards.splits import Split, class_ids, fingerprints

PLAN_FILE: Final = "plan.json"

# What turns a photo into stored bytes: another version may turn it into others.
_LIBRARIES: Final = ("tandem", "ffcv", "numpy", "pillow", "simplejpeg", "torch")
_HALF: Final = 0.5
_SHOWN_CHANGES: Final = 10


class PlannedShard(NamedTuple):
    """A shard to be: its file's name, its photos' sample_ids in the order they are written, and which of them
    are stored raw: int64 [n] and bool [n]."""

    file: str
    sample_ids: NDArray[np.int64]
    raw: NDArray[np.bool_]


@dataclass(frozen=True)
class Plan:
    """A dataset to be. The same splits, config and names make the same plan.

    `class_names` has every class's name by its id, in the order of their labels.
    """

    splits: Sequence[Split]
    config: PrepareConfig
    name: str
    class_names: Mapping[str, str]

    @classmethod
    def of(
        cls, splits: Sequence[Split], config: PrepareConfig, *, name: str, class_names: Mapping[str, str]
    ) -> Plan:
        """`class_names` has a name for some of the classes, perhaps for others too.

        Raises `BadSourceError` when the splits' classes do not fit together.
        """
        named = {class_id: name_of(class_id, class_names) for class_id in class_ids(splits)}
        return cls(splits, config, name, named)

    @property
    def class_ids(self) -> list[str]:
        """In the order of their labels."""
        return list(self.class_names)

    @property
    def num_photos(self) -> int:
        return sum(len(split.photos) for split in self.splits)

    def shards(self, number: int) -> list[PlannedShard]:
        """The shards of split `number`: the whole split shuffled, and dealt out to shards of nearly equal
        size, `shard_size` at most. No two splits are shuffled alike.
        """
        split, config = self.splits[number], self.config
        num_photos = len(split.photos)
        order = permutation(num_photos, Purpose.SHARDS, seed=config.seed, number=number)
        raw = self._stored_raw(number)
        num_shards = -(-num_photos // config.shard_size)
        return [
            PlannedShard(f"{split.name}-{index:05d}.beton", sample_ids, raw[sample_ids])
            for index, sample_ids in enumerate(np.array_split(order, num_shards))
        ]

    def document(self) -> dict[str, Any]:
        """All that the dataset's bytes and names depend on, for plan.json."""
        shaping = self.config.model_dump(mode="json", exclude={"workers", "max_quarantine"})
        return {
            "sources": {split.name: split.source.location for split in self.splits},
            "config": {**shaping, "sample_checksum": SAMPLE_CHECKSUM},
            "libraries": {name: importlib.metadata.version(name) for name in _LIBRARIES},
            "photos": fingerprints(self.splits),
            "names": {"dataset": self.name, "classes": dict(self.class_names)},
        }

    def _stored_raw(self, number: int) -> NDArray[np.bool_]:
        """Which photos of a split are stored raw, by sample_id."""
        num_photos = len(self.splits[number].photos)
        if self.config.write_mode != "proportion":
            return np.full(num_photos, self.config.write_mode == "raw")
        fraction = _HALF if self.config.raw_fraction is None else self.config.raw_fraction
        raw = np.zeros(num_photos, np.bool_)
        order = permutation(num_photos, Purpose.RAW, seed=self.config.seed, number=number)
        raw[order[: round(fraction * num_photos)]] = True
        return raw


def read_plan(folder: Path) -> dict[str, Any] | None:
    """The document of the plan a folder was begun with; None where there is none.

    Raises `BadDatasetError` for one that cannot be read.
    """
    path = folder / PLAN_FILE
    try:
        document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BadDatasetError(f"{path} cannot be read: {error}: start over with --force") from error
    return document


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What differs between two documents, in words, and no more of it than a person reads."""
    said = []
    for part, subject in (("sources", "source of "), ("config", ""), ("libraries", "version of ")):
        old, new = before[part], after[part]
        said += [
            f"{subject}{key} was {old.get(key)} and is {new.get(key)}"
            for key in sorted(old.keys() | new.keys())
            if old.get(key) != new.get(key)
        ]
    said += _changed_names(before.get("names"), after.get("names"))
    said += _changed_photos(before["photos"], after["photos"])
    if len(said) > _SHOWN_CHANGES:
        return [*said[:_SHOWN_CHANGES], f"and {len(said) - _SHOWN_CHANGES} more changes"]
    return said


def _changed_names(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[str]:
    # Plans of before have none.
    if before is None or after is None:
        return []
    said = []
    if before["dataset"] != after["dataset"]:
        said.append(f"the dataset's name was {before['dataset']!r} and is {after['dataset']!r}")
    old, new = before["classes"], after["classes"]
    said += [
        f"the name of class {class_id!r} was {old[class_id]!r} and is {new[class_id]!r}"
        for class_id in sorted(old.keys() & new.keys())
        if old[class_id] != new[class_id]
    ]
    return said


def _changed_photos(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    said = []
    for split in sorted(before.keys() | after.keys()):
        old, new = before.get(split, {}), after.get(split, {})
        for class_id in sorted(old.keys() | new.keys()):
            was, now = old.get(class_id), new.get(class_id)
            if was == now:
                continue
            if was is None or now is None:
                said.append(f"class {class_id!r} of {split} has {'come' if was is None else 'gone'}")
            elif was["count"] != now["count"]:
                said.append(f"class {class_id!r} of {split} had {was['count']} photos and has {now['count']}")
            else:
                said.append(f"photos of class {class_id!r} of {split} have other names or sizes")
    return said
