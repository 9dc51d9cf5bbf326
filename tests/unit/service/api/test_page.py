"""The web page is served whole, under a strict policy, and keeps to that policy in its own files."""

from __future__ import annotations

import asyncio
import re
from html.parser import HTMLParser
from posixpath import dirname, join, normpath
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from fastapi import FastAPI

from service.api import page, reference

FILES = sorted(str(path.relative_to(page.FOLDER)) for path in page.FOLDER.rglob("*") if path.is_file())
SCRIPTS = [name for name in FILES if name.endswith(".js")]
TEXTS = {name: (page.FOLDER / name).read_text(encoding="utf-8") for name in FILES}
DOCUMENTS = [name for name in FILES if name.endswith(".html")]
MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".svg": "image/svg+xml"}
SVG_NAMESPACE = "http://www.w3.org/2000/svg"


class Markup(HTMLParser):
    """The tags of the page with their attributes, and whatever stands inside script and style tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in {"script", "style"} and data.strip():
            self.inline.append(data)

    @property
    def references(self) -> list[str]:
        found = (attributes.get(name) for _, attributes in self.tags for name in ("src", "href", "action"))
        return [reference for reference in found if reference is not None]

    @property
    def ids(self) -> list[str]:
        return [attributes["id"] or "" for _, attributes in self.tags if "id" in attributes]


def ask(path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    app = FastAPI(redirect_slashes=False, docs_url=None)
    app.include_router(reference.router)
    app.include_router(page.router)

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(send())


def imports(script: str) -> list[str]:
    """The scripts that one imports, as they are named in the folder."""
    found = re.findall(r"^(?:import|\}) .*from \"(\.[^\"]+)\";$", TEXTS[script], re.MULTILINE)
    return [normpath(join(dirname(script), module)) for module in found]


def later_imports(script: str) -> list[str]:
    """The scripts that one brings in while it works, but for the views."""
    found = re.findall(r"import\(`(\.[^`$]+\.js)", TEXTS[script])
    return [normpath(join(dirname(script), module)) for module in found]


def views() -> list[str]:
    """The modules that the frame of the page brings in when their view is shown."""
    return [f"views/{module}.js" for module in re.findall(r"\[\"(\w+)\", \"\w+View\"\]", TEXTS["app.js"])]


@pytest.mark.parametrize("path", ["/", *(f"/page/{name}" for name in FILES)])
def test_everything_is_served_under_the_policy(path: str) -> None:
    answer = ask(path)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"].split("; ")
    assert set(policy) == {
        "default-src 'self'",
        "img-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    }
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_reference_comes_with_its_own_library_under_the_policy() -> None:
    for path in ("/docs", "/page/swagger-ui/swagger-ui-bundle.js", "/page/swagger-ui/swagger-ui.css"):
        answer = ask(path)
        assert answer.status_code == 200
        assert "img-src 'self' blob: data:" in answer.headers["content-security-policy"].split("; ")


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_served_as_it_is_and_as_what_it_is(name: str) -> None:
    answer = ask(f"/page/{name}")
    assert answer.text == TEXTS[name]
    media_type = answer.headers["content-type"].partition(";")[0]
    # nosniff makes browsers refuse a module or a style sheet under another type.
    if name in SCRIPTS:
        assert media_type in {"text/javascript", "application/javascript"}
    else:
        assert media_type == MEDIA_TYPES[f".{name.rpartition('.')[2]}"]


def test_a_browser_that_has_the_newest_file_is_not_sent_it_again() -> None:
    etag = ask("/").headers["etag"]
    again = ask("/", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/page/../page.py",
        "/page/%2e%2e/page.py",
        "/page/..%2fpage.py",
        "/page/%2e%2e%2f%2e%2e%2fsettings.py",
        "/page/..%5cpage.py",
        "/page//etc/passwd",
        "/page/%2fetc%2fpasswd",
        "/page/%2e%2e",
        "/page/.",
        "/page/",
        "/page/absent.js",
    ],
)
def test_nothing_outside_the_folder_is_served(path: str) -> None:
    assert ask(path).status_code in {404, 405}


def test_references_stay_below_any_prefix_and_lead_to_files_that_exist() -> None:
    found = {
        each for name in DOCUMENTS for each in Markup(TEXTS[name]).references if not each.startswith("#")
    }
    routes = {"docs", "openapi.json"}
    assert routes < found
    for each in found - routes:
        assert urlsplit(urljoin("http://host/a/prefix/", each)).path.startswith("/a/prefix/page/")
        file = each.removeprefix("page/")
        assert file in FILES or ask(f"/{each}").status_code == 200
    for script in SCRIPTS:
        assert set(imports(script)) <= set(SCRIPTS)
        assert len(imports(script)) == len(re.findall(r"\bfrom \"", TEXTS[script]))


def test_every_script_is_reached_from_those_of_the_page() -> None:
    sources = [each for name in DOCUMENTS for each in Markup(TEXTS[name]).references]
    names = [source.removeprefix("page/") for source in sources]
    reached, waiting = set(), [name for name in names if name in SCRIPTS]
    assert "app.js" in waiting
    waiting += views()
    while waiting:
        script = waiting.pop()
        reached.add(script)
        waiting += {*imports(script), *later_imports(script)} - reached
    assert reached == set(SCRIPTS)


@pytest.mark.parametrize("name", FILES)
def test_no_file_names_another_host_or_an_absolute_path(name: str) -> None:
    text = TEXTS[name].replace(f'xmlns="{SVG_NAMESPACE}"', "") if name.endswith(".svg") else TEXTS[name]
    assert not re.search(r"\w:?//\w", text)
    assert not re.search(r"""["'`(]/(?:api|page|docs)""", text)
    assert not re.search(r"@import|url\(", text)


def test_the_page_has_no_inline_script_style_or_handler() -> None:
    markup = Markup("".join(TEXTS[name] for name in DOCUMENTS))
    assert markup.inline == []
    attributes = [name for _, found in markup.tags for name in found]
    assert not [name for name in attributes if name == "style" or name.startswith("on")]
    assert "style" not in [tag for tag, _ in markup.tags]


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_the_server_says_is_never_read_as_markup_or_code(script: str) -> None:
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|setHTML|parseFromString|createContextualFragment"
        r"|document\.write|\beval\b|new Function|srcdoc|javascript:"
    )
    assert not re.search(forbidden, TEXTS[script])


def test_what_the_scripts_look_for_is_in_the_page() -> None:
    markup = Markup(TEXTS["index.html"])
    assert len(markup.ids) == len(set(markup.ids))
    scripts = "".join(TEXTS[script] for script in SCRIPTS)
    wanted = re.findall(r"getElementById\(\"([^\"]+)\"\)", scripts)
    assert wanted
    assert set(wanted) <= set(markup.ids)


def test_every_control_and_picture_has_a_name_for_those_who_cannot_see_it() -> None:
    markup = Markup(TEXTS["index.html"])
    labelled = {attributes.get("for") for tag, attributes in markup.tags if tag == "label"}
    for tag, attributes in markup.tags:
        if tag in {"progress", "svg"}:
            assert attributes.get("aria-label"), attributes
        if tag == "img":
            assert "alt" in attributes
        if tag == "section":
            assert attributes["aria-labelledby"] in markup.ids
        if tag == "input" and "id" in attributes:
            assert attributes["id"] in labelled
