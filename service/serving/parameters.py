"""What a route's parameters can ask for, by type."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request

from service.http.body import read_body
from service.http.body_room import BodyShare
from service.serving.operations import ServingOperations


async def _operations(request: Request) -> ServingOperations:
    operations: ServingOperations = request.app.state.operations
    return operations


async def _body(request: Request) -> AsyncIterator[bytes]:
    with BodyShare(request.app.state.body_room) as share:
        yield await read_body(request, request.app.state.max_upload_bytes, share)


Operations = Annotated[ServingOperations, Depends(_operations)]
Body = Annotated[bytes, Depends(_body)]
