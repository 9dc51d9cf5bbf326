"""What axe-core finds in a page that keeps some people from using it."""

from __future__ import annotations

from typing import Final, NamedTuple

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

GRAVE: Final = frozenset({"serious", "critical"})


class Violation(NamedTuple):
    """A rule that is broken, how much that matters to people, and the elements that break it."""

    rule: str
    impact: str
    elements: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.impact}: {self.rule}: {'; '.join(self.elements)}"


def violations(page: Page) -> list[Violation]:
    found = Axe().run(page).response["violations"]
    return [
        Violation(
            f"{each['id']} ({each['help']})",
            each["impact"],
            tuple(f"{node['html']} ({node['failureSummary']})" for node in each["nodes"]),
        )
        for each in found
    ]
