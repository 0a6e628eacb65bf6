"""Listeners: the events of a bot, in order, each once, over any number of connections.

`Client.listen` and `AsyncClient.listen` return them. The rules are B2B-SDK-010 to B2B-SDK-024 of
SPEC.md.
"""

import asyncio
import inspect
import itertools
import logging
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, Literal, NotRequired, Self, TypeAlias, TypedDict, TypeVar, cast

from ._feed import BASE, CAP, Feed
from ._portal import Portal
from .gen.rest import types
from .retry import full_jitter

Commit = Literal["auto", "manual"]
"""auto: an event is committed when the loop asks for the next one. manual: commit must be called."""

HANDLER_RETRIES = 3
"""How often an event is handled again after its handler failed."""

_log = logging.getLogger("b2b_protocol")

T = TypeVar("T")


class Resync(TypedDict):
    """Events were missed: the server no longer has those after the position.

    The listener continues with the events after the present. Read the state that the program
    needs, e.g. with list_catchup_events: everything after that follows as events.
    """

    type: Literal["resync"]

    reason: str
    """The code of the error: CURSOR_EXPIRED, CURSOR_AHEAD or EPOCH_CHANGED."""

    cursor: NotRequired[str]
    """The position at which the listener continues; absent if the bot may not know it."""


Received: TypeAlias = types.Event | Resync
"""What a listener delivers. Events of types that this version does not know come as they were sent."""

OnError: TypeAlias = Callable[[Exception, Received], object]
"""Is called with the exception of a handler, and the event. What it raises ends the listener."""


def _log_error(error: Exception, event: Received) -> None:
    _log.error("the handler of an event of type %s failed", event["type"], exc_info=error)


def _position_of(event: Mapping[str, Any]) -> str | None:
    position = event.get("cursor")
    return position if isinstance(position, str) and position else None


