"""What is shown of a run that is followed, and of classes that are likely."""

from __future__ import annotations

import pytest
from rich.console import Console

from service.cli.bars import BAR_CELLS, top_bars
from service.cli.follow import show
from service.cli.output import duration
from service.client.events import RunEvent
from service.domain.classification import Likelihood
from service.domain.events import EventKind


def event(kind: EventKind, **data: object) -> RunEvent:
    return RunEvent(kind=kind, id=1, at="2026-01-01T00:00:00Z", data=data)


def test_a_followed_run_is_told_in_plain_lines_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    epoch = {"val_top1_error": 0.25, "val_top5_error": 0.125, "seconds": 61.0}
    show(
        [
            event(EventKind.STATE, state="running", reason=None),
            event(
                EventKind.PROGRESS,
                epoch=0,
                step=1,
                total_steps=9,
                loss=2.3,
                images_per_second=10,
                eta_seconds=8,
            ),
            event(EventKind.EPOCH, epoch=0, step=9, **epoch),
            event(EventKind.CHECKPOINT, name="step-00000009", epoch=0, step=9),
            event(EventKind.WARNING, code="stalled", message="try another seed"),
            event(EventKind.LOG, line="noise"),
            event(EventKind.STATE, state="failed", reason="oom"),
            event(EventKind.END, state="failed", reason="oom"),
        ]
    )
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "running",
        "epoch 0: top-1 75.0 %, top-5 87.5 %, 1 min 01 s",
        "checkpoint step-00000009",
        "warning: try another seed",
        "failed: oom",
    ]


def test_bars_are_as_long_as_their_probabilities_and_mark_the_true_class() -> None:
    console = Console(width=80, file=None, record=True, quiet=False)
    likely = [
        Likelihood(index=1, id="b", label="tench", probability=0.5),
        Likelihood(index=0, id="a", label="church", probability=0.1),
    ]
    with console.capture() as capture:
        console.print(top_bars(likely, truth="church"))
    first, second = capture.get().splitlines()
    assert first.count("█") == BAR_CELLS // 2
    assert second.count("█") == BAR_CELLS // 10
    assert "50.0 %" in first
    assert "✓" not in first
    assert "✓" in second


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.96, "10.0 s"), (59.4, "59 s"), (185.0, "3 min 05 s"), (7800.0, "2 h 10 min")],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
