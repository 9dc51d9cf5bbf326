"""A claim's curves as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from types import MappingProxyType
from typing import Final

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from service.reproduction.claim import Claim
from service.reproduction.reproduction import ArmResult

# Colours that stay apart to the colour-blind (Okabe and Ito, 2008).
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
_LABELS: Final = MappingProxyType({"train_error": "training error", "test_error": "test error"})
_STYLES: Final = MappingProxyType({"train_error": "--", "test_error": "-"})


def plot_curves(claim: Claim, results: Mapping[str, ArmResult], path: Path) -> None:
    """Writes a PNG: errors over epochs, a colour for each arm, a line for each seed and kind of error."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for result, colour in zip(results.values(), cycle(_COLOURS), strict=False):
        _draw(axes, claim, result, colour)
    axes.set_title(f"{claim.title} ({claim.section})", fontsize=10)
    axes.set_xlabel("epochs")
    axes.set_ylabel(" and ".join(_LABELS[kind] for kind in claim.plotted))
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, format="png", dpi=150)


def _draw(axes: Axes, claim: Claim, result: ArmResult, colour: str) -> None:
    for number, run in enumerate(result.runs):
        for kind in claim.plotted:
            name = result.name if len(claim.plotted) == 1 else f"{result.name}: {_LABELS[kind]}"
            axes.plot(
                [point.epoch for point in run.curve],
                [getattr(point, kind) for point in run.curve],
                color=colour,
                linestyle="-" if len(claim.plotted) == 1 else _STYLES[kind],
                linewidth=1.4,
                # One line of a kind stands for all seeds in the legend.
                label=name if number == 0 else None,
            )
