"""An alias that moves under load: nobody is refused, and nobody is answered by what was not in production."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

import httpx
import pytest

from model.classifier import Classifier
from service.domain.job import Job
from service.operations.models import ModelOperations
from service.store.models import ModelStore

CLIENTS = 64
MOVES = 20
ANSWERS_BETWEEN = 16


class Asked(NamedTuple):
    """A request: when it was sent and answered, what for, and the answer."""

    sent: float
    answered: float
    seed: int
    response: httpx.Response


class Reign(NamedTuple):
    """A version, from when it may have been in production until when it may have been so still."""

    version: int
    begin: float
    end: float


def test_of_sixty_four_clients_all_are_answered_by_what_was_in_production_meanwhile(
    models: ModelOperations,
    store: ModelStore,
    run: Job,
    other_run: Job,
    serving_url: str,
    photo: Callable[..., bytes],
) -> None:
    for each in (run, other_run):
        models.publish("colours", each, alias=None)
    models.set_alias("colours", "production", 1)
    photos = [photo(seed) for seed in range(8)]
    asked, reigns = asyncio.run(under_load(serving_url, photos, models))

    best = {
        (version, seed): Classifier.load(store.folder("colours", version)).classify(data, top_k=1)[0]
        for version in (1, 2)
        for seed, data in enumerate(photos)
    }
    assert {each.version for each in reigns} == {1, 2}
    assert len(asked) >= CLIENTS
    for each in asked:
        assert each.response.status_code == 200, each.response.text
        answer = each.response.json()
        current = {
            reign.version for reign in reigns if reign.begin <= each.answered and each.sent <= reign.end
        }
        assert answer["version"] in current
        (first,) = answer["predictions"][0]["top_k"]
        expected = best[answer["version"], each.seed]
        assert (first["index"], first["probability"]) == (
            expected.index,
            pytest.approx(expected.probability, abs=1e-5),
        )


async def under_load(
    url: str, photos: list[bytes], models: ModelOperations
) -> tuple[list[Asked], list[Reign]]:
    asked: list[Asked] = []
    over = asyncio.Event()

    async def ask_on(number: int, client: httpx.AsyncClient) -> None:
        seed = number % len(photos)
        while not over.is_set():
            sent = time.monotonic()
            response = await client.post("/api/v1/classify?top_k=1", content=photos[seed])
            asked.append(Asked(sent, time.monotonic(), seed, response))
            seed = (seed + 1) % len(photos)

    async with httpx.AsyncClient(
        base_url=url, timeout=60, limits=httpx.Limits(max_connections=CLIENTS)
    ) as client:
        clients = [asyncio.create_task(ask_on(number, client)) for number in range(CLIENTS)]
        reigns = await move(models, asked)
        over.set()
        await asyncio.gather(*clients)
    return asked, reigns


async def move(models: ModelOperations, asked: list[Asked]) -> list[Reign]:
    """Moves the alias to and fro; a reign begins when it is asked for, and ends when the next is there."""
    reigns = [Reign(1, time.monotonic(), float("inf"))]
    for number in range(MOVES):
        await answers(asked)
        version = 2 - number % 2
        began = time.monotonic()
        await asyncio.to_thread(models.set_alias, "colours", "production", version)
        reigns[-1] = reigns[-1]._replace(end=time.monotonic())
        reigns.append(Reign(version, began, float("inf")))
    await answers(asked)
    return reigns


async def answers(asked: list[Asked]) -> None:
    """Returns when some more requests have been answered."""
    enough = len(asked) + ANSWERS_BETWEEN
    while len(asked) < enough:
        await asyncio.sleep(0.01)
