"""Many watchers of one job, in a process of their own: `python -m mosaic_site.bench.watching PORT
JOB WATCHERS`.

Prints `ready` when all are connected, watches until a line comes on standard input, and prints what
each heard as JSON: [[seconds since the epoch, step], ...] a watcher; a panel without a step has -1.
"""

import asyncio
import contextlib
import json
import re
import sys
import time
from collections import Counter

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin

AT_ONCE = 50
_STEP = re.compile(r'<progress value="(\d+)"')


async def _watch(connection: ClientConnection, heard: list[tuple[float, int]]) -> None:
    with contextlib.suppress(ConnectionClosed):
        await _hear(connection, heard)


async def _hear(connection: ClientConnection, heard: list[tuple[float, int]]) -> None:
    async for panel in connection:
        found = _STEP.search(str(panel))
        heard.append((time.time(), int(found[1]) if found else -1))


async def main(port: int, job: int, watchers: int) -> None:
    url, origin = f"ws://127.0.0.1:{port}/ws/jobs/{job}/", f"http://127.0.0.1:{port}"
    gate = asyncio.Semaphore(AT_ONCE)

    async def join() -> ClientConnection:
        async with gate:
            return await connect(
                url, origin=Origin(origin), compression=None, open_timeout=60, ping_interval=None
            )

    connections = await asyncio.gather(*[join() for _ in range(watchers)])
    heard: list[list[tuple[float, int]]] = [[] for _ in connections]
    tasks = [
        asyncio.create_task(_watch(connection, into))
        for connection, into in zip(connections, heard, strict=True)
    ]
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    closed = Counter(str(one.close_code) for one in connections if one.close_code is not None)
    print(json.dumps({"closed": closed, "heard": heard}), flush=True)
    for task in tasks:
        task.cancel()
    # The server hears that all are gone as this process ends.


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:4])))
