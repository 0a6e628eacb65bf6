"""A proxy that misbehaves."""

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterable
from typing import Literal

Mode = int | Literal["pass", "unavailable", "limited", "stuck", "twice"]
"""How a connection is treated: a number is that of the bytes after which it is cut."""

_RESPONSES = {
    "unavailable": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "limited": b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
}


class Proxy:
    """A TCP proxy, in a thread, that gives each connection the next mode."""

    def __init__(self, port: int, modes: Iterable[Mode]) -> None:
        self._port, self._modes = port, itertools.cycle(modes)
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self.count = 0
        started = threading.Event()
        self._thread = threading.Thread(target=self._main, args=(started.set,))
        self._thread.start()
        started.wait()

    def _main(self, started: Callable[[], None]) -> None:
        async def serve() -> None:
            self._stop = asyncio.Event()
            server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            started()
            await self._stop.wait()
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

        self._loop.run_until_complete(serve())
        self._loop.close()

    def cut(self) -> None:
        """Cuts all connections."""
        self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in self._tasks])

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer, next(self._modes)))
        self.count += 1
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, mode: Mode) -> None:
        other: asyncio.StreamWriter | None = None
        try:
            if mode == "stuck":
                await asyncio.sleep(3600)
            if isinstance(mode, str) and mode in _RESPONSES:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(_RESPONSES[mode])
                await writer.drain()
                return
            back, other = await asyncio.open_connection("127.0.0.1", self._port)
            pipes = [asyncio.create_task(self._pipe(reader, other, None)), asyncio.create_task(self._pipe(back, writer, mode))]
            try:
                await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pipe in pipes:
                    pipe.cancel()
                await asyncio.gather(*pipes, return_exceptions=True)
        except (OSError, EOFError):
            return
        finally:
            for one in (writer, other):
                if one is not None:
                    one.transport.abort()

    async def _pipe(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, mode: Mode | None) -> None:
        if mode == "twice":
            await self._double(source, target)
            return
        left = mode if isinstance(mode, int) else 1 << 62
        while left > 0 and (piece := await source.read(min(65536, left))):
            left -= len(piece)
            target.write(piece)
            await target.drain()

    async def _double(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """Sends each frame of a WebSocket twice, and other responses as they are."""
        head = await source.readuntil(b"\r\n\r\n")
        target.write(head)
        while not head.startswith(b"HTTP/1.1 101"):
            piece = await source.read(65536)
            if not piece:
                return
            target.write(piece)
            if b"HTTP/1.1 101" in piece:
                return
        while True:
            start = await source.readexactly(2)
            size = start[1] & 127
            more = b"" if size < 126 else await source.readexactly(2 if size == 126 else 8)
            frame = start + more + await source.readexactly(int.from_bytes(more) if more else size)
            target.write(frame * (2 if start[0] & 15 == 1 else 1))
            await target.drain()
