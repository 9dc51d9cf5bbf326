"""A page in a browser, and all that it complains of while it is looked at."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request

# What the browser says of a server that is gone, or going.
OUTAGE: Final = (
    r"net::ERR_(CONNECTION_|CONTENT_LENGTH_MISMATCH|EMPTY_RESPONSE|INCOMPLETE_CHUNKED|NETWORK_IO|SOCKET)"
    r"|status of 50[234]"
)
# So long without a word between page and server, a view has all that it asked for; it asks again later.
_QUIET_SECONDS: Final = 0.4
# A page may give up what it asked for itself: a search that another has overtaken, a stream it leaves.
_GIVEN_UP: Final = "net::ERR_ABORTED"
# The browser drops its connections when an interface of the machine comes or goes, as that of a container.
_NETWORK_CHANGED: Final = "net::ERR_NETWORK_CHANGED"
_TELL_OF_POLICY: Final = """
addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI, sourceFile, lineNumber }) => {
  console.error(`policy: ${effectiveDirective} blocked ${blockedURI} (${sourceFile}:${lineNumber})`);
});
"""


class Visit:
    """A page in a context of its own: nothing is remembered from another visit.

    `complaints` has each error that the page did not catch or wrote to its console, each breach of its
    policy, each request that failed and each that went to another server, but for what is tolerated.
    """

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.url = url
        self.complaints: list[str] = []
        self.console: list[str] = []
        self._tolerated: list[re.Pattern[str]] = []
        self._heard_at = time.monotonic()
        self._network_changed = False
        self._context = browser.new_context(**options)
        self._context.add_init_script(_TELL_OF_POLICY)
        self.page: Page = self._context.new_page()
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self._complain(f"uncaught: {error}"))
        self.page.on("request", self._look_at)
        self.page.on("response", self._note)
        self.page.on("requestfinished", self._note)
        self.page.on("requestfailed", self._look_at_failed)

    def go(self, route: str = "") -> Page:
        """Opens one of the page's routes, `#/runs` say, as a link or a bookmark does."""
        self._network_changed = True
        while self._network_changed:
            self._network_changed = False
            self.page.goto(f"{self.url}/{route}")
        return self.page

    def settle(self) -> Page:
        """Returns when the view has its heading, and all that it asked for."""
        self.page.get_by_role("heading", level=1).first.wait_for()
        while time.monotonic() - self._heard_at < _QUIET_SECONDS:
            self.page.wait_for_timeout(50)
            # A script that has come has yet to do its work, and to ask for more.
            self.page.evaluate("() => new Promise((done) => requestIdleCallback(() => done()))")
        return self.page

    @contextmanager
    def tolerating(self, pattern: str) -> Iterator[None]:
        """Complaints that match are none until the block ends."""
        self._tolerated.append(re.compile(pattern))
        try:
            yield
        finally:
            # What was asked inside may still be answered.
            self.page.wait_for_timeout(200)
            self._tolerated.pop()

    def keep(self, folder: Path) -> list[Path]:
        """Writes what is to be seen now, and all that the console has said; gives the files."""
        number = len(list(folder.glob("visit-*.log")))
        picture, log = folder / f"visit-{number}.png", folder / f"visit-{number}.log"
        log.write_text("".join(f"{line}\n" for line in [self.page.url, *self.console]))
        self.page.screenshot(path=picture, full_page=True)
        return [picture, log]

    def close(self) -> None:
        self._context.close()

    def _hear(self, message: ConsoleMessage) -> None:
        place = message.location
        line = f"{message.type}: {message.text} ({place['url']}:{place['lineNumber']})"
        self.console.append(line)
        if message.type == "error":
            self._complain(line)

    def _note(self, _: object) -> None:
        self._heard_at = time.monotonic()

    def _look_at(self, request: Request) -> None:
        self._note(request)
        asked, own = urlsplit(request.url), urlsplit(self.url)
        if asked.scheme not in {"blob", "data"} and asked.netloc != own.netloc:
            self._complain(f"asked another server: {request.url}")

    def _look_at_failed(self, request: Request) -> None:
        if request.failure != _GIVEN_UP:
            self._complain(f"failed: {request.method} {request.url}: {request.failure}")

    def _complain(self, complaint: str) -> None:
        if _NETWORK_CHANGED in complaint:
            self._network_changed = True
        elif not any(pattern.search(complaint) for pattern in self._tolerated):
            self.complaints.append(complaint)
