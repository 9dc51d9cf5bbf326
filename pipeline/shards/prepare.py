"""The stage that turns a source of photos into a dataset."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import PrepareConfig, SourceConfig
from pipeline.errors import PreparationFailedError
from pipeline.photos.sources.detect import open_source
from pipeline.shards.assembly import Assembly
from pipeline.shards.cluster import Cluster, ray_cluster
from pipeline.shards.drawing import draw_pictures
from pipeline.shards.durable import sync
from pipeline.shards.pictures import PICTURE_FILES
from pipeline.shards.plan import Plan, PlannedShard
from pipeline.shards.record import ShardRecord
from pipeline.shards.shard_files import ShardFiles
from pipeline.shards.splits import Split, choose_splits
from pipeline.shards.staging import StagingFolder, is_whole, refuse_what_is_no_dataset
from pipeline.shards.task import ListedPhoto, ShardTask
from pipeline.shards.unreadable import is_outdated
from pipeline.shards.workers import write_shards
from pipeline.storage.opened import open_store


@dataclass(frozen=True)
class PrepareProgress:
    """How far a preparation is. The rate is that of what was done since it began, and None at first."""

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
    force: bool = False,
    storage: str | None = None,
) -> Generator[PrepareProgress, None, None]:
    """Turns photos into the dataset `out`, yielding progress until the dataset is whole.

    Nothing happens before the first progress is asked for; close the iterator when you leave it early.
    Validation photos come from the source's `val/`, from `val`, or from `config.val_fraction`. The same
    source, config and name give the same bytes, `created_at` aside, however often the work was interrupted:
    what is finished stays in a hidden folder beside `out`, and the next call goes on there. It writes shards
    again whose photos could not be read, and can be now. A dataset that is whole stays as it is. `force`
    starts over instead, and replaces a dataset once the new one is whole.
    With a `storage` URL the shards go to a place beside it in object storage, and all else into `out`: the
    dataset's pictures too, which are drawn last.
    Raises `BadSourceError`, `DatasetExistsError`, `PlanChangedError` when what is there was made from other
    photos, with another config or with other names, `TooManyQuarantinedError`, `SourceLostError`,
    `StorageUnavailableError`, `PreparationFailedError` when workers keep dying or the target cannot be
    written, and what `contact_sheet` raises of a shard that has changed since, or does not fit into a cache.
    """
    out = out.absolute()
    refuse_what_is_no_dataset(out)
    photos = open_source(source)
    own_val = open_source(val) if val else None
    splits = choose_splits(photos, own_val, config.val_fraction, seed=config.seed)
    plan = Plan.of(splits, config, name=name, class_names=photos.class_names())
    document = plan.document()
    if is_whole(out, document, force=force):
        return
    try:
        with StagingFolder(out) as staging:
            staging.adopt(document, force=force, storage=storage)
            files = yield from Preparation(plan, staging).run()
            staging.publish(files)
    except OSError as error:
        raise PreparationFailedError(
            f"{out} cannot be written: {error.strerror or error}; what is finished is kept, and the same"
            " command goes on with it"
        ) from error


class Preparation:
    """One preparation at work in its folder."""

    def __init__(self, plan: Plan, staging: StagingFolder) -> None:
        folder = staging.path
        self._plan = plan
        self._folder = folder
        self._storage = staging.storage
        self._scratch = staging.scratch
        self._labels = {class_id: label for label, class_id in enumerate(plan.class_ids)}
        self._assembly = Assembly(plan, folder)
        self._missing: list[tuple[Split, PlannedShard]] = []
        stored = None if self._storage is None else open_store(self._storage).sizes_bytes()
        for number, split in enumerate(plan.splits):
            for planned in plan.shards(number):
                record = self._kept(split, planned, stored)
                if record is None:
                    self._missing.append((split, planned))
                else:
                    self._assembly.take(record)
        self._shards_total = self._assembly.shards_done + len(self._missing)
        self._found_done = self._assembly.photos_done
        self._began = time.monotonic()

    def run(self) -> Generator[PrepareProgress, None, set[str]]:
        """Writes what is missing and returns the names of the dataset's files.

        Gives up once too many photos are known to be unusable.
        """
        yield self._progress(0, 0)
        self._assembly.refuse_too_many_quarantined()
        with ray_cluster(self._plan.config.workers, max(len(self._missing), 1)) as cluster:
            yield from self._write_shards(cluster)
            self._assembly.refuse_empty_split()
            self._require_all_stored()
            files = self._assembly.finish()
            draw_pictures(self._folder, cluster)
        return files | PICTURE_FILES

    def _kept(
        self, split: Split, planned: PlannedShard, stored: Mapping[str, int] | None
    ) -> ShardRecord | None:
        """The record of a shard that stays as it is."""
        files = self._files(planned)
        record = finished(files, stored)
        photos = (split.photos[sample_id] for sample_id in planned.sample_ids.tolist())
        if record is None or not is_outdated(record, split.source, photos):
            return record
        # Before anything of the shard is written: an old record would vouch for half of the new one.
        files.record.unlink()
        sync(files.record.parent)
        return None

    def _write_shards(self, cluster: Cluster) -> Iterator[PrepareProgress]:
        with closing(write_shards(self.tasks(), cluster)) as looks:
            for look in looks:
                for record in look.records:
                    self._assembly.take(record)
                self._assembly.refuse_too_many_quarantined()
                yield self._progress(look.done, look.quarantined)

    def _require_all_stored(self) -> None:
        """An attempt given up for dead may have lived, and broken off over what the next had stored."""
        if self._storage is None:
            return
        stored = open_store(self._storage).sizes_bytes()
        planned = (shard for number in range(len(self._plan.splits)) for shard in self._plan.shards(number))
        lost = [shard.file for shard in planned if finished(self._files(shard), stored) is None]
        if lost:
            raise PreparationFailedError(
                f"{len(lost)} shard(s) in {self._storage} are not whole, {lost[0]} the first: the same"
                " command writes them anew"
            )

    def tasks(self) -> Iterator[ShardTask]:
        sources = {split.name: split.source.keeping_in(self._scratch) for split in self._plan.splits}
        for split, planned in self._missing:
            photos = []
            for sample_id, raw in zip(planned.sample_ids.tolist(), planned.raw.tolist(), strict=True):
                photo = split.photos[sample_id]
                photos.append(ListedPhoto(photo, self._labels[photo.class_id], sample_id, raw))
            yield ShardTask(self._files(planned), split.name, sources[split.name], photos, self._plan.config)

    def _files(self, planned: PlannedShard) -> ShardFiles:
        return ShardFiles(self._folder, planned.file, self._storage)

    def _progress(self, done_at_work: int, quarantined_at_work: int) -> PrepareProgress:
        done = self._assembly.photos_done + done_at_work
        seconds = time.monotonic() - self._began
        rate = (done - self._found_done) / seconds if done > self._found_done and seconds else None
        return PrepareProgress(
            photos_done=done,
            photos_total=self._plan.num_photos,
            quarantined=self._assembly.num_quarantined + quarantined_at_work,
            shards_done=self._assembly.shards_done,
            shards_total=self._shards_total,
            photos_per_second=rate,
            eta_seconds=(self._plan.num_photos - done) / rate if rate else None,
        )


def finished(files: ShardFiles, stored: Mapping[str, int] | None) -> ShardRecord | None:
    """The record of a shard that is finished and still there; None for one that is to be written.

    `stored` has the sizes in bytes of the shards in object storage, for a dataset that has them there.
    """
    try:
        record = ShardRecord.load(files.record)
        if record.shard is None:
            return record
        size_bytes = files.shard.stat().st_size if stored is None else stored.get(files.name)
    except FileNotFoundError:
        return None
    return record if size_bytes == record.shard.size_bytes else None
