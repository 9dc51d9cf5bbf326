"""A run's curves, read back from the event files as TensorBoard's own records."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from service.training.board import Board


def curves(folder: Path) -> dict[str, dict[int, float]]:
    """Each curve's points, a later file taking back what an earlier one told of the same or later steps."""
    from tensorboardX.proto.event_pb2 import Event, SessionLog

    found: dict[str, dict[int, float]] = {}
    for path in sorted(folder.iterdir()):
        content, at = path.read_bytes(), 0
        while at < len(content):
            # TFRecord: length, its checksum, the data, its checksum.
            (length,) = struct.unpack_from("<Q", content, at)
            event = Event.FromString(content[at + 12 : at + 12 + length])
            at += 12 + length + 4
            if event.session_log.status == SessionLog.START:
                for points in found.values():
                    for step in [step for step in points if step >= event.step]:
                        del points[step]
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


def test_an_attempt_that_goes_on_takes_back_what_was_told_of_later_steps(tmp_path: Path) -> None:
    first = Board(tmp_path)
    for step in range(1, 6):
        first.tell(step, {"train/loss": 10.0 - step, "train/learning_rate": 0.5})
    first.tell(5, {"val/top1_error": 0.25})
    first.close()
    assert curves(tmp_path) == {
        "train/loss": {step: 10.0 - step for step in range(1, 6)},
        "train/learning_rate": dict.fromkeys(range(1, 6), 0.5),
        "val/top1_error": {5: 0.25},
    }
    second = Board(tmp_path)
    for step in (4, 6):
        second.tell(step, {"train/loss": 1.0})
    second.close()
    found = curves(tmp_path)
    assert found["train/loss"] == {1: 9.0, 2: 8.0, 3: 7.0, 4: 1.0, 6: 1.0}
    assert found["val/top1_error"] == {}


def test_a_run_that_told_nothing_leaves_no_file(tmp_path: Path) -> None:
    Board(tmp_path / "tensorboard")
    assert not (tmp_path / "tensorboard").exists()


@pytest.mark.parametrize("steps", [1, 3])
def test_every_attempt_has_a_file_of_its_own(tmp_path: Path, steps: int) -> None:
    for attempt in range(2):
        board = Board(tmp_path)
        for step in range(steps):
            board.tell(attempt + step, {"train/loss": 1.0})
        board.close()
    assert len(list(tmp_path.iterdir())) == 2
