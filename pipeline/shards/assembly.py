"""A dataset as it comes together from the records of its shards."""

from __future__ import annotations

import importlib.metadata
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pipeline.errors import BadSourceError, TooManyQuarantinedError
from pipeline.shards.checksum import file_checksum
from pipeline.shards.durable import write_whole
from pipeline.shards.manifest import (
    MANIFEST_FILE,
    SAMPLE_CHECKSUM,
    DatasetClass,
    Manifest,
    SourceRecord,
    SplitRecord,
    StatisticsRecord,
)
from pipeline.shards.pixel_sums import PixelSums
from pipeline.shards.plan import PLAN_FILE, Plan
from pipeline.shards.record import QUARANTINE_FILE, QuarantinedPhoto, ShardRecord, ledger
from pipeline.shards.shard_files import ShardFiles
from pipeline.shards.splits import Split, fingerprint

_SHOWN_REASONS: Final = 10
_MENDED: Final = (
    "the same command tries the unreadable again; after others were mended start over, with --force or by"
    " deleting the dataset over the API"
)


class Assembly:
    """The finished shards of a plan, and what they make of the dataset."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan = plan
        self._folder = folder
        self._records: dict[str, ShardRecord] = {}
        self.photos_done = 0

    @property
    def shards_done(self) -> int:
        return len(self._records)

    @property
    def num_quarantined(self) -> int:
        return sum(len(record.quarantined) for record in self._records.values())

    @property
    def quarantined(self) -> list[QuarantinedPhoto]:
        return sorted(photo for record in self._records.values() for photo in record.quarantined)

    def take(self, record: ShardRecord) -> None:
        self._records[record.file] = record
        self.photos_done += record.num_photos

    def refuse_too_many_quarantined(self) -> None:
        """Leaves the ledger and raises `TooManyQuarantinedError`; `BadSourceError` if nothing is a photo."""
        if self.num_quarantined <= self._plan.config.max_quarantine * self._plan.num_photos:
            return
        quarantined = self.quarantined
        ledger_file = self._write_ledger()
        found = f"{_commonest_reasons(quarantined)}; all of them are in {ledger_file}; {_MENDED}"
        if not any(record.shard for record in self._records.values()):
            raise BadSourceError(f"none of the {len(quarantined)} files read is a photo: {found}")
        raise TooManyQuarantinedError(
            f"{len(quarantined)} of {self._plan.num_photos} photos cannot be used, more than"
            f" max_quarantine={self._plan.config.max_quarantine:g} allows: {found}"
        )

    def refuse_empty_split(self) -> None:
        for split in self._plan.splits:
            if not any(record.split == split.name and record.shard for record in self._records.values()):
                reasons = _commonest_reasons(self.quarantined)
                raise BadSourceError(f"no photo of {split.name} can be used: {reasons}; {_MENDED}")

    def finish(self) -> set[str]:
        """Writes what lies beside the shards, the manifest last; gives the names of all the files."""
        ledger_file = self._write_ledger()
        statistics = self._sums().statistics().save(self._folder)
        manifest = self._manifest(file_checksum(statistics))
        write_whole(self._folder / MANIFEST_FILE, manifest.model_dump_json(indent=2) + "\n")
        shards = {shard.file for split in manifest.splits.values() for shard in split.shards}
        return shards | {ledger_file.name, statistics.name, MANIFEST_FILE, PLAN_FILE}

    def _write_ledger(self) -> Path:
        path = self._folder / QUARANTINE_FILE
        write_whole(path, ledger(self.quarantined))
        return path

    def _sums(self) -> PixelSums:
        sums = PixelSums(self._plan.config.image_size)
        for record in self._of_split("train"):
            sums.merge(PixelSums.load(ShardFiles(self._folder, record.file).sums))
        return sums

    def _of_split(self, split: str) -> Sequence[ShardRecord]:
        """The records of a split's shards that hold photos, by file name."""
        found = (record for record in self._records.values() if record.split == split and record.shard)
        return sorted(found, key=lambda record: record.file)

    def _manifest(self, statistics_checksum: str) -> Manifest:
        plan, config = self._plan, self._plan.config
        source = plan.splits[0].source
        return Manifest(
            name=plan.name,
            created_at=datetime.now(UTC),
            image_size=config.image_size,
            write_mode=config.write_mode,
            jpeg_quality=config.jpeg_quality,
            chroma_subsampling=config.chroma_subsampling,
            sample_checksum=SAMPLE_CHECKSUM,
            seed=config.seed,
            source=SourceRecord(
                type=source.type, location=source.location, fingerprint=fingerprint(plan.splits)
            ),
            classes=tuple(
                DatasetClass(index=label, id=class_id, name=class_name)
                for label, (class_id, class_name) in enumerate(plan.class_names.items())
            ),
            splits={split.name: self._split_record(split) for split in plan.splits},
            statistics=StatisticsRecord(xxh3_128=statistics_checksum),
            quarantined=self.num_quarantined,
            tool_version=importlib.metadata.version("tandem"),
        )

    def _split_record(self, split: Split) -> SplitRecord:
        shards = tuple(record.shard for record in self._of_split(split.name) if record.shard)
        return SplitRecord(
            num_samples=sum(shard.num_samples for shard in shards),
            class_counts=self._class_counts(split),
            shards=shards,
        )

    def _class_counts(self, split: Split) -> tuple[int, ...]:
        """By label: a photo that was listed is in a shard, or in quarantine."""
        class_ids = self._plan.class_ids
        counts = Counter(photo.class_id for photo in split.photos)
        counts.subtract(class_ids[photo.label] for photo in self.quarantined if photo.split == split.name)
        return tuple(counts[class_id] for class_id in class_ids)


def _commonest_reasons(quarantined: Sequence[QuarantinedPhoto]) -> str:
    """`3 corrupt (as a/b.jpg), 1 empty (as c/d.jpg)`, the ten commonest."""
    reasons = Counter(photo.reason for photo in quarantined)
    examples = {photo.reason: photo.path for photo in reversed(quarantined)}
    return ", ".join(
        # A name with a line break in it must not break the line.
        f"{count} {reason} (as {examples[reason].encode('unicode_escape').decode()})"
        for reason, count in reasons.most_common(_SHOWN_REASONS)
    )
