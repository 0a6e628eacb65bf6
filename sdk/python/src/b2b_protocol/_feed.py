"""The feed of a listener: it keeps one connection open, and queues its events in order, each once.

Consumers take events from the queue and commit positions. The feed saves the committed position.
"""

import asyncio
import inspect
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from ._closes import BACKOFF, RECONNECT, Action, after_close, after_refusal, after_stream_end, error_of_code
from ._connections import FAILURES, HANDSHAKE, Broken, Connection, Ended, Network, NoUpgrade, Resumable, parsed
from ._error import B2BError
from .positions import AsyncPositionStore, PositionError, PositionStore
from .retry import full_jitter

Kind = Literal["auto", "websocket", "sse"]

PING_EVERY = 25.0
"""Seconds between two pings of a WebSocket."""
SILENCE = 60.0
"""Seconds after which a connection without any traffic is dropped."""
STABLE = 10.0
"""Seconds after which a connection counts as good, so that the next failure is the first in a row."""
BASE, CAP = 1.0, 30.0
"""The bounds of the pause after the first failure, and after any number of them, in seconds."""
LONG = 30.0
"""Seconds between attempts while the server refuses the bot for a reason that others must mend."""
LONGEST_STATED = 60.0
"""The bound of a pause that a server states, in seconds. One computed from a date depends on two clocks."""
MOST_EVENTS, MOST_BYTES = 1024, 8 << 20
"""The bounds of the queue. When it is full, the connection is not read."""
REMEMBERED = 4096
"""How many of the last positions are compared, to drop repeated frames."""
BATCH = 64
"""How many events a consumer takes at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a listener starts, connects and keeps its position."""

    position: str | None = None
    key: str | None = None
    store: PositionStore | AsyncPositionStore | None = None
    transport: Kind = "auto"


class Queue:
    """A queue of events with two bounds. Its producer and its consumer are in one event loop.

    What the consumer took last counts until it takes again, since it handles one event after the other.
    """

    def __init__(self) -> None:
        self._items: deque[tuple[dict[str, Any], int]] = deque()
        self._count = self._bytes = 0
        self._taken = (0, 0)
        self._ready, self._room = asyncio.Event(), asyncio.Event()
        self._error: BaseException | None = None
        self._ended = False

    def full(self, size: int) -> bool:
        """Reports whether an event of this size must wait. A single event of any size need not."""
        return self._count > 0 and (self._count >= MOST_EVENTS or self._bytes + size > MOST_BYTES)

    async def put(self, event: dict[str, Any], size: int) -> None:
        """Adds an event, after waiting for room."""
        while self.full(size):
            self._room.clear()
            await self._room.wait()
        self._items.append((event, size))
        self._count += 1
        self._bytes += size
        self._ready.set()

    async def take(self) -> Sequence[dict[str, Any]]:
        """Returns some events, after waiting for one; none: the queue has ended without an error."""
        count, size = self._taken
        self._count -= count
        self._bytes -= size
        self._taken = (0, 0)
        self._room.set()
        while not self._items:
            if self._ended:
                self.check()
                return ()
            self._ready.clear()
            await self._ready.wait()
        taken = [self._items.popleft() for _ in range(min(BATCH, len(self._items)))]
        self._taken = (len(taken), sum(size for _, size in taken))
        return [event for event, _ in taken]

    def end(self, error: BaseException | None) -> None:
        """Ends the queue. Events that are in it can still be taken."""
        if not self._ended:
            self._ended, self._error = True, error
        self._ready.set()

    def check(self) -> None:
        """Raises the error with which the queue has ended."""
        if self._error is not None:
            raise self._error

    def clear(self) -> None:
        """Drops the events that were not taken."""
        self._items.clear()


def pause_after(action: Action, stated: float | None, failures: int, chance: float) -> float:
    """Returns the seconds before the next attempt after so many failures in a row before (B2B-SDK-021).

    stated is the time that the server gives, chance a random number from 0 to 1.
    """
    if stated is None and action.kind == "wait":
        stated = LONG
    if stated is None:
        return full_jitter(failures, BASE, CAP, chance)
    return min(stated, LONGEST_STATED) * (1 + 0.2 * chance)


