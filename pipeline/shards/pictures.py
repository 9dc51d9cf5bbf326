"""The pictures in a dataset's folder, for people to look at. Import-light: the control plane shows them."""

from __future__ import annotations

from typing import Final

CONTACT_SHEET_FILE: Final = "contact-sheet.png"
MEAN_IMAGE_FILE: Final = "mean-image.png"
PICTURE_FILES: Final = frozenset({CONTACT_SHEET_FILE, MEAN_IMAGE_FILE})
