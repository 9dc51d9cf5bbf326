"""A run's charts as a browser holds them: how many points, how soon, and in how much memory."""

from __future__ import annotations

from typing import Final

import psutil
from playwright.sync_api import Page

# Plotly leaves what it draws with the element that it draws into.
_POINTS: Final = """
  [...document.querySelectorAll(".chart")]
    .flatMap((chart) => (chart._fullLayout && chart.data) ?? [])
    .reduce((sum, { x, y }) => sum + (y ?? x ?? []).length, 0)
"""
# The frame in which they are there, and the one after it, which shows them.
_DRAWN: Final = f"""
  (points) => {_POINTS} >= points && new Promise((shown) =>
    requestAnimationFrame(() => requestAnimationFrame(() => shown(performance.now()))))
"""


def points_of(page: Page) -> int:
    """In all charts that are shown."""
    return int(page.evaluate(f"() => {_POINTS}"))


def seconds_until_drawn(page: Page, points: int) -> float:
    """Waits until so many points are drawn; gives the time since the page was asked for."""
    return float(page.wait_for_function(_DRAWN, arg=points, polling="raf").json_value()) / 1000


def heap_bytes(page: Page) -> int:
    """What the page's JavaScript holds, with what nobody holds any longer and was not cleared away yet."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    session.detach()
    return int(metrics["JSHeapUsedSize"])


def renderer_bytes(page: Page) -> int:
    """What the largest process that shows a page has to itself: its JavaScript's, its drawing's, its own."""
    assert page.context.browser is not None
    session = page.context.browser.new_browser_cdp_session()
    found = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    renderers = [psutil.Process(each["id"]) for each in found if each["type"] == "renderer"]
    return max(renderer.memory_full_info().uss for renderer in renderers)
