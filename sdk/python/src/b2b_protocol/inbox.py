"""Workers of an inbox: they claim deliveries, and settle them when the program has acted on them.

`Client.inbox` and `AsyncClient.inbox` return them. The rules are B2B-SDK-042 to B2B-SDK-046 of
SPEC.md.
"""

import asyncio
import inspect
import logging
import random
import secrets
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar, Unpack

from ._closes import BACKOFF, after_refusal
from ._connections import FAILURES
from ._error import B2BError
from ._feed import pause_after
from ._inbox_item import About, AsyncInboxItem, Keeper, Reply, WaitsFor
from ._portal import Portal
from .gen.rest import types
from .gen.rest.operations import AsyncRest

__all__ = ["AsyncInbox", "AsyncInboxItem", "Inbox", "InboxItem"]

WAIT = 30
"""Seconds that a claim waits for a delivery."""
LATER = 5.0
"""Seconds that a worker may take longer to stop, when nothing answers."""
MOST = 100
"""How many deliveries the server hands out at a time."""
LONGEST_REASON = 1024
"""How many UTF-16 code units a reason has at most."""

if TYPE_CHECKING:
    from .client import ThreadMessageFields

T = TypeVar("T")

_log = logging.getLogger("b2b_protocol")

AT_ONCE = {"retry_in_seconds": 0}
"""Given back, to be handed out at once."""


OnInboxError: TypeAlias = Callable[[Exception, About | None], object]
"""Is called with what goes wrong and does not end the worker, and with the item; None: a claim failed."""


def _log_error(error: Exception, item: About | None) -> None:
    what = "a claim" if item is None else f"a delivery of kind {item.kind}"
    _log.error("a worker of the inbox: %s failed", what, exc_info=error)


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxOptions:
    """How a worker claims."""

    lease_seconds: int = 60
    on_error: OnInboxError = _log_error
    claim: dict[str, Any] = field(default_factory=dict[str, Any])
    """Further fields of each claim."""


