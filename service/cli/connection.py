"""The server that commands talk to: `TANDEM_URL`, or this machine's."""

from __future__ import annotations

from service.client import Client
from service.settings import Settings


def connect() -> Client:
    settings = Settings()
    return Client(settings.api_url, settings.token.get_secret_value() if settings.token else None)