class Attempts:
    """Decides which kind of connection is opened next, and after how long.

    It has no connection and no clock: the feed reports what happened.
    """

    def __init__(self, kind: Kind, websockets: bool, chance: Callable[[], float]) -> None:
        self._kind: Kind = kind
        self._chance = chance
        self._failures = 0
        self._blocked = not websockets
        self._mute = 0

    def next(self) -> Literal["websocket", "sse"]:
        """Returns the kind of the next connection."""
        kind = self._kind
        if kind != "auto":
            return kind
        return "sse" if self._blocked or self._mute >= 2 else "websocket"

    def heard(self) -> None:
        """Records that a WebSocket brought a frame."""
        self._mute = 0

    def failed(self, kind: Literal["websocket", "sse"], error: BaseException, lived: float, heard: bool) -> "Step":
        """Returns what to do after a connection failed, or could not be opened."""
        if heard and lived >= STABLE:
            self._failures = 0
        if kind == "sse":
            self._mute = min(self._mute, 1)  # a WebSocket is next; if it is mute again, a stream follows
        elif not heard and isinstance(error, Broken | NoUpgrade | OSError):
            self._mute += 1
        action, retry_after, cause = self._judge(error)
        if action.kind == "stop":
            return Step(stop=cause or error)
        first = self._failures == 0
        self._failures += 1
        if action.kind == "wait":
            return Step(wait=self._pause(action, retry_after))
        resync = (_code_of(error) or "CURSOR_EXPIRED") if action.kind == "resync" else ""
        if first and (resync or action.kind == "reconnect"):
            return Step(resync=resync)
        return Step(wait=self._pause(action, retry_after), resync=resync)

    def _pause(self, action: Action, stated: float | None) -> float:
        return pause_after(action, stated, self._failures - 1, self._chance())

    def _judge(self, error: BaseException) -> tuple[Action, float | None, BaseException | None]:
        """Returns the action, the pause that the server asks for, and the error of a stop."""
        if isinstance(error, Ended):
            if error.error is not None:
                return after_stream_end(error.error), error.error.retry_after, error.error
            action = after_close(error.close or 0, error.reason)
            return action, None, error_of_code(action.code, error.reason)
        if isinstance(error, B2BError):
            return after_refusal(error), error.retry_after, error
        if isinstance(error, Resumable):
            return (RECONNECT if error.retry_after is None else BACKOFF), error.retry_after, None
        if isinstance(error, NoUpgrade):
            if error.status in (401, 403) or error.status == 429 or error.status >= 500:
                return BACKOFF, error.retry_after, None
            self._blocked = True  # such an answer stays the same
            return (RECONNECT if self._kind == "auto" else BACKOFF), None, None
        return BACKOFF, None, None


def _code_of(error: BaseException) -> str:
    """Returns the code of an error that refuses a position."""
    if isinstance(error, Ended):
        return error.reason if error.error is None else error.error.code
    return error.code if isinstance(error, B2BError) else ""


@dataclass(frozen=True, slots=True)
class Step:
    """What a feed does after a failure: it ends, or continues after a pause."""

    wait: float = 0.0
    resync: str = ""
    """The reason why events were missed; empty if none were."""
    stop: BaseException | None = None


