"""Every view, light and dark, wide and narrow, keeps nobody out: axe-core finds nothing grave."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from accessibility import GRAVE, violations
from visit import Visit
from whole_course import VIEWS, WholeCourse

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 360, "height": 740}
SIDEWAYS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("view", VIEWS)
def test_nothing_grave_is_found(
    course: WholeCourse, visit: Callable[..., Visit], view: str, size: dict[str, int], scheme: str
) -> None:
    seen = visit(course.url, color_scheme=scheme, viewport=size)
    page = course.open(seen, view)
    found = violations(page)
    for each in found:
        print(each)
    assert [str(each) for each in found if each.impact in GRAVE] == []
    assert page.evaluate(SIDEWAYS) == 0, "nobody has to scroll sideways to read"
