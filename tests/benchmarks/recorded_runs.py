"""A home with a control plane's long history: its database, and the folders of its runs."""

from __future__ import annotations

import itertools
import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import insert

from model.config import ModelConfig
from model.learning.recipe import RecipeConfig
from pipeline.shards.manifest import (
    MANIFEST_FILE,
    DatasetClass,
    Manifest,
    Shard,
    SourceRecord,
    SplitRecord,
    StatisticsRecord,
)
from service.domain.events import EpochLine, EventKind, StepLine
from service.domain.job_folder import JobFolder, checkpoint_name
from service.domain.resolved_run import Allocation, DatasetPin, ResolvedRun
from service.domain.spec import RunSpec
from service.domain.state import JobState
from service.settings import Settings
from service.store.database import Database
from service.store.tables import EventRow, JobRow

STEPS: Final = 300
EVENTS: Final = 100
CHECKPOINTS: Final = 3
LOG_LINES: Final = 2000
# The rarest state is that of the oldest runs alone, where a page of it is dearest to find.
RARE: Final = JobState.INTERRUPTED
RARE_RUNS: Final = 5

_BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_OUTCOMES: Final = (JobState.SUCCEEDED, JobState.SUCCEEDED, JobState.FAILED, JobState.STOPPED)
_ROWS_AT_ONCE: Final = 5000
_SPEC: Final = RunSpec.model_validate(
    {"dataset": "flowers", "model": {"preset": "alexnet-tiny"}, "recipe": {"preset": "quick"}}
)


def record_runs(home: Path, runs: int, *, with_folders: int, waiting: int = 0) -> list[str]:
    """Fills an empty home with so many runs; gives the ids of those with folders, the newest, oldest first.

    The newest `waiting` of them are queued, and all others are over.
    """
    settings = Settings(home=home)
    for folder in settings.folders:
        folder.mkdir(parents=True)
    _write_dataset(settings.datasets / "flowers")
    database = Database(settings.resolved_database_url)
    ids = [str(uuid.uuid4()) for _ in range(runs)]
    numbered = enumerate(ids)
    while chunk := list(itertools.islice(numbered, _ROWS_AT_ONCE)):
        with database.transaction() as session:
            session.execute(
                insert(JobRow),
                [_row(settings, run_id, number, _state(number, runs - waiting)) for number, run_id in chunk],
            )
    living = ids[runs - with_folders :]
    with database.transaction() as session:
        for number, run_id in enumerate(living, runs - with_folders):
            session.execute(insert(EventRow), _events(run_id, _state(number, runs - waiting)))
            write_folder(settings, run_id)
    database.close()
    return living


def record_run_at_work(home: Path) -> tuple[str, str]:
    """Adds a run in state running that has written nothing yet; gives its id and its attempt's in Ray."""
    settings = Settings(home=home)
    run_id = str(uuid.uuid4())
    _lay_out(settings, run_id)
    row = _row(settings, run_id, 10**6, JobState.RUNNING)
    row |= {"progress_offset": 0, "last_sequence": 0, "progress": {}}
    database = Database(settings.resolved_database_url)
    with database.transaction() as session:
        session.execute(insert(JobRow), row)
    database.close()
    return run_id, row["attempts"][0]["submission_id"]


def step_line(step: int) -> StepLine:
    """What a run of 1,000,000 steps tells of one of them."""
    return StepLine(
        at=_moment(step),
        epoch=step // 100,
        step=step,
        total_steps=10**6,
        loss=2.3 / (1 + step / 100),
        learning_rate=0.01,
        num_workers=2,
        images_per_second=812.5,
        eta_seconds=float(10**6 - step),
        wait_share=0.1,
        corrupt_samples=0,
    )


def write_folder(settings: Settings, run_id: str) -> None:
    """What a run leaves: its steps, epochs, checkpoints and log."""
    folder = _lay_out(settings, run_id)
    folder.progress.write_text("".join(step_line(step).model_dump_json() + "\n" for step in range(1, STEPS)))
    folder.log.write_text("".join(f"2026-01-01 epoch 3, line {line} of a log\n" for line in range(LOG_LINES)))
    for number in range(1, CHECKPOINTS + 1):
        checkpoint = folder.checkpoints / checkpoint_name(100 * number)
        checkpoint.mkdir()
        for name in ("weights.safetensors", "trainer.safetensors", "checkpoint.json"):
            (checkpoint / name).write_bytes(bytes(1000))


