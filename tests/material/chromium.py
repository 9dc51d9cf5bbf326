"""The Chromium that the page is tried in: the one that TANDEM_BROWSER names, or the distribution's own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from playwright.sync_api import Browser, sync_playwright

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome")
# A camera that shows a test picture, and that nobody has to be asked for.
CAMERA: Final = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
# Whatever is not this machine cannot even be found.
ALONE: Final = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost"

# Read here, for the stack's tests take the settings out of the environment.
NAMED: Final = os.environ.get("TANDEM_BROWSER")
REQUIRED: Final = NAMED is not None or os.environ.get("CI") == "true"
MISSING: Final = "no Chromium here: apt-get install chromium"


def chromium_program() -> str | None:
    """Where it is; None where there is none."""
    names = (NAMED,) if NAMED else PROGRAMS
    return next((path for name in names if (path := shutil.which(name))), None)


@contextmanager
def chromium(program: str) -> Iterator[Browser]:
    """A browser without a window. While it is open, its thread has an event loop and can run no other."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*CAMERA, ALONE])
        yield browser
        browser.close()
