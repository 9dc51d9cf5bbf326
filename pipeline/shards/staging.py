"""The hidden folder a dataset is made in until it is whole; what is finished in it outlives its maker."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from pipeline.errors import DatasetExistsError, PlanChangedError, StorageUnavailableError
from pipeline.shards.durable import sync, write_whole
from pipeline.shards.manifest import MANIFEST_FILE, Manifest
from pipeline.shards.plan import PLAN_FILE, changes, read_plan
from pipeline.shards.shard_files import RECORDS_FOLDER
from pipeline.storage.moving import remove_stored
from pipeline.storage.opened import open_store
from pipeline.storage.stored_files import STORAGE_FILE, StoredFiles, new_url

LOCK_FILE: Final = "lock"


class StagingFolder:
    """A folder beside the dataset to be, which takes the dataset's name in `publish`.

    Left before that, it stays for the next preparation to go on with, unless there is nothing in it to keep.
    A lock in it tells a preparation at work from one that was killed.
    Raises `DatasetExistsError` when another preparation is at work there.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self.path = staging_path(out)
        self.records = self.path / RECORDS_FOLDER
        self.scratch = self.path / "scratch"
        self._lock_file = self.path / LOCK_FILE
        self._lock = -1
        self._published = False

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Before the lock was ours, whoever held it may have moved the folder away, or removed it.
            if not os.path.samestat(os.fstat(self._lock), self._lock_file.stat()):
                raise BlockingIOError
        except BaseException as error:
            os.close(self._lock)
            if isinstance(error, (BlockingIOError, FileNotFoundError)):
                raise DatasetExistsError(f"{self._out} is being prepared by another process") from error
            raise
        self.records.mkdir(exist_ok=True)
        return self

    def adopt(self, plan: Mapping[str, Any], *, force: bool, storage: str | None) -> None:
        """Makes the folder that of a plan; with `force`, starts over.

        Shards go to a place of their own in object storage if a URL is given; but one that was begun keeps
        them where it has begun to. Raises `PlanChangedError` when that was with another plan, and
        `StorageUnavailableError` when what it left in object storage cannot be removed.
        """
        if force:
            self._clear()
        begun = read_plan(self.path)
        if begun is not None:
            refuse_changes(self._out, begun, plan)
        elif storage is not None:
            StoredFiles(url=new_url(storage)).save(self.path)
        # Files of shards half-written go; what is recorded stays.
        for stale in self.path.glob(".*"):
            stale.unlink(missing_ok=True)
        # Nobody waited for its files to reach the disk: after a power failure they may be cut short.
        if self.scratch.exists():
            shutil.rmtree(self.scratch)
        write_whole(self.path / PLAN_FILE, json.dumps(plan, indent=1) + "\n")

    def publish(self, names: Collection[str]) -> None:
        """Gives the dataset its name, once the files `names` and nothing else are in it and on the disk."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        for path in self.path.iterdir():
            if path.name in names or path.name == STORAGE_FILE:
                sync(path)
            elif path not in (self.records, self._lock_file):
                path.unlink()
        sync(self.path)
        if os.path.lexists(self._out):
            refuse_what_is_no_dataset(self._out)
            replaced = _replaced_path(self._out)
            _remove(replaced)
            self._out.rename(replaced)
        self.path.rename(self._out)
        self._published = True
        sync(self._out.parent)
        # Until the dataset has its name, a restart needs them.
        tidy(self._out)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._published and not any(self.records.glob("*.json")):
            # Where storage keeps what it has of it, the folder says so to the next preparation.
            with suppress(StorageUnavailableError):
                remove_stored(self.path)
        os.close(self._lock)

    @property
    def storage(self) -> str | None:
        """Below which URL the shards lie; None where they lie in the folder."""
        stored = StoredFiles.of(self.path)
        return stored.url if stored else None

    def _clear(self) -> None:
        if self.storage is not None:
            open_store(self.storage).delete_all()
        for path in self.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path != self._lock_file:
                path.unlink()
        self.records.mkdir()


def staging_path(out: Path) -> Path:
    """Where the dataset `out` is while it is being made."""
    return out.with_name(f".{out.name}.preparing")


def _replaced_path(out: Path) -> Path:
    return out.with_name(f".{out.name}.replaced")


def is_whole(out: Path, plan: Mapping[str, Any], *, force: bool) -> bool:
    """Whether the dataset of this plan is there already.

    Raises `DatasetExistsError` when something else has its place, and `PlanChangedError` when it is a dataset
    of another plan that `force` does not give up. Raises `BadDatasetError` for one that is damaged.
    """
    if not os.path.lexists(out):
        return False
    refuse_what_is_no_dataset(out)
    if force:
        return False
    made_from = read_plan(out)
    if made_from is None:
        raise DatasetExistsError(f"{out} exists: choose another place, or start it over with --force")
    refuse_changes(out, {"names": _names(out)} | made_from, plan)
    tidy(out)
    return True


def _names(out: Path) -> dict[str, Any]:
    """What plan.json says of names, from the manifest: plans of before do not say it."""
    manifest = Manifest.load(out)
    classes = {each.id: each.name for each in manifest.classes}
    return {"dataset": manifest.name, "classes": classes}


def tidy(out: Path) -> None:
    """Removes what only the making of a dataset needed, and the dataset it replaced."""
    _remove(_replaced_path(out))
    shutil.rmtree(out / RECORDS_FOLDER, ignore_errors=True)
    (out / LOCK_FILE).unlink(missing_ok=True)


def _remove(folder: Path) -> None:
    """Removes a folder with what it has in object storage, as far as that can be done now."""
    with suppress(OSError, StorageUnavailableError):
        remove_stored(folder)


def refuse_what_is_no_dataset(out: Path) -> None:
    """Raises `DatasetExistsError` for anything that must not be replaced."""
    if os.path.lexists(out) and not (out / MANIFEST_FILE).is_file():
        raise DatasetExistsError(f"{out} exists and is no dataset: choose another place, or remove it")


def refuse_changes(out: Path, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Raises `PlanChangedError` unless both plans make the same dataset."""
    if changed := changes(before, after):
        raise PlanChangedError(
            f"{out} was begun otherwise: {'; '.join(changed)}; go back to that, or start over with --force"
        )
