"""The folder a job works in: what it was asked, what it writes, and how it is asked to stop.

The job is the only writer of `progress.jsonl`, `events.jsonl`, `tensorboard/`, `placement.json`,
`error.json`, `checkpoints/` and `filters/`; the control plane writes the specification before the job starts,
and `STOP` when it is to end.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from service.domain.storage import require_folder


@dataclass(frozen=True)
class JobFolder:
    """Paths below one job's folder. A run's is `runs/<id>`, a preparation's `logs/prepare-<name>-<id>`."""

    path: Path

    @property
    def specification(self) -> Path:
        return self.path / "run.json"

    @property
    def progress(self) -> Path:
        return self.path / "progress.jsonl"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def board(self) -> Path:
        """Event files for TensorBoard."""
        return self.path / "tensorboard"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def filters(self) -> Path:
        """Pictures of the first layer's kernels: a folder for each step that was drawn, called as its
        checkpoint, which may be gone by now."""
        return self.path / "filters"

    def filter_picture(self, step: int, tower: int) -> Path:
        return self.filters / checkpoint_name(step) / f"tower-{tower}.png"

    @property
    def log(self) -> Path:
        return self.path / "logs" / "job.log"

    @property
    def error(self) -> Path:
        return self.path / "error.json"

    @property
    def placement(self) -> Path:
        return self.path / "placement.json"

    @property
    def stop_request(self) -> Path:
        return self.path / "STOP"

    @property
    def lock(self) -> Path:
        """Held by the process that trains here: `sole_attempt.py`."""
        return self.path / "lock"

    def require_storage(self) -> None:
        """Raises `StorageUnavailableError` when not this folder alone is gone, but the place it lies in."""
        require_folder(self.path.parent)

    def create(self, specification: dict[str, Any]) -> None:
        """Lays a new folder out. Raises `StorageUnavailableError` when the place it is to lie in is gone."""
        # Never made anew: what is mounted there later would hide it.
        self.require_storage()
        self.log.parent.mkdir(parents=True)
        self.checkpoints.mkdir()
        write_json(self.specification, specification)

    def ask_to_stop(self) -> None:
        self.stop_request.touch()

    def is_held(self) -> bool:
        """Whether a process trains here at this moment, whatever is known of it."""
        try:
            lock = os.open(self.lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def clear_ending(self) -> None:
        """Removes what made the last attempt end, or told why it did: another is to come."""
        self.stop_request.unlink(missing_ok=True)
        self.error.unlink(missing_ok=True)

    def checkpoint_names(self) -> list[str]:
        """Names of the whole checkpoints, oldest first: their names sort as their steps do."""
        try:
            # Not pathlib's, which takes four times as long: each run on a page of runs is asked.
            entries = os.listdir(self.checkpoints)  # noqa: PTH208
        except FileNotFoundError:
            return []
        return sorted(name for name in entries if name.startswith("step-"))

    def towers_drawn(self) -> dict[int, int]:
        """The steps that have pictures of the first layer, oldest first, and of how many towers."""
        towers = Counter(step_of(picture.parent.name) for picture in self.filters.glob("step-*/tower-*.png"))
        return dict(sorted(towers.items()))

    def read_error(self) -> dict[str, Any] | None:
        """What the job says it failed of, if it has; names of files in it are texts, whatever they were."""
        if not self.error.is_file():
            return None
        error: dict[str, Any] = json.loads(self.error.read_text())
        return {key: _as_text(value) if isinstance(value, str) else value for key, value in error.items()}


def _as_text(words: str) -> str:
    """Without what no database takes: halves of characters, which stand for odd bytes, and NUL."""
    return words.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Writes a JSON file whole or not at all."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(json.dumps(value, indent=2) + "\n")
    aside.replace(path)


def checkpoint_name(step: int) -> str:
    """`step-00000123`, so that names sort as steps do."""
    return f"step-{step:08d}"


def step_of(checkpoint: str) -> int:
    """The step in a checkpoint's name."""
    return int(checkpoint.removeprefix("step-"))


def now() -> str:
    """This moment in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
