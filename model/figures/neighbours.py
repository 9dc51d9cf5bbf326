"""Photos beside the training photos nearest to them (P figure 4, right)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from numpy.typing import NDArray

from model.figures.nearest import Neighbour
from model.figures.sheet import Sheet

# All in inches.
_SIDE: Final = 1.2
_GAP: Final = 0.1
_GUTTER: Final = 0.3
_MARGIN: Final = 0.15
_HEADING: Final = 0.3
_CAPTION: Final = 0.4
_SECOND_LINE: Final = 0.16
_HEADING_WIDTH: Final = 3.6

_HEADING_FONT: Final = FontProperties(size=10, weight="bold")
_FONT: Final = FontProperties(size=8)
_BOLD: Final = FontProperties(size=8, weight="bold")
_SMALL: Final = FontProperties(size=7)


class Query(NamedTuple):
    """A photo, uint8 [S, S, 3] RGB, its class, and its neighbours, nearest first."""

    photo: NDArray[np.uint8]
    label: int
    neighbours: Sequence[Neighbour]


def neighbours_figure(queries: Sequence[Query], names: Sequence[str], layer: str) -> Figure:
    """A row per query: the photo in the first column, its neighbours in the others, each above its class.

    `names` are the classes' by label; of a neighbour, a name in bold is the query's own class, and the number
    below it the distance. `layer` is the one whose activations the distance is between.
    """
    columns = max(len(query.neighbours) for query in queries)
    pitch = _SIDE + _CAPTION
    across = max(columns * (_SIDE + _GAP) - _GAP, _HEADING_WIDTH)
    right = _MARGIN + _SIDE + _GUTTER
    sheet = Sheet(right + across + _MARGIN, _MARGIN + _HEADING + len(queries) * pitch)
    sheet.line("Query", _MARGIN, _MARGIN, _SIDE, _HEADING_FONT)
    heading = f"Nearest training photos, L2 distance on {layer}"
    sheet.line(heading, right, _MARGIN, across, _HEADING_FONT)
    for row, query in enumerate(queries):
        top = _MARGIN + _HEADING + row * pitch
        below = top + _SIDE + 0.04
        sheet.photo(query.photo, _MARGIN, top, _SIDE)
        sheet.line(names[query.label], _MARGIN, below, _SIDE, _BOLD)
        for column, found in enumerate(query.neighbours):
            left = right + column * (_SIDE + _GAP)
            sheet.photo(found.photo, left, top, _SIDE)
            same = found.label == query.label
            sheet.line(names[found.label], left, below, _SIDE, _BOLD if same else _FONT)
            sheet.line(f"{found.distance:.2f}", left, below + _SECOND_LINE, _SIDE, _SMALL, color="0.35")
    return sheet.figure
