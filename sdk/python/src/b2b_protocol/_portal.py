"""What runs in an event loop of its own, for programs without asyncio."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Portal(Generic[T]):
    """Makes something in the event loop of a thread, which begins with the first use, and ends it there.

    It is safe to use from several threads.
    """

    def __init__(self, name: str, make: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        self._name, self._make = name, make
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._ready: Future[tuple[asyncio.AbstractEventLoop, T]] = Future()
        self._stop: Callable[[], object] = lambda: None
        self._failure: BaseException | None = None
        self.closed = threading.Event()

    @property
    def made(self) -> T | None:
        """What is in the loop; None before that."""
        return self._ready.result()[1] if self._ready.done() and self._ready.exception() is None else None

    def connect(self) -> tuple[asyncio.AbstractEventLoop, T] | None:
        """Starts the thread, if that was not done yet; None: it is closed."""
        with self._lock:
            if self.closed.is_set():
                return None
            if self._thread is None:
                self._thread = threading.Thread(target=self._main, name=self._name, daemon=True)
                self._thread.start()
        try:
            return self._ready.result()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # nothing could be made, so there is nothing to close
            self.closed.set()
            raise

    def submit(self, call: Callable[[T], Coroutine[Any, Any, R]]) -> Future[R] | None:
        """Starts a coroutine in the loop; None: it is closed."""
        connected = self.connect()
        if connected is None:
            return None
        loop, made = connected
        coroutine = call(made)
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, loop)
        except RuntimeError:  # the loop was closed by another thread at this moment
            coroutine.close()
            return None

    def post(self, call: Callable[[T], object]) -> None:
        """Calls a function in the loop soon, unless it never began or is closed."""
        if self._thread is None or self.closed.is_set():
            return
        loop, made = self._ready.result()
        try:
            loop.call_soon_threadsafe(call, made)
        except RuntimeError:
            return  # the loop was closed by another thread at this moment

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
            if not self._ready.done():
                self._ready.set_exception(error)

    async def _serve(self) -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        async with self._make() as made:
            self._stop = lambda: loop.call_soon_threadsafe(stop.set)
            self._ready.set_result((loop, made))
            await stop.wait()

    def close(self) -> None:
        """Ends what was made, and the thread, and fails as the end did."""
        with self._lock:
            first = not self.closed.is_set()
            self.closed.set()
            thread = self._thread
        if thread is None or not first:
            return
        try:
            self._ready.result()
            self._stop()
        except BaseException:
            thread.join()
            raise
        thread.join()
        if self._failure is not None:
            raise self._failure
