"""Ray's head over HTTP: what it answers, or that it does not answer as Ray does."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import httpx
from pydantic import SecretStr

from service.errors import ClusterUnreachableError

ANSWER_SECONDS = 15.0


class RayHead:
    """The dashboard at a URL. Thread-safe. Raises `ClusterUnreachableError` when it does not answer."""

    def __init__(self, url: str, token: SecretStr | None = None) -> None:
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=ANSWER_SECONDS)
        self.url = url

    def call(self, method: str, path: str, **options: Any) -> Any:
        """The JSON of an answer that is no refusal; `options` are httpx's."""
        return self.payload(self.send(method, path, **options))

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise ClusterUnreachableError(
                f"Ray's head at {self.url} does not answer ({error}): is it running?"
            ) from error

    def payload(self, response: httpx.Response) -> Any:
        """What an answer holds; raises `ClusterUnreachableError` for a refusal, and for what is no JSON."""
        if response.is_success:
            with suppress(ValueError):
                return response.json()
        raise ClusterUnreachableError(
            f"Ray's head at {self.url} answered {response.status_code} to {response.request.url.path}: "
            f"{response.text[:300]}"
        )

    def close(self) -> None:
        self._http.close()