class AsyncListener(AsyncIterator[Received]):
    """An asynchronous iterator of events.

    It connects when it is first asked for an event. Use it as a context manager, or close it, to end
    the connection and to save the position. It is for one loop at a time.
    """

    def __init__(self, feed: Feed, commit: Commit = "auto", opened: set["AsyncListener"] | None = None) -> None:
        if commit not in ("auto", "manual"):
            raise ValueError('commit must be "auto" or "manual"')
        self._feed = feed
        self._auto = commit == "auto"
        self._opened = set[AsyncListener]() if opened is None else opened
        """The listeners of the client that are open."""
        self._batch: deque[dict[str, Any]] = deque()
        self._current: Received | None = None
        self._state: Literal["new", "open", "closed"] = "new"

    @property
    def position(self) -> str | None:
        """The position after the newest committed event; before that, where the listener started."""
        return self._feed.committed

    def commit(self, event: Received) -> None:
        """Makes the position of the event the one to continue at. Commit an event after those before it."""
        if self._current is event:
            self._current = None
        position = _position_of(event)
        if position is not None and self._state == "open":
            self._feed.commit(position)

    async def start(self) -> None:
        """Connects, if that was not done yet. Everything that happens after it has returned is delivered.

        A loop over the events does it, too. Until the server is reached, it waits and tries again.
        """
        self._connect()
        if self._state == "open":
            try:
                await self._feed.started()
            except asyncio.CancelledError:
                raise
            except BaseException:
                await self.aclose()
                raise

    def _connect(self) -> None:
        if self._state == "new":
            self._state = "open"
            self._opened.add(self)
            self._feed.start()

    async def __anext__(self) -> Received:
        if self._current is not None:
            self.commit(self._current)
        self._connect()
        if not self._batch and self._state == "open":
            try:
                self._batch.extend(await self._feed.queue.take())
            except asyncio.CancelledError:
                raise
            except BaseException:
                await self.aclose()
                raise
        if not self._batch:
            raise StopAsyncIteration
        event = cast("Received", self._batch.popleft())
        if self._auto:
            self._current = event
        return event

    async def aclose(self) -> None:
        """Ends the connection, and saves the position. A loop over the events ends."""
        state, self._state = self._state, "closed"
        self._batch.clear()
        self._current = None
        self._opened.discard(self)
        if state == "open":
            await self._feed.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def run(
        self,
        handler: Callable[[Received], Awaitable[object] | object],
        *,
        on_error: OnError = _log_error,
        handler_retries: int = HANDLER_RETRIES,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Calls the handler with each event, until the listener is closed.

        A handler that fails gets the event again after a pause, at most handler_retries times. Then the event counts
        as handled. on_error is called each time; by default, it logs.
        """
        async with self:
            async for event in self:
                for failed in itertools.count():
                    try:
                        result = handler(event)
                        if inspect.isawaitable(result):
                            await result
                        break
                    except Exception as error:
                        on_error(error, event)
                        if failed >= handler_retries or self._state != "open":
                            break
                        await asyncio.sleep(full_jitter(failed, BASE, CAP, chance()))


@asynccontextmanager
async def _started(open_feed: "Open") -> AsyncIterator[Feed]:
    async with open_feed() as feed:
        feed.start()
        try:
            yield feed
        finally:
            await feed.close()


Open: TypeAlias = Callable[[], AbstractAsyncContextManager[Feed]]
"""Makes a feed in the event loop in which it runs, and later closes its HTTP connections."""


class Listener(Iterator[Received]):
    """An iterator of events.

    It connects when it is first asked for an event, in a thread of its own, so that the connection stays alive while
    an event is handled. Use it as a context manager, or close it, to end the connection and to save the position.
    close may be called from any thread; the rest is for one thread at a time.
    """

    def __init__(self, open_feed: Open, commit: Commit = "auto", opened: set["Listener"] | None = None) -> None:
        if commit not in ("auto", "manual"):
            raise ValueError('commit must be "auto" or "manual"')
        self._auto = commit == "auto"
        self._opened = set[Listener]() if opened is None else opened
        """The listeners of the client that are open."""
        self._batch: deque[dict[str, Any]] = deque()
        self._current: Received | None = None
        self._pending: Future[Sequence[dict[str, Any]]] | None = None
        self._portal = Portal("b2b-listener", lambda: _started(open_feed))
        self._closed = self._portal.closed

    @property
    def position(self) -> str | None:
        """The position after the newest committed event; before that, where the listener started."""
        feed = self._portal.made
        return None if feed is None else feed.committed

    def commit(self, event: Received) -> None:
        """Makes the position of the event the one to continue at. Commit an event after those before it."""
        if self._current is event:
            self._current = None
        position = _position_of(event)
        if position is not None:
            self._portal.post(lambda feed: feed.commit(position))

    def __next__(self) -> Received:
        if self._current is not None:
            self.commit(self._current)
        if not self._batch:
            self._batch.extend(self._take())
        if self._closed.is_set() or not self._batch:
            raise StopIteration
        event = cast("Received", self._batch.popleft())
        if self._auto:
            self._current = event
        return event

    def start(self) -> None:
        """Connects, if that was not done yet. Everything that happens after it has returned is delivered.

        A loop over the events does it, too. Until the server is reached, it waits and tries again.
        """
        waiting = self._submit(lambda feed: feed.started())
        if waiting is None:
            return
        try:
            waiting.result()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            if self._closed.is_set():
                return
            self.close()
            raise error from None

    def _submit(self, call: Callable[[Feed], Coroutine[Any, Any, T]]) -> Future[T] | None:
        """Starts a coroutine in the thread; None: the listener is closed."""
        if not self._closed.is_set():
            self._opened.add(self)
        try:
            return self._portal.submit(call)
        finally:
            if self._closed.is_set():
                self._opened.discard(self)

    def _take(self) -> Sequence[dict[str, Any]]:
        if self._pending is None:
            self._pending = self._submit(lambda feed: feed.queue.take())
        if self._pending is None:
            return ()
        # If this wait is interrupted, e.g. by Ctrl-C, the next call continues it, so that no event is skipped.
        try:
            events = self._pending.result()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self._pending = None
            if self._closed.is_set():
                return ()
            self.close()
            raise error from None
        self._pending = None
        return events

    def close(self) -> None:
        """Ends the connection, and saves the position. A loop over the events ends."""
        self._opened.discard(self)
        self._current = None
        self._portal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def run(
        self,
        handler: Callable[[Received], object],
        *,
        on_error: OnError = _log_error,
        handler_retries: int = HANDLER_RETRIES,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Calls the handler with each event, until the listener is closed.

        A handler that fails gets the event again after a pause, at most handler_retries times. Then the event counts
        as handled. on_error is called each time; by default, it logs.
        """
        with self:
            for event in self:
                for failed in itertools.count():
                    try:
                        handler(event)
                        break
                    except Exception as error:
                        on_error(error, event)
                        if failed >= handler_retries or self._closed.is_set():
                            break
                        self._closed.wait(full_jitter(failed, BASE, CAP, chance()))
