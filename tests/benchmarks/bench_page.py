"""`make bench-page`: the web page in a headless Chromium, over a control plane on loopback.

first view: the list of runs, sixty of them, from the navigation until the reader can use it, and the bytes
that came for it, the chart library's apart. long run: a run of 10,000 steps with 50,000 points, from the
navigation until all of them are on the screen, with nothing cached and at later visits, in a browser that
nothing is attached to; beside it the same under a debugger, which is slower, and the memory that they take. A
table goes to stderr; the last line of stdout is one JSON object. Exits 1 when a figure is not held.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from chromium import MISSING, chromium, chromium_program
from drawn_run import heap_bytes, renderer_bytes, seconds_until_drawn
from figures import median, report
from lone_api import lone_api
from playwright.sync_api import Browser, BrowserContext, CDPSession, Playwright, sync_playwright
from recorded_home import RecordedHome
from recorded_training import POINTS, record_long_run
from undisturbed_chromium import undisturbed_chromium

from service.domain.state import JobState

SHORT_RUNS = 60
# A browser keeps a script compiled when it has met it a third time.
VISITS_BEFORE = 3
CHART_LIBRARY = "plotly"
TARGETS = {
    "first_view_bytes_without_chart_library": (1e6, "at most"),
    "first_view_interactive_seconds": (1.0, "at most"),
    "long_run_drawn_seconds": (1.0, "at most"),
    "long_run_drawn_seconds_at_later_visits": (1.0, "at most"),
    "long_run_renderer_bytes": (200e6, "at most"),
}
INTERACTIVE = """
  () => document.readyState === "complete" && document.querySelector('main a[href*="#/runs/"]') &&
    new Promise((shown) => requestAnimationFrame(() => requestAnimationFrame(() => shown(performance.now()))))
"""

Turn = dict[str, float]


class Received:
    """The bytes of each answer as they came over the network, headers too."""

    def __init__(self, session: CDPSession) -> None:
        self._urls: dict[str, str] = {}
        self.bytes_of: dict[str, int] = {}
        session.on("Network.responseReceived", self._note)
        session.on("Network.loadingFinished", self._count)
        session.send("Network.enable")

    def total(self, *, chart_library: bool) -> int:
        return sum(size for url, size in self.bytes_of.items() if (CHART_LIBRARY in url) is chart_library)

    def _note(self, event: dict[str, Any]) -> None:
        self._urls[event["requestId"]] = event["response"]["url"]

    def _count(self, event: dict[str, Any]) -> None:
        url = self._urls[event["requestId"]]
        self.bytes_of[url] = self.bytes_of.get(url, 0) + event["encodedDataLength"]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5, help="turns that each view takes")
    options = arguments.parse_args()
    program = chromium_program()
    if program is None:
        raise SystemExit(MISSING)
    first: list[Turn] = []
    watched: list[Turn] = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        run_id = record(home)
        with lone_api(home) as api:
            with chromium(program) as browser:
                for _ in range(options.rounds):
                    first.append(first_view(browser, api.url))
                    with browser.new_context() as context:
                        watched.append(long_run(context, api.url, run_id))
            page = f"{api.url}/#/runs/{run_id}"
            with sync_playwright() as playwright:
                long, later = undisturbed(playwright, program, Path(folder), page, options.rounds)
    figures = {
        "first_view_bytes_without_chart_library": median(first, "bytes"),
        "first_view_interactive_seconds": median(first, "seconds"),
        "long_run_drawn_seconds": median(long, "seconds"),
        "long_run_drawn_seconds_at_later_visits": median(later, "seconds"),
        "long_run_renderer_bytes": median(watched, "renderer_bytes"),
    }
    contenders = {
        "first view": first,
        "long run": long,
        "long run, later visits": later,
        "long run, under a debugger": watched,
    }
    return report("page", contenders, figures, TARGETS)


def undisturbed(
    playwright: Playwright, program: str, folder: Path, page: str, rounds: int
) -> tuple[list[Turn], list[Turn]]:
    """The long run with nothing cached, each time in a new browser, and at later visits with one."""
    first: list[Turn] = []
    for number in range(rounds):
        with undisturbed_chromium(playwright, program, folder / f"browser-{number}") as browser:
            first.append({"seconds": browser.seconds_until_shown(page, POINTS)})
    with undisturbed_chromium(playwright, program, folder / "browser") as browser:
        visits = [browser.seconds_until_shown(page, POINTS) for _ in range(VISITS_BEFORE + rounds)]
    return first, [{"seconds": seconds} for seconds in visits[VISITS_BEFORE:]]


def record(home: Path) -> str:
    """The long run's id, which is older than the short ones."""
    with RecordedHome(home) as recorded:
        run_id = record_long_run(recorded)
        for number in range(SHORT_RUNS):
            run = recorded.add_run("paints", 4, name=f"short {number}")
            run.begin()
            run.move_to(JobState.SUCCEEDED)
    return run_id


def first_view(browser: Browser, url: str) -> Turn:
    with browser.new_context() as context:
        page = context.new_page()
        received = Received(context.new_cdp_session(page))
        page.goto(f"{url}/#/runs", wait_until="commit")
        milliseconds = page.wait_for_function(INTERACTIVE, polling="raf").json_value()
        return {
            "seconds": milliseconds / 1000,
            "bytes": received.total(chart_library=False),
            "chart_library_bytes": received.total(chart_library=True),
        }


def long_run(context: BrowserContext, url: str, run_id: str) -> Turn:
    with context.new_page() as page:
        page.goto(f"{url}/#/runs/{run_id}", wait_until="commit")
        return {
            "seconds": seconds_until_drawn(page, POINTS),
            "heap_bytes": heap_bytes(page),
            "renderer_bytes": renderer_bytes(page),
        }


if __name__ == "__main__":
    sys.exit(main())
