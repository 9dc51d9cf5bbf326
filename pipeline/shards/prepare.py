"""The stage that turns a source of photos into a dataset."""

from __future__ import annotations

import importlib.metadata
import json
import multiprocessing
import os
import time
from collections import Counter, defaultdict
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pipeline.config import PrepareConfig, SourceConfig
from pipeline.errors import BadSourceError, PreparationFailedError, TooManyQuarantinedError
from pipeline.photos.sources.detect import open_source
from pipeline.shards.checksum import file_checksum
from pipeline.shards.manifest import (
    MANIFEST_FILE,
    DatasetClass,
    Manifest,
    Shard,
    SourceRecord,
    SplitRecord,
    StatisticsRecord,
)
from pipeline.shards.plan import plan_shards
from pipeline.shards.splits import Split, choose_splits, class_ids, fingerprint
from pipeline.shards.staging import StagingFolder, refuse_existing
from pipeline.shards.statistics import PixelSums
from pipeline.shards.tally import Tally
from pipeline.shards.task import ListedPhoto, QuarantinedPhoto, ShardResult, ShardTask
from pipeline.shards.workers import write_shards

QUARANTINE_FILE: Final = "quarantine.jsonl"


@dataclass(frozen=True)
class PrepareProgress:
    """How far a preparation is. Rates cover the time since the photos were listed, and are None at first."""

    photos_done: int
    photos_total: int
    quarantined: int
    shards_done: int
    shards_total: int
    photos_per_second: float | None
    eta_seconds: float | None


def prepare(
    source: SourceConfig,
    out: Path,
    config: PrepareConfig,
    *,
    name: str,
    val: SourceConfig | None = None,
) -> Generator[PrepareProgress, None, None]:
    """Turns photos into the dataset `out`, yielding progress until the dataset is whole.

    Nothing happens before the first progress is asked for, and nothing is left when the iteration ends early:
    close the iterator when you leave it. Validation photos come from the source's `val/`, from `val`, or from
    `config.val_fraction`. The same source, config and name give the same bytes, `created_at` aside.
    Raises `BadSourceError`, `DatasetExistsError`, `TooManyQuarantinedError`, and `PreparationFailedError`
    when a worker dies or the target cannot be written.
    """
    out = out.absolute()
    refuse_existing(out)
    own_val = open_source(val) if val else None
    splits = choose_splits(open_source(source), own_val, config.val_fraction, seed=config.seed)
    try:
        with StagingFolder(out) as staging:
            stage = _Preparation(splits, config, staging.path)
            yield from stage.write()
            stage.finish(name)
            staging.publish()
    except OSError as error:
        raise PreparationFailedError(f"{out} cannot be written: {error.strerror or error}") from error


