"""A Chromium that nobody watches while it works: a debugger, as Playwright's, makes it slower.

Chromium finds out where in a script an error came from only if someone asks, as a debugger does for every
one: 0.35 s of Plotly's start on two cores. Here the browser is asked only once it is done.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import httpx
from chromium import ALONE
from playwright.sync_api import Playwright

from service.stack.free_port import free_port

# Long after the last of what it does for a page.
_SECONDS: Final = 5.0
_SHOWN: Final = """
  (points) => performance.getEntriesByName("charts shown")
    .find(({ detail }) => detail.points >= points)?.startTime
"""


class UndisturbedChromium:
    def __init__(self, playwright: Playwright, url: str) -> None:
        self._playwright = playwright
        self._url = url

    def seconds_until_shown(self, page: str, points: int) -> float:
        """From asking for a page until its charts show so many points, as the page has noted it."""
        asked = f"{self._url}/json/new?{quote(page, safe=':/')}"
        opened = httpx.put(asked, trust_env=False).raise_for_status().json()["id"]
        time.sleep(_SECONDS)
        browser = self._playwright.chromium.connect_over_cdp(self._url)
        shown = next(each for context in browser.contexts for each in context.pages if each.url == page)
        milliseconds = shown.evaluate(_SHOWN, points)
        browser.close()
        httpx.get(f"{self._url}/json/close/{opened}", trust_env=False).raise_for_status()
        if milliseconds is None:
            raise RuntimeError(f"{page} did not show {points} points within {_SECONDS} s")
        return float(milliseconds) / 1000


@contextmanager
def undisturbed_chromium(playwright: Playwright, program: str, folder: Path) -> Iterator[UndisturbedChromium]:
    """One that keeps what it has loaded in `folder`: with nothing cached where that is new."""
    port = free_port()
    options = ["--headless=new", "--no-sandbox", "--no-first-run", ALONE]
    process = subprocess.Popen(
        [program, *options, f"--user-data-dir={folder}", f"--remote-debugging-port={port}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url)
        yield UndisturbedChromium(playwright, url)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _wait_for(url: str) -> None:
    while True:
        try:
            httpx.get(f"{url}/json/version", trust_env=False).raise_for_status()
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            # It has things of its own to do as it begins.
            time.sleep(2)
            return
