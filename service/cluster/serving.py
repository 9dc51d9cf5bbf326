"""The serving process over HTTP, as the control plane asks it: ready? is this candidate fit? what is it?"""

from __future__ import annotations

from typing import Any

import httpx

from service.domain.classification import ClassifyOptions
from service.errors import ServingUnreachableError, UnfitCheckpointError

CONNECT_SECONDS = 5.0
# Loading the full network and classifying ten views of many photos, on a CPU that trains beside it.
ANSWER_SECONDS = 120.0
PING_SECONDS = 5.0


class ServingClient:
    """A serving process at a URL. Thread-safe, but for `forward`, which belongs to one event loop.

    Every method raises `ServingUnreachableError` when nothing there answers as the serving process does.
    """

    def __init__(self, base_url: str) -> None:
        self._url = base_url
        timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
        # The serving process is a neighbour: a proxy for the wider network has no business in between.
        self._http = httpx.Client(base_url=base_url, timeout=timeout, trust_env=False)
        # How many requests may wait is the serving process's own decision, and it says so with a 503.
        unlimited = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        self._async_http = httpx.AsyncClient(
            base_url=base_url, timeout=timeout, limits=unlimited, trust_env=False
        )

    def ping(self) -> None:
        """Returns when the serving process is ready to classify."""
        response = self._send("GET", "/readyz", timeout=PING_SECONDS)
        if not response.is_success:
            raise self._strange(response)

    def check(self, candidate: str) -> None:
        """Has a candidate loaded and tried; raises `UnfitCheckpointError` when that fails."""
        response = self._send("POST", f"/internal/candidates/{candidate}/check")
        if response.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
            raise UnfitCheckpointError(response.json()["detail"])
        if not response.is_success:
            raise self._strange(response)

    async def forward(
        self, path: str, options: ClassifyOptions, body: bytes, content_type: str | None
    ) -> httpx.Response:
        """Sends a classification on, and returns the answer whatever it is."""
        # As it came over the wire: latin-1 is how a header is read.
        headers = [(b"Content-Type", content_type.encode("latin-1"))] if content_type else []
        params = options.model_dump(mode="json")
        try:
            return await self._async_http.post(path, params=params, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise self._silent(error) from error

    def close(self) -> None:
        """Closes all connections but those of `forward`."""
        self._http.close()

    async def aclose(self) -> None:
        """Closes all connections, on the event loop that `forward` belongs to."""
        self.close()
        await self._async_http.aclose()

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise self._silent(error) from error

    def _silent(self, error: httpx.HTTPError) -> ServingUnreachableError:
        return ServingUnreachableError(
            f"the serving process at {self._url} does not answer ({error or type(error).__name__}):"
            " is it running? Start it with 'tandem up' or 'tandem serve'"
        )

    def _strange(self, response: httpx.Response) -> ServingUnreachableError:
        return ServingUnreachableError(
            f"the serving process at {self._url} answered {response.status_code} to"
            f" {response.request.url.path}: {response.text[:300]}"
        )
