"""Following a run to its end, on a terminal and elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn

from service.cli.errors import JobFailedError
from service.cli.output import duration, percent, remarks
from service.client import Client
from service.client.events import RunEvent
from service.domain.answers import Run
from service.domain.events import EventKind
from service.domain.state import JobState

PLAIN_EVERY_SECONDS = 10.0


def follow(client: Client, run_id: str) -> Run:
    """Shows a run's events until it is over and returns it.

    Raises `JobFailedError` when it does not end `succeeded`.
    """
    show(client.runs.events(run_id))
    run = client.runs.get(run_id)
    if run.state is not JobState.SUCCEEDED:
        raise JobFailedError(f"run {run_id} {_state(run.state, run.reason)}; see 'tandem logs {run_id}'")
    return run


def show(events: Iterable[RunEvent]) -> None:
    """Prints on stderr one line per state, epoch, checkpoint and warning, and how far training is."""
    bar = Progress(
        TextColumn("training"),
        BarColumn(),
        TextColumn("{task.fields[text]}"),
        console=remarks,
        transient=True,
        disable=not remarks.is_terminal,
    )
    task = bar.add_task("", total=None, text="")
    said_at = time.monotonic()
    with bar:
        for event in events:
            if event.kind is EventKind.PROGRESS:
                text = _progress(event.data)
                bar.update(task, completed=event.data["step"], total=event.data["total_steps"], text=text)
                if not remarks.is_terminal and time.monotonic() - said_at >= PLAIN_EVERY_SECONDS:
                    said_at = time.monotonic()
                    remarks.print(text)
            elif line := _line(event):
                remarks.print(line)


def _line(event: RunEvent) -> str | None:
    data = event.data
    match event.kind:
        case EventKind.STATE:
            return _state(data["state"], data["reason"])
        case EventKind.EPOCH:
            top1, top5 = percent(1 - data["val_top1_error"]), percent(1 - data["val_top5_error"])
            return f"epoch {data['epoch']}: top-1 {top1}, top-5 {top5}, {duration(data['seconds'])}"
        case EventKind.CHECKPOINT:
            return f"checkpoint {data['name']}"
        case EventKind.WARNING:
            return f"warning: {data['message']}"
        case _:
            return None


def _state(state: str, reason: str | None) -> str:
    return f"{state}: {reason}" if reason else state


def _progress(data: dict[str, Any]) -> str:
    parts = [
        f"epoch {data['epoch']}",
        f"step {data['step']} of {data['total_steps']}",
        f"loss {data['loss']:.3f}",
        f"{data['images_per_second']:.0f} images/s",
    ]
    if data.get("eta_seconds") is not None:
        parts.append(f"{duration(data['eta_seconds'])} left")
    return ", ".join(parts)
