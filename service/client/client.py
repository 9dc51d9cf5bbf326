"""The client: one object per noun, one method per route."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from service.client.events import EventStream, RunEvent
from service.client.photos import Photo, upload
from service.client.runs import Runs, body
from service.client.transport import Transport
from service.domain.answers import Dataset, Model, ModelIndex, ModelVersion, Presets, QuarantinePage
from service.domain.classification import Classification
from service.domain.cluster import Cluster
from service.domain.embedding import EmbeddedPhotos
from service.domain.similarity import SimilarPhotos
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

    def presets(self) -> Presets:
        """What a run's model and recipe may be named, and what each name stands for."""
        return Presets.model_validate(self._transport.call("GET", "/presets"))

    def classify(
        self, photos: Iterable[Photo], model: str | None = None, top_k: int = 5, views: int = 1
    ) -> Classification:
        """The likeliest `top_k` classes of each photo (a path, or the bytes of an image file).

        Without a model the server's default one answers. `views` is 1 (centre) or 10 (corners, centre and
        their flips, averaged).
        """
        params = {"top_k": top_k, "views": views}
        return Classification.model_validate(self._send(photos, "classify", model, params))

    def embed(self, photos: Iterable[Photo], model: str | None = None) -> EmbeddedPhotos:
        """What each photo is to the model: what its output layer reads, 4,096 numbers in `alexnet`."""
        return EmbeddedPhotos.model_validate(self._send(photos, "embed", model, {}))

    def similar(self, photos: Iterable[Photo], model: str | None = None, top_k: int = 6) -> SimilarPhotos:
        """The `top_k` training photos nearest to each photo, by the L2 distance of their embeddings.

        A 409 until the model's index is built: see `models.index`.
        """
        return SimilarPhotos.model_validate(self._send(photos, "similar", model, {"top_k": top_k}))

    def cluster(self) -> Cluster:
        """Ray's nodes and the runs on them, the serving replicas, and why something of it is not there."""
        return Cluster.model_validate(self._transport.call("GET", "/cluster"))

    def _send(self, photos: Iterable[Photo], verb: str, model: str | None, params: dict[str, int]) -> Any:
        path = f"/models/{model}/{verb}" if model else f"/{verb}"
        files = [("file", upload(photo)) for photo in photos]
        return self._transport.call("POST", path, params=params, files=files)

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

    def quarantine(self, name: str, after: int = 0, limit: int = 100) -> QuarantinePage:
        """Photos that could not be used, and why; `after` is the `next_after` of the page before.

        While a dataset is being prepared, or when that has failed, those found in its finished shards.
        """
        params = {"after": after, "limit": limit}
        return QuarantinePage.model_validate(
            self._transport.call("GET", f"/datasets/{name}/quarantine", params=params)
        )

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

    def set_alias(self, name: str, alias: str, version: int) -> Model:
        """Points an alias at a version, which is loaded by then."""
        answer = self._transport.call("PUT", f"/models/{name}/aliases/{alias}", json={"version": version})
        return Model.model_validate(answer)

    def remove_alias(self, name: str, alias: str) -> None:
        self._transport.call("DELETE", f"/models/{name}/aliases/{alias}")

    def remove_version(self, name: str, version: int) -> None:
        """Removes a version for good; a 409 while an alias names it."""
        self._transport.call("DELETE", f"/models/{name}/versions/{version}")

    def index(self, name: str, version: int) -> ModelIndex:
        """How far the index of a version's training photos is, which publishing builds."""
        return ModelIndex.model_validate(
            self._transport.call("GET", f"/models/{name}/versions/{version}/index")
        )

    def remove_index(self, name: str, version: int) -> None:
        """Removes the index of a version's training photos, or ends its being built."""
        self._transport.call("DELETE", f"/models/{name}/versions/{version}/index")

    def build_index(self, name: str, version: int) -> ModelIndex:
        """Queues the index of a version's training photos again, where it has failed."""
        answer = self._transport.call("POST", f"/models/{name}/versions/{version}/index")
        return ModelIndex.model_validate(answer)