class _Preparation:
    """One preparation at work in its folder."""

    def __init__(self, splits: Sequence[Split], config: PrepareConfig, folder: Path) -> None:
        self._splits = splits
        self._config = config
        self._folder = folder
        self._class_ids = class_ids(splits)
        self._photos_total = sum(len(split.photos) for split in splits)
        self._shards: dict[str, list[Shard]] = defaultdict(list)
        self._quarantined: list[QuarantinedPhoto] = []
        self._sums = PixelSums(config.image_size)

    def write(self) -> Iterator[PrepareProgress]:
        """Writes every shard, and gives up as soon as too many photos are known to be unusable."""
        tasks = self._tasks()
        tally = Tally(multiprocessing.get_context("spawn"), len(tasks))
        workers = min(self._config.workers or os.cpu_count() or 1, len(tasks))
        started = time.monotonic()
        shards_done = 0
        yield self._progress(tally, 0, len(tasks), 0.0)
        with closing(write_shards(tasks, workers, tally)) as arrivals:
            for results in arrivals:
                for result in results:
                    self._take(result)
                shards_done += len(results)
                self._refuse_too_many_quarantined()
                yield self._progress(tally, shards_done, len(tasks), time.monotonic() - started)
        self._refuse_empty_split()

    def finish(self, name: str) -> None:
        """Writes what lies beside the shards: quarantine, statistics and, last of all, the manifest."""
        lines = [json.dumps(photo._asdict()) for photo in sorted(self._quarantined)]
        (self._folder / QUARANTINE_FILE).write_text("".join(f"{line}\n" for line in lines))
        statistics = self._sums.statistics().save(self._folder)
        manifest = self._manifest(name, file_checksum(statistics))
        (self._folder / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2) + "\n", "utf-8")

    def _tasks(self) -> list[ShardTask]:
        labels = {class_id: label for label, class_id in enumerate(self._class_ids)}
        tasks: list[ShardTask] = []
        for number, split in enumerate(self._splits):
            for planned in plan_shards(
                split.name, number, len(split.photos), self._config.shard_size, seed=self._config.seed
            ):
                photos = [(split.photos[place], int(place)) for place in planned.sample_ids]
                tasks.append(
                    ShardTask(
                        number=len(tasks),
                        split=split.name,
                        path=self._folder / planned.file,
                        source=split.source,
                        photos=[
                            ListedPhoto(photo.path, labels[photo.class_id], place) for photo, place in photos
                        ],
                        config=self._config,
                        with_statistics=split.name == "train",
                    )
                )
        return tasks

    def _take(self, result: ShardResult) -> None:
        if result.shard is not None:
            self._shards[result.split].append(result.shard)
        self._quarantined.extend(result.quarantined)
        if result.sums is not None:
            self._sums.merge(result.sums)

    def _refuse_too_many_quarantined(self) -> None:
        bad = len(self._quarantined)
        if bad > self._config.max_quarantine * self._photos_total:
            if not self._shards:
                raise BadSourceError(f"none of the {bad} files read is a photo: {self._commonest_reasons()}")
            raise TooManyQuarantinedError(
                f"{bad} of {self._photos_total} photos cannot be used, more than"
                f" max_quarantine={self._config.max_quarantine:g} allows: {self._commonest_reasons()}"
            )

    def _refuse_empty_split(self) -> None:
        for split in self._splits:
            if split.name not in self._shards:
                raise BadSourceError(f"no photo of {split.name} can be used: {self._commonest_reasons()}")

    def _commonest_reasons(self) -> str:
        photos = sorted(self._quarantined, reverse=True)
        reasons = Counter(photo.reason for photo in photos)
        examples = {photo.reason: photo.path for photo in photos}
        return ", ".join(
            f"{count} {reason} (as {examples[reason]})" for reason, count in reasons.most_common(10)
        )

    def _progress(self, tally: Tally, shards_done: int, shards_total: int, seconds: float) -> PrepareProgress:
        done = tally.done
        rate = done / seconds if done and seconds else None
        return PrepareProgress(
            photos_done=done,
            photos_total=self._photos_total,
            quarantined=tally.quarantined,
            shards_done=shards_done,
            shards_total=shards_total,
            photos_per_second=rate,
            eta_seconds=(self._photos_total - done) / rate if rate else None,
        )

    def _manifest(self, name: str, statistics_checksum: str) -> Manifest:
        source = self._splits[0].source
        names = source.class_names()
        return Manifest(
            name=name,
            created_at=datetime.now(UTC),
            image_size=self._config.image_size,
            write_mode=self._config.write_mode,
            jpeg_quality=self._config.jpeg_quality,
            seed=self._config.seed,
            source=SourceRecord(
                type=source.type, location=source.location, fingerprint=fingerprint(self._splits)
            ),
            classes=tuple(
                DatasetClass(index=label, id=class_id, name=names.get(class_id, class_id))
                for label, class_id in enumerate(self._class_ids)
            ),
            splits={split.name: _split_record(self._shards[split.name]) for split in self._splits},
            statistics=StatisticsRecord(xxh3_128=statistics_checksum),
            quarantined=len(self._quarantined),
            tool_version=importlib.metadata.version("tandem"),
        )


def _split_record(shards: Sequence[Shard]) -> SplitRecord:
    ordered = tuple(sorted(shards, key=lambda shard: shard.file))
    return SplitRecord(num_samples=sum(shard.num_samples for shard in ordered), shards=ordered)
