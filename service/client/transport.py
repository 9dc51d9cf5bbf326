"""One HTTP connection to a server: requests, and answers or errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from service.client.errors import ApiError, ServerUnreachableError
from service.errors import FieldProblem
from service.settings import is_loopback

CONNECT_SECONDS = 5.0
# A ten-view classification of many photos on a busy CPU is the slowest answer there is.
ANSWER_SECONDS = 120.0
# The server sends a keep-alive every 15 s, so three missed ones mean that the line is dead.
SILENCE_SECONDS = 45.0


class Transport:
    """Sends requests below `/api/v1` of one server. Thread-safe."""

    def __init__(self, base_url: str, token: str | None) -> None:
        self.base_url = base_url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
        self._http = httpx.Client(
            base_url=f"{self.base_url}/api/v1",
            headers=headers,
            timeout=timeout,
            # A proxy for the wider network has no business between this machine and itself.
            trust_env=not is_loopback(httpx.URL(self.base_url).host),
        )

    def close(self) -> None:
        self._http.close()

    def call(self, method: str, path: str, **options: Any) -> Any:
        """The JSON body of a successful answer; None where it has none.

        `options` are httpx's (`json`, `params`, `headers`, `files`). Raises ApiError when the server says no
        and ServerUnreachableError when it says nothing.
        """
        response = self._answer(method, path, **options)
        return response.json() if response.content else None

    def download(self, path: str) -> bytes:
        """What an answer that is no JSON holds; raises what `call` raises."""
        return self._answer("GET", path).content

    @contextmanager
    def stream(self, path: str, **options: Any) -> Iterator[Iterator[str]]:
        """The lines of an answer that stays open. Reading them raises httpx.TransportError when it breaks.

        `options` are httpx's, as those of `call`.
        """
        timeout = httpx.Timeout(CONNECT_SECONDS, read=SILENCE_SECONDS)
        with self._http.stream("GET", path, timeout=timeout, **options) as response:
            if not response.is_success:
                response.read()
                raise _refusal(response)
            yield response.iter_lines()

    def _answer(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise self.unreachable(error) from error
        if not response.is_success:
            raise _refusal(response)
        return response

    def unreachable(self, error: httpx.TransportError) -> ServerUnreachableError:
        return ServerUnreachableError(
            f"no Tandem server answers at {self.base_url} ({type(error).__name__}: {error}): "
            "start one with 'tandem up', or set TANDEM_URL to where it is"
        )


def _refusal(response: httpx.Response) -> ApiError:
    if response.headers.get("content-type", "").startswith("application/problem+json"):
        problem = response.json()
        fields = [FieldProblem(entry["field"], entry["message"]) for entry in problem.get("errors", [])]
        return ApiError(response.status_code, problem["code"], problem["detail"], fields)
    # Not ours: a proxy in between, or a server that is not Tandem.
    detail = f"{response.request.url} answered {response.status_code}: {response.text[:200]}"
    return ApiError(response.status_code, "http_error", detail, [])
