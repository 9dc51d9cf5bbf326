"""`python empty_route.py PORT`: a FastAPI route that does nothing, in a uvicorn of its own."""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI

app = FastAPI()


@app.get("/empty")
async def empty() -> dict[str, str]:
    return {}


# The loop and the parser that the API has.
uvicorn.run(app, port=int(sys.argv[1]), loop="asyncio", http="h11", log_config=None, access_log=False)
