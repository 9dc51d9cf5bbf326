"""Photos above the classes a network thinks most likely, as bars (P figure 4, left)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Patch
from numpy.typing import NDArray

from model.figures.lettering import fitted, width_of
from model.figures.sheet import Sheet

# Okabe and Ito's, which the colour-blind tell apart; black is read on both.
TRUE_COLOUR, OTHER_COLOUR = "#E69F00", "#9FD3F2"

_PER_ROW: Final = 4
# All in inches.
_SIDE: Final = 2.0
_GAP: Final = 0.2
_TRUTH_HEIGHT: Final = 0.3
_BAR_HEIGHT: Final = 0.21
_KEY_HEIGHT: Final = 0.35
_INDENT: Final = 0.06

_TRUTH_FONT: Final = FontProperties(size=9, weight="bold")
_FONT: Final = FontProperties(size=8)
_BOLD: Final = FontProperties(size=8, weight="bold")


class Bar(NamedTuple):
    """A class, its probability in [0, 1], and whether it is the true one; False where none is known."""

    label: str
    probability: float
    is_true: bool


class Answer(NamedTuple):
    """A photo, uint8 [S, S, 3] RGB, its bars from the top down, and its true class where that is known."""

    photo: NDArray[np.uint8]
    bars: Sequence[Bar]
    truth: str | None = None


def answers_figure(answers: Sequence[Answer]) -> Figure:
    """Four photos to a row, each above its true class and its bars; a bar as wide as the photo is 1.

    The true class's bar has another colour, and its name is bold.
    """
    truths_known = any(answer.truth is not None for answer in answers)
    truth_height = _TRUTH_HEIGHT if truths_known else _INDENT
    most_bars = max(len(answer.bars) for answer in answers)
    pitch = _SIDE + truth_height + most_bars * _BAR_HEIGHT + _GAP
    columns = min(_PER_ROW, len(answers))
    rows = -(-len(answers) // columns)
    key_height = _KEY_HEIGHT if truths_known else 0.0
    sheet = Sheet(columns * (_SIDE + _GAP) + _GAP, rows * pitch + _GAP + key_height)
    for place, answer in enumerate(answers):
        row, column = divmod(place, columns)
        left, top = _GAP + column * (_SIDE + _GAP), _GAP + row * pitch
        sheet.photo(answer.photo, left, top, _SIDE)
        if answer.truth is not None:
            sheet.line(answer.truth, left, top + _SIDE + 0.07, _SIDE, _TRUTH_FONT)
        height = len(answer.bars) * _BAR_HEIGHT
        _draw(answer.bars, sheet.axes(left, top + _SIDE + truth_height, _SIDE, height))
    if truths_known:
        sheet.figure.legend(
            handles=[Patch(color=TRUE_COLOUR), Patch(color=OTHER_COLOUR)],
            labels=["the true class", "other classes"],
            loc="lower center",
            ncols=2,
            frameon=False,
            prop=_FONT,
        )
    return sheet.figure


def _draw(bars: Sequence[Bar], axes: Axes) -> None:
    axes.barh(
        range(len(bars)),
        [bar.probability for bar in bars],
        height=0.86,
        color=[TRUE_COLOUR if bar.is_true else OTHER_COLOUR for bar in bars],
    )
    axes.set_xlim(0, 1)
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.spines[:].set(color="0.75", linewidth=0.5)
    for row, bar in enumerate(bars):
        font = _BOLD if bar.is_true else _FONT
        share = _percent(bar.probability)
        room = _SIDE - 3 * _INDENT - width_of(share, font)
        label, indent = fitted(bar.label, room, font), _INDENT / _SIDE
        for text, x, side in ((label, indent, "left"), (share, 1 - indent, "right")):
            axes.text(x, row, text, ha=side, va="center_baseline", fontproperties=font, parse_math=False)


def _percent(probability: float) -> str:
    percent = round(100 * probability)
    return f"{percent} %" if percent else "<1 %"
