"""A photo's likeliest classes as bars, as in Figure 4 of the paper."""

from __future__ import annotations

from collections.abc import Sequence

from rich.bar import Bar
from rich.table import Table
from rich.text import Text

from service.cli.output import percent
from service.domain.classification import Likelihood

BAR_CELLS = 30


def top_bars(predictions: Sequence[Likelihood], truth: str | None = None) -> Table:
    """One row per class: its name, a bar as long as its probability, the probability.

    The class whose label is `truth` is marked.
    """
    table = Table(box=None, show_header=False, pad_edge=False)
    for prediction in predictions:
        right = prediction.label == truth
        colour = "green" if right else "blue"
        table.add_row(
            Text("✓" if right else " ", style=colour),
            Text(prediction.label, style="bold" if right else ""),
            Bar(1.0, 0.0, prediction.probability, width=BAR_CELLS, color=colour),
            Text(percent(prediction.probability), justify="right"),
        )
    return table
