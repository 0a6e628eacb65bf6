"""Measures the SDK against a server that it starts: B2B_BINARY=bin/b2b python bench.py [EVENTS] [PASSES].

send: a call of `Client.send` beside the same request by httpx alone, in turns, each over one connection.
listen: how many events a loop handles in a second. All of them are in the log before it starts.
memory: listeners read the log again and again, in one process; how much it has after a tenth of them, a quarter, half and all.
"""

import asyncio
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import httpx

from b2b_protocol import AsyncClient, Client
from b2b_protocol.testing import RealServer

CALLS = 2000
TURN = 50
"""Calls in a row of one kind."""
CONCURRENCY = 16


def measure_send(url: str, token: str) -> str:
    """Returns a line with the time of a call of each kind, and their ratio."""
    with Client(url, token) as client, httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}) as bare:

        def post() -> None:
            bare.post("/api/send", json={"to": "receiver", "content": "How are you?"}).raise_for_status().json()

        def send() -> None:
            client.send("receiver", "How are you?")

        times: dict[Callable[[], None], list[float]] = {post: [], send: []}
        for turn in range(2 + 2 * CALLS // TURN):  # the first two of each are not counted
            call = (post, send)[turn % 2]
            for _ in range(TURN):
                begun = time.perf_counter()
                call()
                times[call].append(time.perf_counter() - begun)
    alone, sdk = (statistics.median(times[call][TURN:]) * 1e6 for call in (post, send))
    return f"python: send {sdk:.0f} µs, httpx {alone:.0f} µs: ratio {sdk / alone:.2f}"


async def fill(url: str, token: str, events: int) -> None:
    """Sends messages."""
    async with AsyncClient(url, token) as client:

        async def send(some: range) -> None:
            for number in some:
                await client.send("receiver", f"message {number}")

        await asyncio.gather(*(send(range(first, events, CONCURRENCY)) for first in range(CONCURRENCY)))


def listen(url: str, token: str, position: str, events: int, transport: Literal["websocket", "sse"]) -> float:
    """Returns the seconds from the first event to the last."""
    with Client(url, token) as client, client.listen(position=position, transport=transport) as listener:
        next(listener)
        begun = time.perf_counter()
        left = events - 1
        for event in listener:
            left -= event["type"] == "message"
            if not left:
                break
        return time.perf_counter() - begun


async def listen_async(url: str, token: str, position: str, events: int) -> float:
    """The same as listen, for asyncio."""
    async with AsyncClient(url, token) as client, client.listen(position=position) as listener:
        await anext(listener)
        begun = time.perf_counter()
        left = events - 1
        async for event in listener:
            left -= event["type"] == "message"
            if not left:
                break
        return time.perf_counter() - begun


def resident() -> float:
    """Returns the memory of this process in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def main(events: int = 20_000, passes: int = 10) -> None:
    with RealServer(os.environ["B2B_BINARY"]) as server:
        sender, receiver = server.bots("sender", "receiver")
        with Client(server.url, sender["token"]) as admin:
            settings: Any = {"messages_per_minute_per_bot": 10**9}
            admin.update_org_settings(**settings)
            print(measure_send(server.url, sender["token"]), flush=True)
        with Client(server.url, receiver["token"]) as client:
            position = client.list_catchup_events(since=int(time.time() * 1000) + 10**9).get("stream_cursor") or ""
        asyncio.run(fill(server.url, sender["token"], events))
        for name, seconds in (
            ("websocket", listen(server.url, receiver["token"], position, events, "websocket")),
            ("sse", listen(server.url, receiver["token"], position, events, "sse")),
            ("asyncio, websocket", asyncio.run(listen_async(server.url, receiver["token"], position, events))),
        ):
            print(f"python: listen {events / seconds:.0f} events/s ({name})", flush=True)
        sizes = []
        for _ in range(passes):
            listen(server.url, receiver["token"], position, events, "websocket")
            sizes.append(resident())
        shown = sorted({passes // 10, passes // 4, passes // 2, passes} - {0})
        print("python: memory", ", ".join(f"{sizes[n - 1]:.1f} MiB after {n * events} events" for n in shown))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