class Feed:
    """The connection, the queue and the committed position of one listener."""

    def __init__(self, network: Network, options: Options, chance: Callable[[], float] = random.random) -> None:
        self._network, self._options = network, options
        self._attempts = Attempts(options.transport, network.websockets, chance)
        self._received: str | None = None
        """The position of the newest event in the queue: where the next connection starts."""
        self._live = False
        """The caller may not know positions: connections start at the present until an event has come."""
        self._resync = ""
        self._seen: dict[str, None] = {}
        self._key = options.key or ""
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = self._paused = self._unsaved = False
        self.committed: str | None = options.position or None

    def start(self) -> None:
        """Starts the feed in the running event loop."""
        self.queue = Queue()
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._started = asyncio.Event()
        self._runner = asyncio.create_task(self._run())
        self._tasks = [self._runner, asyncio.create_task(self._save())]

    async def close(self) -> None:
        """Ends the connection, and saves the committed position."""
        if not self._tasks:
            return
        runner, saver = self._tasks
        self._tasks = []
        self.queue.clear()
        self.queue.end(None)
        self._started.set()
        runner.cancel()
        await asyncio.gather(runner, return_exceptions=True)
        self._closing = True
        self._changed.set()
        await saver

    async def started(self) -> None:
        """Returns when everything that happens from then on is queued, or with the error that ended the feed."""
        await self._started.wait()
        self.queue.check()

    def commit(self, position: str) -> None:
        """Moves the committed position. It is saved soon, and when the feed is closed."""
        self.committed = position
        self._unsaved = True
        self._changed.set()

    # The position

    async def _save(self) -> None:
        """Saves the newest committed position whenever it changes: one save at a time."""
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                if self._unsaved and self._options.store is not None and self.committed is not None:
                    self._unsaved = False
                    await self._stored("save", self._key, self.committed)
                elif self._closing:
                    return
                if self._closing:
                    self._changed.set()
        except PositionError as error:
            self.queue.end(error)
            self._started.set()
            if self._closing:
                raise
            self._runner.cancel()

    async def _stored(self, name: Literal["load", "save"], *arguments: str) -> str | None:
        method: Callable[..., Any] = getattr(self._options.store, name)
        try:
            if inspect.iscoroutinefunction(method):
                return cast("str | None", await method(*arguments))
            return cast("str | None", await asyncio.to_thread(method, *arguments))
        except Exception as error:
            raise PositionError(f"the position store failed to {name} the position: {error}") from error

    async def _first(self) -> None:
        """Finds the position to start at: the given one, that of the store, or else the present."""
        if self._options.store is not None and not self._key:
            self._key = await self._network.name()
        position = self._options.position
        if position is None and self._options.store is not None:
            position = await self._stored("load", self._key)
        self._received = self.committed = position or None

    # The connection

    async def _run(self) -> None:
        started = False
        try:
            while True:
                kind: Literal["websocket", "sse"] = self._attempts.next()
                self._opened: float | None = None
                self._frames = 0
                try:
                    if not started:
                        await self._first()
                        started = True
                    await self._find()
                    if not self._live:
                        self._started.set()
                    await self._listen(kind)
                    raise Broken("the connection ended")
                except FAILURES as error:
                    lived = 0.0 if self._opened is None else self._loop.time() - self._opened
                    step = self._attempts.failed(kind, error, lived, self._frames > 0)
                    if step.stop is not None:
                        raise step.stop from None
                if step.resync:
                    self._resync, self._received, self._live = step.resync, None, False
                    self._seen.clear()
                await asyncio.sleep(step.wait)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self.queue.end(error)
            self._started.set()

    async def _find(self) -> None:
        """Finds the position of the present, if the feed has none, and reports that events were missed.

        The position is known before the report, so that a consumer that then reads the state misses nothing.
        """
        if self._received is not None or self._live:
            return
        async with asyncio.timeout(HANDSHAKE):
            head = await self._network.head()
        if head is None:
            self._live = True
            return
        await self._report(head)
        self._received = head
        if self.committed is None:
            self.commit(head)

    async def _report(self, position: str | None) -> None:
        if self._resync:
            event: dict[str, Any] = {"type": "resync", "reason": self._resync}
            if position is not None:
                event["cursor"] = position
            await self.queue.put(event, 0)
            self._resync = ""

    async def _listen(self, kind: Literal["websocket", "sse"]) -> None:
        """Reads a connection until it ends, which is an exception."""
        async with asyncio.timeout(2 * HANDSHAKE):  # a ticket, and the connection
            open_ = self._network.websocket if kind == "websocket" else self._network.stream
            connection = await open_(self._received)
        self._opened = self._heard = self._loop.time()
        self._started.set()
        try:
            await self._report(None)
            tasks = [asyncio.create_task(self._read(kind, connection)), asyncio.create_task(self._watch(connection))]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            await connection.close()

    async def _read(self, kind: str, connection: Connection) -> None:
        while True:
            frame = await connection.receive()
            self._heard = self._loop.time()
            self._frames += 1
            if self._frames == 1 and kind == "websocket":
                self._attempts.heard()
            if frame is not None:
                await self._accept(frame)

    async def _accept(self, frame: str | bytes) -> None:
        """Queues the event of a frame. Replies to operations, and repeated events, are dropped."""
        event = parsed(frame)
        if not isinstance(event, dict) or event.get("type") in (None, "pong", "ack", "error"):
            return
        position = event.get("cursor")
        if isinstance(position, str) and position:
            if position in self._seen:
                return
            await self._queued(event, len(frame))
            self._received = position
            self._seen[position] = None
            if len(self._seen) > REMEMBERED:
                del self._seen[next(iter(self._seen))]
        else:
            await self._queued(event, len(frame))

    async def _queued(self, event: dict[str, Any], size: int) -> None:
        self._paused = True
        try:
            await self.queue.put(event, size)
        finally:
            self._paused = False
            self._heard = self._loop.time()

    async def _watch(self, connection: Connection) -> None:
        """Pings the server, and ends when it was silent for too long. A pause of the reader is no silence."""
        pinged = float("-inf")
        while True:
            now = self._loop.time()
            if connection.pings and now - pinged >= PING_EVERY:
                pinged = now
                async with asyncio.timeout(HANDSHAKE):
                    await connection.ping()
                now = self._loop.time()
            limit = SILENCE if self._frames else HANDSHAKE
            if self._paused:
                self._heard = now
            if now - self._heard >= limit:
                raise Broken(f"the connection brought nothing for {limit:.0f} seconds")
            wake = self._heard + limit
            if connection.pings:
                wake = min(wake, pinged + PING_EVERY)
            await asyncio.sleep(max(wake - now, 0.01))
