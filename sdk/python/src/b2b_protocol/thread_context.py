"""The context of threads: what happens in them is collected until an agent is asked (B2B-SDK-033).

Give a context the events of a listener: `client.run(context.handle)`. When the bot is mentioned or
invited, the handlers get what waited in the thread, and `prompt` renders it for a model.
"""

import asyncio
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from ._prompt import PromptMode
from ._thread_core import (
    ContextOptions,
    Core,
    Delivery,
    LifecycleEvent,
    LifecycleMode,
    LifecycleType,
    Reason,
    Snapshot,
    Trigger,
    add_newest,
    set_loaded,
)
from .gen.rest import types
from .listen import Received

__all__ = [
    "AsyncContextClient",
    "AsyncThreadContext",
    "ContextClient",
    "ContextOptions",
    "LifecycleEvent",
    "LifecycleMode",
    "LifecycleType",
    "Reason",
    "Snapshot",
    "ThreadContext",
    "Trigger",
]

_NESTED = "a handler of a thread cannot wait for another delivery of the same thread"

_log = logging.getLogger("b2b_protocol")

T = TypeVar("T")


class ContextClient(Protocol):
    """What a context asks of a client."""

    def get_me(self) -> types.Bot: ...
    def get_thread(self, thread_id: str, /) -> types.Thread: ...
    def list_artifacts(self, thread_id: str, /) -> list[types.Artifact]: ...


class AsyncContextClient(Protocol):
    """What a context for asyncio asks of a client."""

    def get_me(self) -> Awaitable[types.Bot]: ...
    def get_thread(self, thread_id: str, /) -> Awaitable[types.Thread]: ...
    def list_artifacts(self, thread_id: str, /) -> Awaitable[list[types.Artifact]]: ...


class _Context:
    """What both contexts offer without waiting."""

    def __init__(self, options: ContextOptions) -> None:
        self._core = Core(options)
        self._lock = threading.RLock()
        self._handlers: list[Callable[[Trigger], object]] = []

    def on_mention(self, handler: Callable[[Trigger], T]) -> Callable[[Trigger], T]:
        """Adds a handler of deliveries, also as a decorator. Several are called one after the other."""
        self._handlers.append(handler)
        return handler

    def buffer_size(self, thread_id: str) -> int:
        """Returns the number of messages that wait in a thread."""
        with self._lock:
            return self._core.waiting(thread_id)[0]

    def lifecycle_buffer_size(self, thread_id: str) -> int:
        """Returns the number of events that wait in a thread."""
        with self._lock:
            return self._core.waiting(thread_id)[1]

    def active_threads(self) -> list[str]:
        """Returns the ids of the threads in which something waits, those with messages first."""
        with self._lock:
            return self._core.active()

    def prompt(self, thread_id: str, mode: PromptMode = "full", *, escape: bool | None = None, max_tokens: int | None = None) -> str:
        """Returns what is known of a thread, and what waits in it, as a text for a prompt.

        full: all that waits; in a handler, what it was given. delta: only messages that were not
        delivered. summary: only their number. escape and max_tokens replace those of the options.
        """
        with self._lock:
            return self._core.prompt(thread_id, mode, escape, max_tokens)

    @contextmanager
    def _delivering(self, delivery: Delivery, owner: object) -> Iterator[None]:
        delivery.state.owner, delivery.state.up_to = owner, delivery.order
        try:
            yield
        finally:
            delivery.state.owner, delivery.state.up_to = None, float("inf")