def _write_dataset(folder: Path) -> None:
    """A manifest, which is all of a dataset that the control plane reads."""
    folder.mkdir()
    shard = Shard(file="train-00000.beton", num_samples=5000, size_bytes=10**8, xxh3_128="0" * 32)
    manifest = Manifest(
        name=folder.name,
        created_at=_BEGAN,
        image_size=72,
        write_mode="jpg",
        jpeg_quality=90,
        seed=0,
        source=SourceRecord(type="folder", location="/photos", fingerprint="0"),
        classes=tuple(DatasetClass(index=at, id=f"n{at}", name=f"flower {at}") for at in range(10)),
        splits={"train": SplitRecord(num_samples=5000, shards=(shard,))},
        statistics=StatisticsRecord(xxh3_128="0" * 32),
        quarantined=0,
        tool_version="0.1.0",
    )
    (folder / MANIFEST_FILE).write_text(manifest.model_dump_json())


def _lay_out(settings: Settings, run_id: str) -> JobFolder:
    folder = JobFolder(settings.runs / run_id)
    run = ResolvedRun(
        run_id=run_id,
        spec=_SPEC,
        model=ModelConfig.preset("alexnet-tiny", num_classes=10),
        recipe=RecipeConfig.preset("quick"),
        dataset=DatasetPin(name="flowers", path=str(settings.datasets / "flowers"), checksum="0" * 32),
        allocation=Allocation(num_workers=2, min_workers=2, cpus_per_worker=1, gpus_per_worker=0),
        versions={},
    )
    folder.create(run.model_dump(mode="json"))
    return folder


def _state(number: int, over: int) -> JobState:
    if number >= over:
        return JobState.QUEUED
    return RARE if number < RARE_RUNS else _OUTCOMES[number % len(_OUTCOMES)]


def _row(settings: Settings, run_id: str, number: int, state: JobState) -> dict[str, Any]:
    began, ended = _moment(number), _moment(number + 1)
    attempt = {
        "number": 1,
        "submission_id": f"{run_id}-a1",
        "started_at": began,
        "finished_at": ended if state.is_terminal else None,
        "outcome": state if state.is_terminal else None,
        "reason": None,
    }
    return {
        "id": run_id,
        "kind": "run",
        "name": f"flowers {number}",
        "state": state,
        "reason": "stopped by its owner" if state is JobState.STOPPED else None,
        "failure": None,
        "spec": _SPEC.model_dump(mode="json"),
        "folder": str(settings.runs / run_id),
        "progress": json.loads(step_line(STEPS).model_dump_json()),
        "attempts": [] if state is JobState.QUEUED else [attempt],
        "created_at": began,
        "queued_at": began,
        "finished_at": ended if state.is_terminal else None,
        "progress_offset": 10**6,
        "events_offset": 0,
        "last_sequence": EVENTS,
    }


def _events(run_id: str, state: JobState) -> list[dict[str, Any]]:
    """A state, steps with an epoch after every tenth, and the end."""
    told: list[tuple[EventKind, dict[str, Any]]] = [(EventKind.STATE, {"state": "running", "reason": None})]
    for step in range(1, EVENTS - 2):
        if step % 10:
            told.append((EventKind.PROGRESS, json.loads(step_line(step).model_dump_json(exclude={"at"}))))
        else:
            told.append((EventKind.EPOCH, _epoch(step).model_dump(exclude={"at", "kind"})))
    told += [(kind, {"state": state, "reason": None}) for kind in (EventKind.STATE, EventKind.END)]
    return [
        {"job_id": run_id, "sequence": sequence, "kind": kind, "at": _moment(sequence), "data": data}
        for sequence, (kind, data) in enumerate(told, 1)
    ]


def _epoch(step: int) -> EpochLine:
    return EpochLine(
        at=_moment(step),
        epoch=step // 10,
        step=step,
        train_loss=1.5,
        val_loss=1.6,
        val_top1_error=0.4,
        val_top5_error=0.1,
        val_samples=500,
        seconds=3.0,
    )


def _moment(seconds: int) -> str:
    return (_BEGAN + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
