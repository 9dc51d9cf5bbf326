"""Tandem's REST interface for Python: `Client("http://127.0.0.1:8000").runs.create({"dataset": "x"})`."""

from service.client.client import Client
from service.client.errors import ApiError, ServerUnreachableError

__all__ = ["ApiError", "Client", "ServerUnreachableError"]
