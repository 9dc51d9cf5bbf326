"""A Chromium for the tests of the page, and visits that end well only if the page complained of nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from chromium import MISSING, REQUIRED, chromium, chromium_program
from lone_api import LoneApi, lone_api
from playwright.sync_api import Browser, expect
from visit import Visit
from whole_course import WholeCourse, run_course

from service.client import Client
from service.stack.up import Stack

# A busy machine takes its time.
expect.set_options(timeout=30_000)

VISITS = pytest.StashKey[list[Visit]]()


# For each module anew: while it is open, no test of another room could run an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = chromium_program()
    if program is None:
        if REQUIRED:
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    with chromium(program) as browser:
        yield browser


@pytest.fixture
def serve() -> Iterator[Callable[..., LoneApi]]:
    """Serves a home, `serve(home, **settings)`; a test names it before `visit`, whose pages close earlier."""
    with ExitStack() as running:
        yield lambda home, **settings: running.enter_context(lone_api(home, **settings))


@pytest.fixture
def visit(browser: Browser, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Visit]]:
    """Opens the page of a server: `visit(url, **options)`, the options being those of a browser's context."""
    visits: list[Visit] = []
    request.node.stash[VISITS] = visits

    def open_page(url: str, **options: Any) -> Visit:
        visits.append(Visit(browser, url, **options))
        return visits[-1]

    yield open_page
    complaints = [complaint for each in visits for complaint in each.complaints]
    kept = [str(path) for each in visits if each.complaints for path in each.keep(tmp_path)]
    for each in visits:
        each.close()
    if complaints:
        pytest.fail("\n".join(["the page complained:", *complaints, *kept]), pytrace=False)


@pytest.fixture(scope="session")
def course(stack: Stack, client: Client, dataset: str, photos: Path) -> WholeCourse:
    return run_course(client, stack.url, dataset, photos / "val" / "coral" / "003.jpg")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A test that fails leaves what its browser showed and said, and its report names the files."""
    report: pytest.TestReport = yield
    if report.when == "call" and report.failed:
        kept = [path for each in item.stash.get(VISITS, []) for path in each.keep(item.funcargs["tmp_path"])]
        report.sections.append(("what the browser showed and said", "\n".join(map(str, kept))))
    return report
