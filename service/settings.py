"""Where things are and where they listen: read once from TANDEM_… in the environment or a .env file."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from pipeline.storage.address import Address
from pipeline.storage.settings import CacheSettings
from service.growth import Growth, parse_growth
from service.source_roots import parse_roots


class Settings(CacheSettings):
    """The settings every process of Tandem shares. Paths are made absolute; nothing is created here."""

    home: Path = Field(default=Path(".tandem"), description="everything Tandem keeps lives below it")
    storage: str | None = Field(
        default=None,
        description="a URL, s3://bucket/prefix or gs://bucket/prefix, for the large files of what lies in"
        " home; by default they lie there too",
    )
    host: str = Field(default="127.0.0.1", description="address the API listens on")
    port: int = Field(default=8000, ge=1, le=65535, description="port the API listens on")
    url: str | None = Field(default=None, description="where clients find the API; by default host and port")
    token: SecretStr | None = Field(
        default=None, description="a bearer token: the API accepts it with every scope, clients send it"
    )
    metrics_token: SecretStr | None = Field(
        default=None, description="another: the API accepts it for reading alone, as from Prometheus"
    )
    database_url: str | None = Field(default=None, description="SQLAlchemy URL; by default SQLite in home")
    ray_url: str = Field(default="http://127.0.0.1:8265", description="Ray's dashboard: its Jobs API")
    ray_token: SecretStr | None = Field(default=None, description="what Ray was given as RAY_AUTH_TOKEN")
    ray_growth: Annotated[Growth | None, NoDecode] = Field(
        default=None,
        description="what Ray's autoscaler may grow the cluster to, as workers=4,cpus=8,gpus=2 (of each);"
        " by default a run has to fit the nodes there are",
    )
    serving_url: str = Field(default="http://127.0.0.1:8001", description="the serving process, for the API")
    default_model: str | None = Field(default=None, description="answers /classify when no model is named")
    source_roots: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="folders and URLs a server with tokens may read photos below, separated by ':'",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="origins, separated by ',', whose web pages may ask the API from a browser",
    )
    requests_per_second: float = Field(
        default=500, gt=0, allow_inf_nan=False, description="how many each token may send"
    )
    max_upload_bytes: int = Field(default=20 * 2**20, gt=0, description="largest body /classify accepts")
    max_pixels: int = Field(default=50_000_000, gt=0, description="most pixels a photo to classify may have")
    request_seconds: float = Field(
        default=30, gt=0, allow_inf_nan=False, description="longest that answering about photos may take"
    )
    serving_processes: int = Field(
        default=1, ge=1, description="how many processes answer about photos on one port"
    )
    serving_devices: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="what models answer on, separated by ',': cpu, cuda:1; by default all GPUs, else cpu",
    )

    @model_validator(mode="after")
    def _tokens_differ(self) -> Self:
        if self.token is not None and self.token == self.metrics_token:
            raise ValueError(
                "TANDEM_TOKEN and TANDEM_METRICS_TOKEN are the same, and the one may do everything, the other"
                " only read: choose another for one of them"
            )
        return self

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @field_validator("storage")
    @classmethod
    def _in_object_storage(cls, url: str | None) -> str | None:
        return Address(url).url if url else None

    @field_validator("source_roots", mode="before")
    @classmethod
    def _split_roots(cls, roots: object) -> object:
        return parse_roots(roots) if isinstance(roots, str) else roots

    @field_validator("ray_growth", mode="before")
    @classmethod
    def _parse_growth(cls, growth: object) -> object:
        return parse_growth(growth) if isinstance(growth, str) else growth

    @field_validator("cors_origins", "serving_devices", mode="before")
    @classmethod
    def _split(cls, listed: object) -> object:
        return tuple(re.split(r"[,\s]+", listed.strip(", "))) if isinstance(listed, str) else listed

    @field_validator("serving_devices")
    @classmethod
    def _devices(cls, devices: tuple[str, ...]) -> tuple[str, ...]:
        for device in filter(None, devices):
            if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
                raise ValueError(f"{device!r} is not a device: write cpu, cuda or cuda:1")
        return tuple(filter(None, devices))

    @field_validator("cors_origins")
    @classmethod
    def _named(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in filter(None, origins):
            if not re.fullmatch(r"https?://[a-z0-9.\[\]:-]+", origin):
                raise ValueError(
                    f"{origin!r} is not an origin: write scheme, host and port alone, in small letters, as in"
                    " https://photos.example:8443"
                )
        return tuple(filter(None, origins))

    def storage_of(self, folder: Path) -> str | None:
        """Where the large files of a folder below home go in object storage; None where they stay in it."""
        if self.storage is None or not folder.is_relative_to(self.home):
            return None
        return f"{self.storage}/{folder.relative_to(self.home)}"

    @property
    def datasets(self) -> Path:
        return self.home / "datasets"

    @property
    def runs(self) -> Path:
        return self.home / "runs"

    @property
    def models(self) -> Path:
        return self.home / "models"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def folders(self) -> tuple[Path, ...]:
        """All that lie in home and hold what Tandem keeps."""
        return (self.datasets, self.runs, self.models, self.logs)

    @property
    def resolved_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.home / 'tandem.db'}"

    @property
    def api_url(self) -> str:
        """Base URL clients use, without a trailing slash."""
        if self.url:
            return self.url.rstrip("/")
        return f"http://{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reachable from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
