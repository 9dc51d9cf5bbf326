"""How far a preparation is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Protocol, Self

from rich.progress import BarColumn, Progress, TextColumn

from service.cli.output import duration, remarks

PLAIN_EVERY_SECONDS = 10.0


class PreparationStep(Protocol):
    """What is shown of a preparation, whether it runs here or on a server."""

    @property
    def photos_done(self) -> int | None: ...
    @property
    def photos_total(self) -> int | None: ...
    @property
    def shards_done(self) -> int | None: ...
    @property
    def shards_total(self) -> int | None: ...
    @property
    def quarantined(self) -> int | None: ...
    @property
    def photos_per_second(self) -> float | None: ...
    @property
    def eta_seconds(self) -> float | None: ...


class PreparationDisplay:
    """A context manager; `show` may be called as often as there is news."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("preparing"),
            BarColumn(),
            TextColumn("{task.fields[text]}"),
            console=remarks,
            transient=True,
            disable=not remarks.is_terminal,
        )
        self._task = self._bar.add_task("", total=None, text="")
        self._said_at = time.monotonic()

    def show(self, step: PreparationStep) -> None:
        text = describe(step)
        self._bar.update(self._task, completed=step.photos_done or 0, total=step.photos_total, text=text)
        if not remarks.is_terminal and time.monotonic() - self._said_at >= PLAIN_EVERY_SECONDS:
            self._said_at = time.monotonic()
            remarks.print(f"preparing: {text}")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


def describe(step: PreparationStep) -> str:
    """`1200 of 5000 photos, 3 of 12 shards, 310 photos/s, 3 in quarantine, 12 s left`."""
    parts = [f"{step.photos_done or 0} of {step.photos_total or '?'} photos"]
    if step.shards_total:
        parts.append(f"{step.shards_done} of {step.shards_total} shards")
    if step.photos_per_second:
        parts.append(f"{step.photos_per_second:.0f} photos/s")
    if step.quarantined:
        parts.append(f"{step.quarantined} in quarantine")
    if step.eta_seconds is not None:
        parts.append(f"{duration(step.eta_seconds)} left")
    return ", ".join(parts)
