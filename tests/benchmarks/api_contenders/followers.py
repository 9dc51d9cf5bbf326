"""`python followers.py URL FOLLOWERS`: so many connections that follow one run until this is terminated.

Prints "following" once all of them have had an event. At the end prints for each of them how many events with
an id it had, and whether it had each between its first and its last and its connection was never closed:
[{"events": n, "gapless": bool}, ...].
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import aiohttp

URL, FOLLOWERS = sys.argv[1], int(sys.argv[2])


async def follow(session: aiohttp.ClientSession, ids: list[int]) -> None:
    async with session.get(URL) as answer:
        answer.raise_for_status()
        async for line in answer.content:
            if line.startswith(b"id: "):
                ids.append(int(line[4:]))


async def main() -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    had: list[list[int]] = [[] for _ in range(FOLLOWERS)]
    connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        tasks = [asyncio.create_task(follow(session, ids)) for ids in had]
        while not all(had) and not any(task.done() for task in tasks):
            await asyncio.sleep(0.1)
        print("following", flush=True)
        await ended.wait()
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    print(
        json.dumps(
            [
                {
                    "events": len(ids),
                    "gapless": isinstance(end, asyncio.CancelledError)
                    and ids == list(range(ids[0], ids[0] + len(ids))),
                }
                for ids, end in zip(had, ends, strict=True)
            ]
        )
    )


asyncio.run(main())
