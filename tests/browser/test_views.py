"""What the views do beside being read: the camera of one, and the steps of another."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from visit import Visit
from whole_course import WholeCourse

pytestmark = [pytest.mark.browser, pytest.mark.cluster]


def test_a_photo_from_the_camera_is_answered(course: WholeCourse, visit: Callable[..., Visit]) -> None:
    page = visit(course.url).go("#/classify")
    page.get_by_label("Model").select_option("shown/versions/1")
    page.get_by_role("button", name="Use the camera").click()
    page.get_by_role("button", name="Take the photo").click()
    expect(page.get_by_role("list").filter(has_text="%").last.get_by_role("listitem")).to_have_count(4)
    # Who does not see the bars hears the likeliest class.
    expect(page.get_by_role("status").filter(has_text=re.compile(r"\S, \d+\.\d %$"))).to_be_attached()


def test_the_filters_of_each_step_are_shown(course: WholeCourse, visit: Callable[..., Visit]) -> None:
    page = course.open(visit(course.url), "filters of a run")
    last = page.get_by_role("img", name="Kernels of tower 1").get_attribute("src")
    slider = page.get_by_role("slider", name="Step")
    slider.press("Home")
    expect(page.get_by_text("step 0", exact=True)).to_be_visible()
    expect(page.get_by_role("img", name="Kernels of tower 1")).not_to_have_attribute("src", str(last))
