"""Many readers at once, in a process of their own:
`python -m mosaic_site.bench.reading PORT READERS SECONDS PATH...`.

Each asks for one page after another over a connection of its own, without a pause. Prints the
seconds each page took and how long all of it was, as JSON.
"""

import asyncio
import itertools
import json
import sys
import time


async def _read(port: int, paths: list[str], offset: int, until: float, taken: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for path in itertools.islice(itertools.cycle(paths), offset, None):
        began = time.perf_counter()
        if began > until:
            break
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        if not head.startswith("http/1.1 200"):
            raise SystemExit(f"{path}: {head.splitlines()[0]}")
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        await reader.readexactly(length)
        taken.append(time.perf_counter() - began)
    writer.close()


async def main(port: int, readers: int, seconds: float, paths: list[str]) -> None:
    taken: list[float] = []
    began = time.perf_counter()
    until = began + seconds
    await asyncio.gather(*[_read(port, paths, reader, until, taken) for reader in range(readers)])
    print(json.dumps({"taken": taken, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))
