"""A slow line between two sockets: so many bytes a second each way, behind a small buffer, later.

python -m benchmarks.relay PORT BYTES_A_SECOND SECONDS_LATER; it prints its own port.
"""

from __future__ import annotations

import asyncio
import sys
import time

BUFFER = 16_384


async def carry(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, rate: float, later: float
) -> None:
    """Pass on what comes, no faster and no sooner; what does not fit waits with its sender."""
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    room = asyncio.Semaphore(BUFFER // 256)

    async def take() -> None:
        while data := await source.read(256):
            await room.acquire()
            under_way.put_nowait((time.monotonic() + later, data))
        under_way.put_nowait((0.0, b""))

    async with asyncio.TaskGroup() as group:
        group.create_task(take())
        free_at = time.monotonic()
        while (found := await under_way.get())[1]:
            due, data = found
            free_at = max(free_at, due - later) + len(data) / rate
            await asyncio.sleep(max(0.0, free_at + later - time.monotonic()))
            target.write(data)
            await target.drain()
            room.release()
    target.close()


async def main(port: int, rate: float, later: float) -> None:
    """Serve until it is ended."""

    async def joined(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port, limit=256)
        await asyncio.gather(
            carry(source, back, rate, later), carry(there, target, rate, later),
            return_exceptions=True,
        )  # fmt: skip

    server = await asyncio.start_server(joined, "127.0.0.1", 0, limit=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
