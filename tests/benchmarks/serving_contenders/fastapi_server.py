"""`python fastapi_server.py CODE MODEL_FOLDER PORT`: a plain FastAPI handler around torch.

As its tutorials have it: the model is loaded once, and a sync `def` handler classifies the one photo of its
request, in a thread of FastAPI's pool (40). One process, torch with its own number of threads: what
`fastapi run` starts. uvicorn has uvloop and httptools, as fastapi[standard] brings them.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import uvicorn
from chosen_classifier import chosen_classifier
from fastapi import Depends, FastAPI, Request

CODE, FOLDER, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])

app = FastAPI()
classifier = chosen_classifier(CODE, FOLDER)


async def read_body(request: Request) -> bytes:
    return await request.body()


@app.get("/health")
def health() -> dict[str, str]:
    return {}


@app.post("/classify")
def classify(photo: Annotated[bytes, Depends(read_body)]) -> dict[str, Any]:
    (answer,) = classifier.classify([classifier.decode(photo)])
    return answer


if __name__ == "__main__":
    uvicorn.run(app, port=PORT, log_config=None, access_log=False)