class AsyncInbox(AsyncIterator[AsyncInboxItem]):
    """A worker of the own inbox: an asynchronous iterator of deliveries, each with its lease.

    A delivery is settled when the loop asks for the next one, and given back when the worker is closed: use it as a
    context manager. It is for one loop, or one run, at a time.
    """

    def __init__(
        self,
        calls: AsyncRest,
        claims: AsyncRest,
        options: InboxOptions,
        opened: set["AsyncInbox"] | None = None,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._keeper = Keeper(calls, options.lease_seconds, chance, self._over, self._report)
        self._claims, self._options, self._sleep = claims, options, sleep
        self._opened = set[AsyncInbox]() if opened is None else opened
        """The workers of the client that are open."""
        self._items: set[AsyncInboxItem] = set()
        self._handling: dict[asyncio.Task[None], AsyncInboxItem] = {}
        self._current: AsyncInboxItem | None = None
        self._stopped = asyncio.Event()
        self._failure: BaseException | None = None

    def stop(self) -> None:
        """Stops the worker: it claims nothing more. A loop ends, and run does when its handlers have.

        The signals of the items are set.
        """
        self._stopped.set()
        for item in self._items:
            item._tell()

    async def __anext__(self) -> AsyncInboxItem:
        before, self._current = self._current, None
        if before is not None:
            await before._finish()
        self._opened.add(self)
        try:
            items = await self._claim(1)
        except asyncio.CancelledError:
            raise
        except BaseException:
            await self.aclose()
            raise
        if not items:
            await self.aclose()
            self._check()
            raise StopAsyncIteration
        self._current = items[0]
        return items[0]

    async def run(self, handler: Callable[[AsyncInboxItem], Awaitable[object] | object], *, concurrency: int = 1) -> None:
        """Calls the handler with each delivery, with as many at the same time as concurrency says, until it is stopped.

        A delivery is settled when its handler has returned, and given back when it has failed. If run is cancelled, so
        are the handlers.
        """
        if concurrency < 1:
            raise ValueError("concurrency must be 1 or more")
        self._opened.add(self)
        try:
            while True:
                while len(self._handling) >= concurrency:
                    await asyncio.wait(self._handling, return_when=asyncio.FIRST_COMPLETED)
                items = await self._claim(concurrency - len(self._handling))
                if not items:
                    break
                for item in items:
                    task = asyncio.create_task(self._handle(handler, item))
                    self._handling[task] = item
                    task.add_done_callback(self._handling.pop)
        except asyncio.CancelledError:
            for task in self._handling:
                task.cancel()
            raise
        finally:
            await self.aclose()
        self._check()

    async def aclose(self) -> None:
        """Stops the worker, waits for its handlers, and gives back what was not handed to one."""
        self.stop()
        others = [task for task in self._handling if task is not asyncio.current_task()]
        if others:
            await asyncio.wait(others)
        self._current = None
        left = self._items.difference(self._handling.values())
        await asyncio.gather(*(item._finish(AT_ONCE) for item in left))
        self._opened.discard(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def _handle(self, handler: Callable[[AsyncInboxItem], Awaitable[object] | object], item: AsyncInboxItem) -> None:
        try:
            result = handler(item)
            if inspect.isawaitable(result):
                await result
        except asyncio.CancelledError:
            await item._finish(AT_ONCE)
            raise
        except Exception as error:
            await item._finish({"reason": text_of(error)})
            self._report(error, item)
        else:
            await item._finish()

    # Claims

    async def _claim(self, free: int) -> list[AsyncInboxItem]:
        """Claims deliveries, and waits for one; none: the worker is stopped."""
        if self._stopped.is_set():
            return []
        claim: dict[str, Any] = {"max": min(MOST, free), "lease_seconds": self._keeper.lease_seconds, "wait_seconds": WAIT, **self._options.claim}
        claiming = asyncio.create_task(self._claim_until(claim))
        stopped = asyncio.create_task(self._stopped.wait())
        waited = False
        try:
            await asyncio.wait((claiming, stopped), return_when=asyncio.FIRST_COMPLETED)
            waited = True
        finally:
            for task in (claiming, stopped):
                task.cancel()
            await asyncio.gather(claiming, stopped, return_exceptions=True)
            if claiming.cancelled():
                await self._take_back(claim)
            elif not waited and claiming.exception() is None:  # it is cancelled itself
                await asyncio.gather(*(item._finish(AT_ONCE) for item in claiming.result()))
        items = [] if claiming.cancelled() else claiming.result()
        if not self._stopped.is_set():
            return items
        await asyncio.gather(*(item._finish(AT_ONCE) for item in items))
        return []

    async def _take_back(self, claim: dict[str, Any]) -> None:
        """Gives back what a claim took that the worker has given up on, without a response (B2B-DLV-008)."""
        if "request_id" not in claim:
            return  # it had not begun
        try:
            claim["wait_seconds"] = 0
            page = await self._claims.claim_inbox(**claim, timeout=LATER)
        except FAILURES as error:
            self._report(error, None)  # the leases end by themselves
            return
        items = [AsyncInboxItem(self._keeper, delivery, True) for delivery in page["items"]]
        self._items.update(items)
        await asyncio.gather(*(item._finish(AT_ONCE) for item in items))

    async def _claim_until(self, claim: dict[str, Any]) -> list[AsyncInboxItem]:
        """Claims until something was handed out. The claim has the request_id of the last one then."""
        claim["request_id"], failures = secrets.token_hex(16), 0
        while True:
            try:
                page = await self._claims.claim_inbox(**claim)
            except FAILURES as error:
                # What was handed out and not received is handed out again for the same request_id.
                action, stated = (after_refusal(error), error.retry_after) if isinstance(error, B2BError) else (BACKOFF, None)
                if action.kind == "stop":
                    raise
                self._report(error, None)
                await self._sleep(pause_after(action, stated, failures, self._keeper.chance()))
                failures += 1
                continue
            if page["items"]:
                items = [AsyncInboxItem(self._keeper, delivery, failures > 0) for delivery in page["items"]]
                self._items.update(items)
                return items
            claim["request_id"], failures = secrets.token_hex(16), 0

    # What items ask for

    def _over(self, item: AsyncInboxItem) -> None:
        self._items.discard(item)

    def _report(self, error: Exception, item: AsyncInboxItem | None) -> None:
        try:
            self._options.on_error(error, item)
        except Exception as failure:
            self._failure = self._failure or failure
            self.stop()

    def _check(self) -> None:
        """Raises the error of on_error, which has ended the worker."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure


def text_of(error: BaseException) -> str:
    """Returns the text of an error, as long as a reason may be."""
    text = (str(error) or type(error).__name__).replace("\0", "")
    return text.encode("utf-16-le", "replace")[: 2 * LONGEST_REASON].decode("utf-16-le", "ignore")


class InboxItem(About):
    """A delivery that was handed out. Its lease is extended, by a thread of the worker, until it is answered or lost."""

    def __init__(self, item: AsyncInboxItem, portal: Portal[AsyncInbox]) -> None:
        super().__init__(item._delivery)
        self.signal = threading.Event()
        """Is set when the delivery is lost, or the worker stops."""
        self._item, self._portal = item, portal
        item._also = self.signal
        if item.signal.is_set():
            self.signal.set()

    @property
    def lost(self) -> bool:
        """Whether its lease has ended: it must not be acted on any more, since another worker does."""
        return self._item.lost

    @property
    def settles(self) -> types.SettlesInput:
        """The field settles of a message, of an artifact or of a change of a thread.

        The change and the settling both happen, or neither.
        """
        return self._item.settles

    def reply(self, content: str | None = None, **fields: Unpack["ThreadMessageFields"]) -> Reply:
        """Answers where the event happened, in a thread as a reply to its message, and settles the delivery.

        The fields are those of a message. The same reply again, e.g. after no response, is one message.
        """
        return self._wait_for(lambda: self._item.reply(content, **fields))

    def ack(self) -> None:
        """Settles the delivery without an answer."""
        self._wait_for(lambda: self._item.ack())

    def nack(self, *, retry_in: int | None = None, reason: str | None = None, final: bool = False) -> None:
        """Gives the delivery back.

        It is handed out again after retry_in seconds, by default later with each attempt; with final not by itself.
        """
        self._wait_for(lambda: self._item.nack(retry_in=retry_in, reason=reason, final=final))

    def wait(self, on: WaitsFor, *, reason: str | None = None, resume_in: int | None = None) -> None:
        """Puts the delivery aside for a person or another bot.

        It is handed out again when something else in its thread or channel is addressed to the bot, or after
        resume_in seconds, by default a day.
        """
        self._wait_for(lambda: self._item.wait(on, reason=reason, resume_in=resume_in))

    def progress(self, text: str) -> None:
        """Says what the program does, for others to read, and extends the lease."""
        self._wait_for(lambda: self._item.progress(text))

    def extend(self, seconds: int) -> None:
        """Sets a new end of the lease, in seconds from now on. It is extended anyway while the program has the item."""
        self._wait_for(lambda: self._item.extend(seconds))

    def _wait_for(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Runs a coroutine in the thread of the worker."""
        waiting = self._portal.submit(lambda _: call())
        if waiting is None:
            raise RuntimeError("the worker of the inbox is closed")
        return waiting.result()


class Inbox(Iterator[InboxItem]):
    """A worker of the own inbox: an iterator of deliveries, each with its lease.

    A delivery is settled when the loop asks for the next one, and given back when the worker is closed: use it as a
    context manager. A thread of its own claims, extends leases and calls on_error, which must not wait for the worker.
    stop and close may be called from any thread; the rest is for one loop, or one run, at a time.
    """

    def __init__(self, open_inbox: Callable[[], AbstractAsyncContextManager[AsyncInbox]], opened: set["Inbox"] | None = None) -> None:
        self._portal = Portal("b2b-inbox", open_inbox)
        self._opened = set[Inbox]() if opened is None else opened
        """The workers of the client that are open."""
        self._pending: Future[InboxItem | None] | None = None
        self._running: Future[None] | None = None
        self._inside = threading.local()
        """Has the attribute handler in the threads of handlers."""
        self._exit: BaseException | None = None

    def stop(self) -> None:
        """Stops the worker: it claims nothing more. A loop ends, and run does when its handlers have.

        The signals of the items are set.
        """
        self._portal.post(lambda inbox: inbox.stop())

    def _submit(self, call: Callable[[AsyncInbox], Coroutine[Any, Any, T]]) -> Future[T] | None:
        if not self._portal.closed.is_set():
            self._opened.add(self)
        return self._portal.submit(call)

    def __next__(self) -> InboxItem:
        if self._pending is None:
            self._pending = self._submit(self._next)
        # If this wait is interrupted, e.g. by Ctrl-C, the next call continues it.
        try:
            item = None if self._pending is None else self._pending.result()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self._pending = None
            self.close()
            raise error from None
        self._pending = None
        if item is None:
            self.close()
            raise StopIteration
        return item

    async def _next(self, inbox: AsyncInbox) -> InboxItem | None:
        try:
            return InboxItem(await anext(inbox), self._portal)
        except StopAsyncIteration:
            return None

    def run(self, handler: Callable[[InboxItem], object], *, concurrency: int = 1) -> None:
        """Calls the handler with each delivery, in as many threads as concurrency says, until the worker is stopped.

        A delivery is settled when its handler has returned, and given back when it has failed.
        """
        if concurrency < 1:
            raise ValueError("concurrency must be 1 or more")
        with ThreadPoolExecutor(concurrency, "b2b-inbox-handler") as pool, self:

            async def handle(item: AsyncInboxItem) -> None:
                await asyncio.get_running_loop().run_in_executor(pool, self._handle, handler, InboxItem(item, self._portal))

            self._running = self._submit(lambda inbox: inbox.run(handle, concurrency=concurrency))
            if self._running is not None:
                self._running.result()
        if self._exit is not None:
            raise self._exit

    def _handle(self, handler: Callable[[InboxItem], object], item: InboxItem) -> None:
        self._inside.handler = True
        try:
            handler(item)
        except Exception:
            raise
        except BaseException as error:  # e.g. sys.exit, which is for the thread that runs the worker
            self._exit = error
            self.stop()
            raise RuntimeError(f"the handler ended the program with {type(error).__name__}") from error

    def close(self) -> None:
        """Stops the worker, waits for its handlers, and gives back what was not handed to one.

        A handler that calls it stops the worker, and is not waited for.
        """
        if getattr(self._inside, "handler", False):
            self.stop()
            return
        self._opened.discard(self)
        if self._portal.made is not None:  # handlers can answer until they have ended
            closing = self._portal.submit(lambda inbox: inbox.aclose())
            if closing is not None:
                closing.result()
                ending: list[Future[Any]] = [future for future in (self._pending, self._running) if future is not None]
                wait(ending)
        self._portal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
