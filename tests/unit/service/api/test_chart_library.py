"""The charts' library comes from its Python package, once and small, without the package being imported."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from service.api.chart_library import ChartLibrary, chart_library, compiled_at_once


@pytest.fixture
def library(tmp_path: Path) -> ChartLibrary:
    script = tmp_path / "library.js"
    script.write_bytes(b"draw();" * 1000)
    return ChartLibrary(script)


def test_it_is_compressed_for_those_who_take_that(library: ChartLibrary) -> None:
    answer = library.answer({"accept-encoding": "br, gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(answer.body) == b"draw();" * 1000


def test_others_get_it_as_it_is(library: ChartLibrary) -> None:
    answer = library.answer({})
    assert "content-encoding" not in answer.headers
    assert answer.body == b"draw();" * 1000
    assert answer.headers["vary"] == "Accept-Encoding"


def test_who_has_it_is_not_sent_it_again(library: ChartLibrary) -> None:
    etag = library.answer({}).headers["etag"]
    again = library.answer({"if-none-match": etag, "accept-encoding": "gzip"})
    assert (again.status_code, again.body) == (304, b"")
    assert library.answer({"if-none-match": '"another"'}).status_code == 200


def test_it_is_plotly_and_the_package_is_not_imported() -> None:
    assert b"plotly" in chart_library().answer({}).body[:300].lower()
    asked = "from service.api.chart_library import chart_library; chart_library().answer({})"
    program = f"import sys; {asked}; print('plotly' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


def test_its_one_function_is_compiled_as_it_arrives() -> None:
    assert b"this, (() => {" in chart_library().answer({}).body
    laid_out = b"(function(root, factory) { factory(); }(this, () => {\nf(() => {});\n}));\n"
    assert (
        compiled_at_once(laid_out)
        == b"(function(root, factory) { factory(); }(this, (() => {\nf(() => {});\n})));\n"
    )


@pytest.mark.parametrize(
    "other", [b"this, function() {}));", b"this, () => {})); more()", b"this, () => { g(this, () => {}));"]
)
def test_a_script_that_is_laid_out_otherwise_is_sent_as_it_is(other: bytes) -> None:
    assert compiled_at_once(other) == other
