"""Everything the control plane's routers work with, made once at start and closed at the end."""

from __future__ import annotations

from dataclasses import dataclass

from service.api.callers import Callers
from service.api.feed import Feeds
from service.api.metrics import Metrics
from service.api.rate_limit import RateLimit
from service.api.run_answers import RunAnswers
from service.cluster.jobs import RayCluster
from service.cluster.nodes import RayNodes
from service.cluster.serving import ServingClient
from service.http.body_room import BodyRoom
from service.operations.cluster import ClusterOperations
from service.operations.datasets import DatasetOperations
from service.operations.indexing import IndexOperations
from service.operations.models import ModelOperations
from service.operations.reconcile import Reconciler
from service.operations.runs import RunOperations
from service.settings import Settings
from service.store.database import Database
from service.store.jobs import JobStore
from service.store.models import ModelStore
from service.store.object_storage import ObjectStorage
from service.store.tokens import SCOPES, TokenStore


@dataclass(frozen=True)
class ControlPlane:
    settings: Settings
    database: Database
    tokens: TokenStore
    callers: Callers
    jobs: JobStore
    feeds: Feeds
    cluster: RayCluster
    nodes: RayNodes
    serving: ServingClient
    model_store: ModelStore
    object_storage: ObjectStorage
    runs: RunOperations
    answers: RunAnswers
    datasets: DatasetOperations
    indexes: IndexOperations
    models: ModelOperations
    looking: ClusterOperations
    reconciler: Reconciler
    metrics: Metrics
    rate_limit: RateLimit
    body_room: BodyRoom

    @classmethod
    def open(cls, settings: Settings) -> ControlPlane:
        """Opens the database and lays the collaborators out; nothing runs before `start`."""
        for folder in settings.folders:
            folder.mkdir(parents=True, exist_ok=True)
        database = Database(settings.resolved_database_url)
        tokens = TokenStore(database)
        if settings.token is not None:
            tokens.accept("TANDEM_TOKEN", settings.token.get_secret_value(), SCOPES)
        if settings.metrics_token is not None:
            tokens.accept("TANDEM_METRICS_TOKEN", settings.metrics_token.get_secret_value(), ("read",))
        jobs = JobStore(database)
        cluster = RayCluster(settings.ray_url, settings.ray_token, settings.ray_growth)
        nodes = RayNodes(settings.ray_url, settings.ray_token)
        serving = ServingClient(settings.serving_url, settings.request_seconds)
        model_store = ModelStore(settings.models)
        indexes = IndexOperations(settings, jobs, model_store)
        models = ModelOperations(settings, model_store, serving, indexes)
        return cls(
            settings=settings,
            database=database,
            tokens=tokens,
            callers=Callers(tokens),
            jobs=jobs,
            feeds=Feeds(jobs),
            cluster=cluster,
            nodes=nodes,
            serving=serving,
            model_store=model_store,
            object_storage=ObjectStorage(settings.storage),
            runs=RunOperations(settings, jobs, model_store, cluster),
            answers=RunAnswers(jobs),
            datasets=DatasetOperations(settings, jobs),
            indexes=indexes,
            models=models,
            looking=ClusterOperations(jobs, model_store, nodes, serving, settings.ray_growth),
            reconciler=Reconciler(jobs, cluster, models),
            metrics=Metrics(settings, jobs),
            rate_limit=RateLimit(settings.requests_per_second),
            body_room=BodyRoom(settings.max_upload_bytes),
        )

    def close(self) -> None:
        self.reconciler.close()
        self.cluster.close()
        self.nodes.close()
        self.database.close()
