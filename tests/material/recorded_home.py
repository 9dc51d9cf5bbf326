"""A home as if much had happened in it: datasets by their manifests, and runs by what they wrote."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from PIL import Image

from model.config import ModelConfig
from model.learning.recipe import RecipeConfig
from model.published import ColourStatistics, DatasetOrigin, Label, PublishedModel
from pipeline.shards.manifest import MANIFEST_FILE, Manifest
from pipeline.shards.pictures import PICTURE_FILES
from pipeline.shards.record import QUARANTINE_FILE, QuarantinedPhoto, ledger
from service.domain.events import Line, PrepareLine, StepLine
from service.domain.job_folder import JobFolder, checkpoint_name
from service.domain.resolved_run import Allocation, DatasetPin, ResolvedRun
from service.domain.spec import RunSpec
from service.domain.state import JobState
from service.operations.history import read_news, record
from service.settings import Settings
from service.store.database import Database
from service.store.jobs import JobStore, new_job_id
from service.store.models import ModelStore

CHECKSUM = "0" * 32
PHOTOS = 640


class RecordedHome:
    """Filled before an API serves it; what is recorded takes the control plane's own way into the history."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home)
        for folder in self.settings.folders:
            folder.mkdir(parents=True)
        self._database = Database(self.settings.resolved_database_url)
        self.jobs = JobStore(self._database)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._database.close()

    def add_dataset(
        self, name: str, classes: Sequence[str], quarantined: Sequence[QuarantinedPhoto] = ()
    ) -> None:
        """A dataset for the tiny network, as far as the control plane looks at it."""
        shard = {"file": "train-00000.beton", "num_samples": PHOTOS, "size_bytes": 10**7}
        counts = [len(range(index, PHOTOS, len(classes))) for index in range(len(classes))]
        shards = [shard | {"xxh3_128": CHECKSUM}]
        split = {"num_samples": PHOTOS, "shards": shards, "class_counts": counts}
        manifest = Manifest.model_validate(
            {
                "name": name,
                "created_at": "2026-01-01T00:00:00Z",
                "image_size": 72,
                "write_mode": "jpg",
                "jpeg_quality": 90,
                "seed": 0,
                "source": {"type": "folder", "location": f"/photos/{name}", "fingerprint": CHECKSUM},
                "classes": [
                    {"index": index, "id": f"n{index:08}", "name": each} for index, each in enumerate(classes)
                ],
                "splits": {"train": split, "val": split},
                "statistics": {"xxh3_128": CHECKSUM},
                "quarantined": len(quarantined),
                "tool_version": "0.1.0",
            }
        )
        folder = self.settings.datasets / name
        folder.mkdir()
        (folder / QUARANTINE_FILE).write_text(ledger(quarantined))
        (folder / MANIFEST_FILE).write_text(manifest.model_dump_json())

    def draw(self, dataset: str) -> None:
        """Both pictures of a dataset, which are of nothing."""
        for file in PICTURE_FILES:
            _draw(self.settings.datasets / dataset / file)

    def add_version(self, model: str, **described: Any) -> int:
        """The next version of a model, as far as its description, with these fields; gives its number."""
        store = ModelStore(self.settings.models)
        with store.candidate() as folder:
            return store.adopt(folder, _published(model).model_copy(update=described)).version

    def add_run(self, dataset: str, classes: int, name: str | None = None, **spec: Any) -> RecordedRun:
        """A run that is queued; `spec` are further fields of its specification."""
        run_id = new_job_id()
        folder = JobFolder(self.settings.runs / run_id)
        asked = RunSpec.model_validate(
            {
                "name": name,
                "dataset": dataset,
                "model": {"preset": "alexnet-tiny"},
                "recipe": {"preset": "quick"},
                **spec,
            }
        )
        resolved = ResolvedRun(
            run_id=run_id,
            spec=asked,
            model=ModelConfig.preset("alexnet-tiny", num_classes=classes),
            recipe=RecipeConfig.preset("quick"),
            dataset=DatasetPin(name=dataset, path=str(self.settings.datasets / dataset), checksum=CHECKSUM),
            allocation=Allocation(num_workers=2, cpus_per_worker=1, gpus_per_worker=0, min_workers=2),
            versions={},
        )
        self.jobs.create(
            "run",
            name=name,
            spec=asked.model_dump(mode="json"),
            folder=folder.path,
            job_id=run_id,
            lay_out=lambda: folder.create(resolved.model_dump(mode="json")),
        )
        return RecordedRun(self.jobs, run_id, folder)


class RecordedRun:
    """A run that goes through what a test tells, in that order."""

    def __init__(self, jobs: JobStore, run_id: str, folder: JobFolder) -> None:
        self._jobs = jobs
        self.id = run_id
        self.folder = folder

    def begin(self) -> None:
        """A new attempt, which works; the one before has to be over."""
        with self._jobs.editing(self.id) as edit:
            if edit.state.is_terminal:
                edit.queue_again()
            edit.begin_attempt()
            edit.move_to(JobState.STARTING)
            edit.move_to(JobState.RUNNING)

    def move_to(self, state: JobState, reason: str | None = None) -> None:
        with self._jobs.editing(self.id) as edit:
            edit.move_to(state, reason)

    def write(self, lines: Iterable[Line]) -> None:
        """Appends lines to the run's files, and brings them into its history."""
        progress, events = [], []
        for line in lines:
            of_progress = isinstance(line, StepLine | PrepareLine)
            (progress if of_progress else events).append(line.model_dump_json() + "\n")
        for path, written in ((self.folder.progress, progress), (self.folder.events, events)):
            with path.open("a") as file:
                file.writelines(written)
        news = read_news(self._jobs.get(self.id))
        with self._jobs.editing(self.id) as edit:
            record(edit, news)

    def log(self, *lines: str) -> None:
        with self.folder.log.open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    def keep_checkpoint(self, step: int) -> None:
        """A checkpoint of the right names and no use."""
        folder = self.folder.checkpoints / checkpoint_name(step)
        folder.mkdir()
        for name in ("weights.safetensors", "trainer.safetensors", "checkpoint.json"):
            (folder / name).write_bytes(bytes(1000))

    def draw_filters(self, step: int, towers: int = 2) -> None:
        """Pictures of a step's kernels, which are of nothing."""
        for tower in range(towers):
            picture = self.folder.filter_picture(step, tower)
            picture.parent.mkdir(parents=True, exist_ok=True)
            _draw(picture)


def _published(model: str) -> PublishedModel:
    zeros = (0.0,) * 3
    return PublishedModel(
        name=model,
        version=0,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        architecture=ModelConfig.preset("alexnet-tiny", num_classes=2),
        image_size=72,
        labels=tuple(Label(index=index, id=str(index), name=str(index)) for index in range(2)),
        statistics=ColourStatistics(channel_mean=zeros, pca_eigenvalues=zeros, pca_eigenvectors=(zeros,) * 3),
        dataset=DatasetOrigin(name="paints", checksum=CHECKSUM),
        metrics={"val_top1_error": 0.25},
        run_id="run-0",
        step=1,
        weights_sha256="f" * 64,
    )


def _draw(path: Path) -> None:
    Image.new("RGB", (32, 32), "gray").save(path)
