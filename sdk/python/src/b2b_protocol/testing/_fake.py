"""A server in the memory of a test."""

import asyncio
import json
import re
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, unquote

import httpx

from .._connections import Broken, Connection, Ended
from .._feed import Feed, Options
from ..client import AsyncClient, Client
from ..gen.rest.operations import AsyncRest
from ..inbox import AsyncInbox, InboxOptions
from ..retry import AsyncRetryTransport, Retry, RetryTransport
from ..transport import AsyncHttpTransport, HttpTransport
from ._org import Org, Refusal

_URL = "http://fake.test"


class FakeServer:
    """A server in the memory of a test, with one org.

    Its clients have everything that those of a real server have. It knows bots, direct messages, threads, artifacts,
    their events, and the inboxes of bots; other operations are NotImplementedError. Its clock stands still but for the
    waits of clients, which take no time. Leases of deliveries end only when the test says so. It is safe to use from
    several threads.
    """

    def __init__(self) -> None:
        self._org = Org()
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._seen = 0
        self._waiting: set[Callable[[], None]] = set()
        self._failures: list[tuple[int, str, float | None]] = []
        self._lost = 0
        self._connections: set[_FakeConnection] = set()
        self._twice = False

    # Clients

    def client(self, name: str, *, retry: Retry | None = Retry()) -> Client:  # noqa: B008
        """Returns the client of a bot, which is registered with its first client."""
        return _FakeClient(self, self._token(name), retry)

    def async_client(self, name: str, *, retry: Retry | None = Retry()) -> AsyncClient:  # noqa: B008
        """Returns the client of a bot for asyncio."""
        return _FakeAsyncClient(self, self._token(name), retry)

    def _token(self, name: str) -> str:
        with self._lock:
            return self._org.register(name)

    # What goes wrong

    def fail(self, times: int = 1, *, status: int = 503, code: str = "UNAVAILABLE", retry_after: float | None = None) -> None:
        """Refuses the next calls, e.g. with status=429, code="RATE_LIMITED", retry_after=2."""
        with self._lock:
            self._failures += times * [(status, code, retry_after)]

    def lose(self, times: int = 1) -> None:
        """Executes the next calls, and loses their responses."""
        with self._lock:
            self._lost += times

    def drop(self) -> None:
        """Cuts the connections of all listeners."""
        self._end(lambda: Broken("the fake server cut the connection"))

    def close(self, code: int, reason: str) -> None:
        """Closes the connections of all listeners with a code of the table of SPEC.md, e.g. 4002, "Token revoked"."""
        self._end(lambda: Ended(code, reason))

    def _end(self, make: Callable[[], Exception]) -> None:
        with self._lock:
            for connection in list(self._connections):
                connection.end(make())

    def repeat(self, on: bool = True) -> None:
        """Delivers each event twice."""
        self._twice = on

    def expire(self) -> None:
        """Forgets the events so far: listeners that resume before the present get CURSOR_EXPIRED."""
        with self._lock:
            self._org.kept_from = len(self._org.log)

    def invalidate(self, name: str) -> None:
        """Makes the token of a bot unknown, and closes its connections."""
        with self._lock:
            bot = self._org.named(name)
            self._org.tokens = {token: id for token, id in self._org.tokens.items() if id != bot["id"]}
            for connection in list(self._connections):
                if connection.bot == bot["id"]:
                    connection.end(Ended(4002, "Token revoked"))

    def lapse(self) -> None:
        """Ends the leases of all deliveries, as if their workers were late."""
        with self._lock:
            self._org.inboxes.lapse()
            self._wake()

    # The clock

    @property
    def now(self) -> float:
        """The time in seconds since 1970."""
        return self._org.now / 1000

    def advance(self, seconds: float) -> None:
        """Moves the clock, which is that of messages and threads."""
        with self._lock:
            self._org.now += int(seconds * 1000)
            self._org.changes += 1
            self._wake()

    # The network

    def respond(self, request: httpx.Request) -> httpx.Response:
        """Responds to a request over REST."""
        end = time.monotonic() + _wait_of(request)
        with self._lock:
            while (response := self._respond_unless(request, time.monotonic() < end)) is None:
                self._changed.wait(max(0.0, end - time.monotonic()))
            return response

    def _respond_unless(self, request: httpx.Request, waits: bool) -> httpx.Response | None:
        """Responds to a request; None: it is a claim that waits, and nothing is ready."""
        with self._lock:
            if self._failures:
                status, code, retry_after = self._failures.pop(0)
                return _refused(Refusal(status, code, "refused by the test", retry_after))
            try:
                response = self._execute(request)
            except Refusal as refusal:
                return _refused(refusal)
            finally:
                for connection in list(self._connections):
                    connection.wake()
                self._wake()
            if waits and response.content == _NOTHING:
                return None
            if self._lost:
                self._lost -= 1
                raise httpx.ReadError("the fake server lost the response", request=request)
            return response

    def _wake(self) -> None:
        """Lets the claims that wait look again, if a delivery may have become ready."""
        if self._seen != self._org.changes:
            self._seen = self._org.changes
            self._changed.notify_all()
            for wake in self._waiting:
                wake()

    def _execute(self, request: httpx.Request) -> httpx.Response:
        bot = self._org.authenticate(request.headers.get("Authorization", "").removeprefix("Bearer "))
        raw = request.url.raw_path.decode()
        path, _, query = raw.partition("?")
        body = json.loads(request.content) if request.content else {}
        revision = re.findall(r"\d+", request.headers.get("If-Match", ""))
        fields = {**dict(parse_qsl(query, keep_blank_values=True)), **body, **({"expected_revisions": [int(one) for one in revision]} if revision else {})}
        names = [unquote(part) for part in path.split("/")[2:]]
        value, status = self._org.call(bot, request.method, names, fields)
        if status == 204:
            return httpx.Response(204)
        return httpx.Response(status, json=value, headers={"Date": formatdate(self.now, usegmt=True)})

    async def _respond(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        loop, changed = asyncio.get_running_loop(), asyncio.Event()
        end = loop.time() + _wait_of(request)

        def wake() -> None:
            loop.call_soon_threadsafe(changed.set)

        with self._lock:
            self._waiting.add(wake)
        try:
            while (response := self._respond_unless(request, loop.time() < end)) is None:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(end):
                        await changed.wait()
                changed.clear()
            return response
        finally:
            with self._lock:
                self._waiting.discard(wake)

    def _open(self, token: str, position: str | None) -> "_FakeConnection":
        with self._lock:
            bot = self._org.authenticate(token)
            start = self._org.index_of(position) if position is not None else len(self._org.log)
            connection = _FakeConnection(self, bot["id"], start)
            self._connections.add(connection)
            return connection

    def _sleep(self, seconds: float) -> None:
        self.advance(seconds)

    async def _sleep_async(self, seconds: float) -> None:
        self.advance(seconds)
        await asyncio.sleep(0)


_NOTHING = httpx.Response(200, json={"items": []}).content
"""The response to a claim for which nothing is ready."""


def _wait_of(request: httpx.Request) -> float:
    """Returns how many seconds a claim waits at most."""
    claims = request.method == "POST" and request.url.path.endswith("/inbox/claim")
    return float(json.loads(request.content).get("wait_seconds") or 0) if claims else 0.0


def _refused(refusal: Refusal) -> httpx.Response:
    body: dict[str, Any] = {"error": refusal.message, "code": refusal.code}
    if refusal.retry_after is not None:
        body["retry_after"] = refusal.retry_after
    return httpx.Response(refusal.status, json=body)


class _FakeConnection:
    """The connection of a listener: it reads the log from an index."""

    pings = False

    def __init__(self, server: FakeServer, bot: str, start: int) -> None:
        self.bot = bot
        self._server, self._next = server, start
        self._loop = asyncio.get_running_loop()
        self._ready = asyncio.Event()
        self._frames: list[str] = []
        self._error: Exception | None = None

    def wake(self) -> None:
        self._loop.call_soon_threadsafe(self._ready.set)

    def end(self, error: Exception) -> None:
        self._error = self._error or error
        self.wake()

    async def receive(self) -> str | bytes | None:
        while True:
            with self._server._lock:
                if self._error is not None:
                    raise self._error
                while not self._frames and self._next < len(self._server._org.log):
                    receivers, event = self._server._org.log[self._next]
                    self._next += 1
                    if self.bot in receivers:
                        self._frames = (2 if self._server._twice else 1) * [json.dumps(event)]
                self._ready.clear()
                if self._frames:
                    return self._frames.pop()
            try:
                async with asyncio.timeout(1):  # a sign of life, as a heartbeat is
                    await self._ready.wait()
            except TimeoutError:
                return None

    async def ping(self) -> None:
        return

    async def close(self) -> None:
        with self._server._lock:
            self._server._connections.discard(self)


class _FakeNetwork:
    """Opens connections to a fake server."""

    websockets = True

    def __init__(self, server: FakeServer, token: str) -> None:
        self._server, self._token = server, token

    async def head(self) -> str | None:
        with self._server._lock:
            self._authenticate()
            return self._server._org.position()

    async def name(self) -> str:
        with self._server._lock:
            return self._authenticate()

    def _authenticate(self) -> str:
        try:
            return str(self._server._org.authenticate(self._token)["id"])
        except Refusal as refusal:
            raise refusal.error() from None

    async def websocket(self, position: str | None) -> Connection:
        try:
            return self._server._open(self._token, position)
        except Refusal as refusal:
            raise refusal.error() from None

    async def stream(self, position: str | None) -> Connection:
        return await self.websocket(position)


class _FakeClient(Client):
    def __init__(self, server: FakeServer, token: str, retry: Retry | None) -> None:
        http = httpx.Client(transport=httpx.MockTransport(server.respond))
        super().__init__(_URL, token, client=http, retry=None)
        self._server = server
        sender = HttpTransport(_URL, token, client=http)
        self._transport = sender if retry is None else RetryTransport(sender, retry, timeout=0, sleep=server._sleep)

        self._fake_retry = retry

    @asynccontextmanager
    async def _feed(self, options: Options) -> AsyncIterator[Feed]:
        yield Feed(_FakeNetwork(self._server, self._token), options, chance=lambda: 0.0)

    def _twin(self) -> AsyncClient:
        return _FakeAsyncClient(self._server, self._token, self._fake_retry)


class _FakeAsyncClient(AsyncClient):
    def __init__(self, server: FakeServer, token: str, retry: Retry | None) -> None:
        http = httpx.AsyncClient(transport=httpx.MockTransport(server._respond))
        super().__init__(_URL, token, client=http, retry=None)
        self._server = server
        sender = AsyncHttpTransport(_URL, token, client=http)
        self._transport = sender if retry is None else AsyncRetryTransport(sender, retry, timeout=0, sleep=server._sleep_async)

    def _feed_of(self, options: Options) -> Feed:
        return Feed(_FakeNetwork(self._server, self._token), options, chance=lambda: 0.0)

    def _inbox_of(self, options: InboxOptions) -> AsyncInbox:
        claims = AsyncRest(self._sender)
        return AsyncInbox(self, claims, options, self._inboxes, sleep=self._server._sleep_async, chance=lambda: 0.0)
