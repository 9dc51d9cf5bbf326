"""What a route's parameters can ask for, by type."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request

from service.domain.classification import ClassifyOptions
from service.http.body import read_body
from service.serving.operations import ServingOperations
from service.serving.uploads import photos_in


async def _operations(request: Request) -> ServingOperations:
    operations: ServingOperations = request.app.state.operations
    return operations


async def _body(request: Request) -> bytes:
    return await read_body(request, request.app.state.max_upload_bytes)


async def _uploads(request: Request) -> list[bytes]:
    return photos_in(await _body(request), request.headers.get("content-type"))


Operations = Annotated[ServingOperations, Depends(_operations)]
Body = Annotated[bytes, Depends(_body)]
Uploads = Annotated[list[bytes], Depends(_uploads)]
Options = Annotated[ClassifyOptions, Query()]
