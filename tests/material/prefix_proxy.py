"""A reverse proxy that puts a server below a path of its own, as a gateway does that has several."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from service.stack.free_port import free_port

_METHODS = ["GET", "POST", "PUT", "DELETE"]


@contextmanager
def behind_prefix(url: str, prefix: str) -> Iterator[str]:
    """Forwards what is below the prefix, and nothing else; gives the URL of the prefix."""
    port = free_port()
    config = uvicorn.Config(_forwarding(url, prefix), port=port, log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}{prefix}"
    finally:
        server.should_exit = True
        thread.join()


def _forwarding(url: str, prefix: str) -> Starlette:
    client = httpx.AsyncClient(base_url=url, timeout=None, trust_env=False)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with client:
            yield

    async def forward(request: Request) -> StreamingResponse:
        path = request.url.path.removeprefix(prefix)
        target = f"{path}?{request.url.query}" if request.url.query else path
        asked = client.build_request(
            request.method, target, headers=request.headers.raw, content=await request.body()
        )
        answer = await client.send(asked, stream=True)

        async def body() -> AsyncIterator[bytes]:
            try:
                async for chunk in answer.aiter_raw():
                    yield chunk
            finally:
                await answer.aclose()

        return StreamingResponse(body(), answer.status_code, answer.headers)

    return Starlette(routes=[Route(f"{prefix}/{{path:path}}", forward, methods=_METHODS)], lifespan=lifespan)
