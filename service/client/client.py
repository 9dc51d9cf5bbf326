"""The client: one object per noun, one method per route."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from service.client.events import EventStream, RunEvent
from service.client.photos import Photo, upload
from service.client.runs import Runs, body
from service.client.transport import Transport
from service.domain.answers import Dataset, Model, ModelVersion
from service.domain.classification import Classification
from service.domain.spec import DatasetSpec


class Client:
    """Talks to one Tandem server. Thread-safe; a context manager that closes its connections.

    Every method raises `ServerUnreachableError` when nothing answers at `base_url` and `ApiError` when the
    server says no.
    """

    def __init__(self, base_url: str, token: str | None = None) -> None:
        self._transport = Transport(base_url, token)
        self.runs = Runs(self._transport)
        self.datasets = Datasets(self._transport)
        self.models = Models(self._transport)

    def classify(
        self, photos: Iterable[Photo], model: str | None = None, top_k: int = 5, views: int = 1
    ) -> Classification:
        """The likeliest `top_k` classes of each photo (a path, or the bytes of an image file).

        Without a model the server's default one answers. `views` is 1 (centre) or 10 (corners, centre and
        their flips, averaged).
        """
        path = f"/models/{model}/classify" if model else "/classify"
        files = [("file", upload(photo)) for photo in photos]
        params = {"top_k": top_k, "views": views}
        return Classification.model_validate(self._transport.call("POST", path, params=params, files=files))

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Datasets:
    """`client.datasets`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, spec: DatasetSpec | Mapping[str, Any]) -> Dataset:
        """Queues the preparation of a dataset; its source is a path on the server."""
        return Dataset.model_validate(self._transport.call("POST", "/datasets", json=body(spec)))

    def list(self) -> list[Dataset]:
        answer = self._transport.call("GET", "/datasets")
        return [Dataset.model_validate(entry) for entry in answer["items"]]

    def get(self, name: str) -> Dataset:
        return Dataset.model_validate(self._transport.call("GET", f"/datasets/{name}"))

    def stop(self, name: str) -> Dataset:
        """Stops the preparation of a dataset; asked for again, it goes on with what is finished."""
        return Dataset.model_validate(self._transport.call("POST", f"/datasets/{name}/stop"))

    def events(
        self,
        name: str,
        last_event_id: int | None = None,
        *,
        patience_seconds: float = 120.0,
        retry_seconds: float = 1.0,
    ) -> Iterator[RunEvent]:
        """Yields what happens to a dataset's newest preparation until it is over, as `runs.events` does.

        A 404 for a dataset that the server did not prepare.
        """
        return iter(
            EventStream(
                self._transport,
                f"/datasets/{name}/events",
                is_over=lambda: self.get(name).state.is_terminal,
                last_event_id=last_event_id,
                patience_seconds=patience_seconds,
                retry_seconds=retry_seconds,
            )
        )

    def delete(self, name: str) -> None:
        """Removes a dataset from the server's disk; a 409 while something uses it."""
        self._transport.call("DELETE", f"/datasets/{name}")


class Models:
    """`client.models`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def publish(self, name: str, run_id: str, checkpoint: str | None = None) -> ModelVersion:
        """Copies a run's checkpoint (its last one by default) into the next version of a model."""
        request = {"run_id": run_id} | ({"checkpoint": checkpoint} if checkpoint else {})
        answer = self._transport.call("POST", f"/models/{name}/versions", json=request)
        return ModelVersion.model_validate(answer)

    def list(self) -> list[Model]:
        answer = self._transport.call("GET", "/models")
        return [Model.model_validate(entry) for entry in answer["items"]]

    def get(self, name: str) -> Model:
        return Model.model_validate(self._transport.call("GET", f"/models/{name}"))
