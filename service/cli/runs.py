"""`tandem runs`, `status`, `logs`, `stop` and `resume`: what is training, and what becomes of it."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli.connection import connect
from service.cli.output import duration, percent, print_json, remarks, results
from service.domain.answers import Run
from service.domain.state import JobState

RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def list_runs(
    state: Annotated[JobState | None, typer.Option(help="Only runs in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the newest runs."""
    with connect() as client:
        runs = client.runs.list(state, limit)
    if as_json:
        print_json({"items": [run.model_dump(mode="json") for run in runs]})
        return
    _print_row("run", "state", "dataset", "model", "step", "top-1")
    for run in runs:
        dataset, model = run.spec["dataset"], run.spec["model"]["preset"]
        _print_row(run.id, run.state, dataset, model, _steps(run), _accuracy(run.progress.val_top1_error))


def show_run(run_id: RunId, as_json: AsJson = False) -> None:
    """Show one run."""
    with connect() as client:
        run = client.runs.get(run_id)
    if as_json:
        print_json(run.model_dump(mode="json"))
        return
    for name, value in _facts(run).items():
        if value:
            results.print(f"{name:<12} {value}")


def show_logs(
    run_id: RunId,
    tail: Annotated[int, typer.Option(min=1, max=10_000, help="How many lines.")] = 100,
) -> None:
    """Print the last lines a run wrote."""
    with connect() as client:
        for line in client.runs.logs(run_id, tail):
            results.out(line, highlight=False)


def stop_run(
    run_id: RunId,
    now: Annotated[bool, typer.Option("--now", help="Without a last checkpoint.")] = False,
    grace_seconds: Annotated[float, typer.Option(min=0, help="Time for the last checkpoint.")] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Stop a run after a last checkpoint.

    A run that is over stays as it is.
    """
    with connect() as client:
        run = client.runs.stop(run_id, "now" if now else "graceful", grace_seconds)
    if as_json:
        print_json(run.model_dump(mode="json"))
    else:
        remarks.print(f"run {run.id} is {run.state}")


def resume_run(run_id: RunId, as_json: AsJson = False) -> None:
    """Go on with a run from its newest checkpoint.

    It is one that was stopped, failed or was interrupted, and ends as if nothing had happened.
    """
    with connect() as client:
        run = client.runs.resume(run_id)
    if as_json:
        print_json(run.model_dump(mode="json"))
    else:
        remarks.print(f"run {run.id} is {run.state}; see it with: tandem status {run.id}")


def _print_row(*cells: str) -> None:
    # Not a rich table: that shortens cells to the terminal's width, and an id must stay whole.
    widths = (36, 11, 20, 12, 28, 0)
    results.print("  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip())


def _facts(run: Run) -> dict[str, str]:
    progress = run.progress
    speed = f"{progress.images_per_second:.0f} images/s" if progress.images_per_second else ""
    left = f"{duration(progress.eta_seconds)}" if progress.eta_seconds is not None else ""
    return {
        "run": run.id,
        "name": run.name or "",
        "state": run.state,
        "reason": run.reason or "",
        "queue": f"{run.queue_position} of those that wait" if run.queue_position else "",
        "go on from": (run.failure and run.failure.last_checkpoint) or "",
        "dataset": run.spec["dataset"],
        "model": run.spec["model"]["preset"],
        "recipe": run.spec["recipe"]["preset"],
        "step": _steps(run),
        "speed": speed,
        "left": left if not run.state.is_terminal else "",
        "loss": f"{progress.loss:.4f}" if progress.loss is not None else "",
        "top-1": _accuracy(progress.val_top1_error),
        "top-5": _accuracy(progress.val_top5_error),
        "checkpoints": ", ".join(checkpoint.name for checkpoint in run.checkpoints),
        "created": run.created_at,
        "finished": run.finished_at or "",
    }


def _steps(run: Run) -> str:
    progress = run.progress
    return (
        "" if progress.step is None else f"{progress.step} of {progress.total_steps} (epoch {progress.epoch})"
    )


def _accuracy(error: float | None) -> str:
    return "–" if error is None else percent(1 - error)
