"""Text from anywhere, such as the names of classes, made to fit into a line of a figure."""

from __future__ import annotations

from typing import Final

from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import text_to_path

_POINTS_PER_INCH: Final = 72
# Hinting, on the way to pixels, makes letters wider than their outlines.
_FILLED: Final = 0.95
# More than fit into any line; a name may be as long as a file.
_MAX_CHARACTERS: Final = 200


def fitted(text: str, width_inches: float, font: FontProperties) -> str:
    """As much of the text as fits, in one line; a character that the font lacks becomes �."""
    known = get_font(findfont(font)).get_charmap()
    line = " ".join(text.split())[:_MAX_CHARACTERS]
    line = "".join(each if ord(each) in known else "\N{REPLACEMENT CHARACTER}" for each in line)
    shown = line
    while line and width_of(shown, font) > width_inches * _FILLED:
        line = line[:-1]
        shown = f"{line.rstrip()}…"
    return shown


def width_of(line: str, font: FontProperties) -> float:
    """How wide a line is, in inches."""
    width_points, _, _ = text_to_path.get_text_width_height_descent(line, font, ismath=False)
    return float(width_points) / _POINTS_PER_INCH
