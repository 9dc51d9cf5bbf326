"""The serving processes over HTTP, as the control plane asks them: ready? is a candidate fit? how long do
answers take? what is it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import structlog

from service.cluster.replicas import Replicas
from service.cluster.serving_figures import ServingFigures
from service.errors import ServingUnreachableError, UnfitCheckpointError

log = structlog.get_logger()

CONNECT_SECONDS = 5.0
# Loading the full network and classifying ten views of many photos, on a CPU that trains beside it.
ANSWER_SECONDS = 120.0
PING_SECONDS = 5.0
# Less than the five for which serving keeps a connection that is idle: one that it closes while a request is
# on the way would fail that request.
KEPT_SECONDS = 2.0
ASKED_TOGETHER = 8


class ServingClient:
    """Serving at a URL, by one process or several. Thread-safe, but for `forward`, of one event loop's.

    Every method raises `ServingUnreachableError` when nothing there answers as the serving process does.
    `request_seconds` is the longest that it may take to answer about photos by a version that is loaded.
    """

    def __init__(self, base_url: str, request_seconds: float) -> None:
        self._url = base_url
        self._replicas = Replicas(base_url)
        timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
        # The serving process is a neighbour: a proxy for the wider network has no business in between.
        kept = httpx.Limits(keepalive_expiry=KEPT_SECONDS)
        self._http = httpx.Client(base_url=base_url, timeout=timeout, limits=kept, trust_env=False)
        # How many requests may wait is the serving process's own decision, and it says so with a 503.
        unlimited = httpx.Limits(
            max_connections=None, max_keepalive_connections=64, keepalive_expiry=KEPT_SECONDS
        )
        answering = httpx.Timeout(ANSWER_SECONDS + request_seconds, connect=CONNECT_SECONDS)
        self._async_http = httpx.AsyncClient(timeout=answering, limits=unlimited, trust_env=False)

    def ping(self) -> None:
        """Returns when the serving process is ready to classify."""
        response = self._send("GET", "/readyz", timeout=PING_SECONDS)
        if not response.is_success:
            raise self._strange(response)

    def check(self, candidate: str) -> None:
        """Has a candidate loaded and tried; raises `UnfitCheckpointError` when that fails."""
        self._have_loaded(f"/internal/candidates/{candidate}/check")

    def make_ready(self, name: str, version: int) -> None:
        """Has a version in the memory of every process; raises `UnfitCheckpointError` when it does not load.

        Where some answer, one that does not will load it when it is asked about photos again.
        """
        replicas, silent = self._all(), []
        for replica in replicas:
            try:
                self._have_loaded(f"{replica}/internal/models/{name}/versions/{version}/load")
            except ServingUnreachableError as error:
                silent.append(error)
        if len(silent) == len(replicas):
            raise silent[0]
        for why in silent:
            log.warning("replica_without_version", model=name, version=version, detail=str(why))

    def figures(self) -> dict[str, ServingFigures | ServingUnreachableError]:
        """By each replica's address, what it tells of its answers, or why it tells nothing; one does."""
        replicas = self._all()
        with ThreadPoolExecutor(min(len(replicas), ASKED_TOGETHER)) as asking:
            found = dict(zip(replicas, asking.map(self._figures_of, replicas), strict=True))
        silent = [each for each in found.values() if isinstance(each, ServingUnreachableError)]
        if len(silent) == len(replicas):
            raise silent[0]
        return found

    async def forward(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int],
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
    ) -> httpx.Response:
        """Sends a request on to whoever has least to do, and returns the answer whatever it is."""
        try:
            replicas = await self._replicas.by_work()
        except OSError as error:
            raise self._silent(error) from error
        for replica in replicas:
            with self._replicas.working(replica):
                try:
                    return await self._async_http.request(
                        method, replica + path, params=params, content=body, headers=list(headers)
                    )
                except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                    # It has seen nothing of the request: another may answer.
                    unreached = error
                except httpx.HTTPError as error:
                    raise self._silent(error) from error
        raise self._silent(unreached) from unreached

    def close(self) -> None:
        """Closes all connections but those of `forward`."""
        self._http.close()

    async def aclose(self) -> None:
        """Closes all connections, on the event loop that `forward` belongs to."""
        self.close()
        await self._async_http.aclose()

    def _all(self) -> list[str]:
        try:
            return self._replicas.all()
        except OSError as error:
            raise self._silent(error) from error

    def _figures_of(self, replica: str) -> ServingFigures | ServingUnreachableError:
        try:
            response = self._send("GET", f"{replica}/metrics", timeout=PING_SECONDS)
        except ServingUnreachableError as error:
            return error
        try:
            return ServingFigures.read(response.raise_for_status().text)
        except (httpx.HTTPStatusError, ValueError):
            return self._strange(response)

    def _have_loaded(self, path: str) -> None:
        response = self._send("POST", path)
        if response.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
            raise UnfitCheckpointError(response.json()["detail"])
        if not response.is_success:
            raise self._strange(response)

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise self._silent(error) from error

    def _silent(self, error: Exception) -> ServingUnreachableError:
        return ServingUnreachableError(
            f"the serving process at {self._url} does not answer ({error or type(error).__name__}):"
            " is it running? Start it with 'tandem up' or 'tandem serve'"
        )

    def _strange(self, response: httpx.Response) -> ServingUnreachableError:
        return ServingUnreachableError(
            f"the serving process at {self._url} answered {response.status_code} to"
            f" {response.request.url.path}: {response.text[:300]}"
        )