class ThreadContext(_Context):
    """Collects what happens in threads, and hands it to handlers when the bot is mentioned or invited.

    Deliveries of one thread follow each other. Each has what came until it was asked for, and nothing is delivered
    twice; what a handler failed for waits on until the next delivery. It is safe to use from several threads.
    """

    def __init__(self, client: ContextClient, options: ContextOptions) -> None:
        super().__init__(options)
        self._client = client

    def handle(self, event: Received) -> None:
        """Takes in an event. It returns after the delivery that the event causes, if any, and fails as its handler did.

        Then all that was delivered waits on, and the same event can be given again. An event that was taken in before
        changes nothing; those of other types are ignored.
        """
        if self._core.bot_id is None:
            self._core.bot_id = self._client.get_me()["id"]
        with self._lock:
            delivery = self._core.take(event)
        self._deliver(delivery)

    def flush(self, thread_id: str) -> None:
        """Delivers what waits in a thread, if anything does."""
        with self._lock:
            delivery = self._core.flush(thread_id)
        self._deliver(delivery)

    def _deliver(self, delivery: Delivery | None) -> None:
        if delivery is None:
            return
        state = delivery.state
        try:
            with self._lock:
                state.turn = state.turn or threading.Lock()
            if state.owner == threading.get_ident():
                raise RuntimeError(_NESTED)
            with state.turn, self._delivering(delivery, threading.get_ident()):
                with self._lock:
                    due = self._core.due(delivery)
                if not due:
                    return
                self._load(delivery)
                with self._lock:
                    trigger = self._core.trigger(delivery)
                for handler in list(self._handlers):
                    handler(trigger)
                with self._lock:
                    self._core.succeeded(delivery, trigger)
        finally:
            with self._lock:
                state.pending -= 1

    def _load(self, delivery: Delivery) -> None:
        """Loads what is not known of a thread. What cannot be loaded is tried again at the next delivery."""
        state = delivery.state
        try:
            if state.thread is None or state.participants is None:
                found = self._client.get_thread(delivery.thread_id)
                with self._lock:
                    set_loaded(state, found)
            if not state.artifacts_loaded:
                artifacts = self._client.list_artifacts(delivery.thread_id)
                with self._lock:
                    add_newest(state, artifacts)
                    state.artifacts_loaded = True
        except Exception as error:
            _log.warning("the thread %s could not be loaded: %s", delivery.thread_id, error)


class AsyncThreadContext(_Context):
    """The same as ThreadContext for asyncio. Handlers can be coroutines."""

    def __init__(self, client: AsyncContextClient, options: ContextOptions) -> None:
        super().__init__(options)
        self._client = client

    async def handle(self, event: Received) -> None:
        """Takes in an event. It returns after the delivery that the event causes, if any, and fails as its handler did.

        Then all that was delivered waits on, and the same event can be given again. An event that was taken in before
        changes nothing; those of other types are ignored.
        """
        if self._core.bot_id is None:
            self._core.bot_id = (await self._client.get_me())["id"]
        await self._deliver(self._core.take(event))

    async def flush(self, thread_id: str) -> None:
        """Delivers what waits in a thread, if anything does."""
        await self._deliver(self._core.flush(thread_id))

    async def _deliver(self, delivery: Delivery | None) -> None:
        if delivery is None:
            return
        state = delivery.state
        try:
            state.turn = state.turn or asyncio.Lock()
            if state.owner is asyncio.current_task():
                raise RuntimeError(_NESTED)
            async with state.turn:
                with self._delivering(delivery, asyncio.current_task()):
                    if not self._core.due(delivery):
                        return
                    await self._load(delivery)
                    trigger = self._core.trigger(delivery)
                    for handler in list(self._handlers):
                        result = handler(trigger)
                        if inspect.isawaitable(result):
                            await result
                    self._core.succeeded(delivery, trigger)
        finally:
            state.pending -= 1

    async def _load(self, delivery: Delivery) -> None:
        """Loads what is not known of a thread. What cannot be loaded is tried again at the next delivery."""
        state = delivery.state
        try:
            if state.thread is None or state.participants is None:
                set_loaded(state, await self._client.get_thread(delivery.thread_id))
            if not state.artifacts_loaded:
                add_newest(state, await self._client.list_artifacts(delivery.thread_id))
                state.artifacts_loaded = True
        except Exception as error:
            _log.warning("the thread %s could not be loaded: %s", delivery.thread_id, error)
