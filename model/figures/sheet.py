"""A sheet that photos, bars and lines of text are put on, measured in inches from its top left corner."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from numpy.typing import NDArray

from model.figures.lettering import fitted

_DOTS_PER_INCH: Final = 200


class Sheet:
    """Belongs to no window and to no state of pyplot's; `figure` is what has been put on it."""

    def __init__(self, width: float, height: float) -> None:
        self.figure = Figure(figsize=(width, height), dpi=_DOTS_PER_INCH, facecolor="white")
        self._width, self._height = width, height

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes without ticks."""
        bottom = self._height - top - height
        axes = self.figure.add_axes(
            (left / self._width, bottom / self._height, width / self._width, height / self._height)
        )
        axes.set_xticks([])
        axes.set_yticks([])
        return axes

    def photo(self, pixels_SS3: NDArray[np.uint8], left: float, top: float, side: float) -> None:
        axes = self.axes(left, top, side, side)
        axes.imshow(pixels_SS3)
        axes.set_axis_off()

    def line(
        self, text: str, left: float, top: float, width: float, font: FontProperties, **style: Any
    ) -> None:
        """One line below `top`, in the middle of `width` and no longer than it."""
        self.figure.text(
            (left + width / 2) / self._width,
            1 - top / self._height,
            fitted(text, width, font),
            ha="center",
            va="top",
            fontproperties=font,
            # A class may be named for what things cost.
            parse_math=False,
            **style,
        )


def pixels_of(figure: Figure) -> NDArray[np.uint8]:
    """The figure as it is drawn: uint8 [H, W, 3] RGB."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3].copy()
