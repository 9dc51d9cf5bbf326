"""`python readers.py BASE_URL RATE WARM_UP_SECONDS SECONDS < paths`: GET requests in open loop.

Every request is due at its time, whatever became of those before it, and its seconds count from then to the
last byte of the answer. Of stdin each line is a kind and a path; they are asked for one after the other, in
rounds. Prints {"seconds": {KIND: [...]}, "statuses": {STATUS: count}} for what was due after the warm-up.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import sys
from collections import Counter, defaultdict

import aiohttp

BASE, RATE, WARM_UP, SECONDS = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])


async def main() -> None:
    requests = itertools.cycle([tuple(line.split()) for line in sys.stdin])
    seconds: dict[str, list[float]] = defaultdict(list)
    statuses: Counter[str] = Counter()
    loop = asyncio.get_running_loop()

    async def ask(kind: str, path: str, due: float, *, counts: bool) -> None:
        try:
            async with session.get(path) as answer:
                await answer.read()
                status = str(answer.status)
        except (aiohttp.ClientError, TimeoutError) as error:
            status = type(error).__name__
        if counts:
            seconds[kind].append(loop.time() - due)
            statuses[status] += 1

    connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=30)
    async with (
        aiohttp.ClientSession(BASE, connector=connector, timeout=timeout) as session,
        asyncio.TaskGroup() as group,
    ):
        began = loop.time()
        for number in range(round(RATE * (WARM_UP + SECONDS))):
            due = began + number / RATE
            if (early := due - loop.time()) > 0:
                await asyncio.sleep(early)
            kind, path = next(requests)
            group.create_task(ask(kind, path, due, counts=number >= RATE * WARM_UP))
    print(json.dumps({"seconds": seconds, "statuses": statuses}))


# What the collector of garbage takes is the generator's own time, not the server's.
gc.disable()
asyncio.run(main())
