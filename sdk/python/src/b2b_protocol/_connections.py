"""One connection to the event log of an org: a WebSocket, or a stream of server-sent events.

Both deliver frames: the JSON texts of events, and signs of life between them.
"""

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol
from urllib.parse import urlencode

import httpx

from ._call import error_of
from ._error import B2BError
from .gen.rest.operations import AsyncRest

HANDSHAKE = 10.0
"""The number of seconds in which a connection must open and bring its first frame."""

LARGEST = 16 << 20
"""The largest frame in bytes. A server sends events of a little more than 1 MiB at most."""

_FAR = 253_402_300_799_000
"""A time in milliseconds after which nothing happened: the year 9999."""


_quiet = logging.getLogger("b2b_protocol.websocket")
_quiet.setLevel(logging.INFO)  # below, the library writes the address of the connection, which has the ticket


class Ended(Exception):
    """The server ended a connection and said why."""

    def __init__(self, close: int | None, reason: str, error: B2BError | None = None) -> None:
        super().__init__(f"{close or 'the stream ended'}: {reason}")
        self.close = close
        """The code of the close frame; None for a stream."""
        self.reason = reason
        self.error = error
        """The error with which a stream ended."""


class Resumable(Exception):
    """A stream ended, and the server asks to open it again at once."""

    def __init__(self, retry_after: float | None) -> None:
        super().__init__("the server asks to open the stream again")
        self.retry_after = retry_after


class NoUpgrade(Exception):
    """Something between client and server does not let WebSockets through."""

    def __init__(self, status: int, retry_after: float | None = None) -> None:
        super().__init__(f"the upgrade to a WebSocket was answered with status {status}")
        self.status = status
        self.retry_after = retry_after


class Broken(Exception):
    """A connection ended without a reason, or brought nothing for too long."""


class TooLarge(Broken):
    """A connection brought an event that is larger than servers send (B2B-SDK-040)."""

    def __init__(self) -> None:
        super().__init__(f"an event has more than {LARGEST} bytes")


class Connection(Protocol):
    """An open connection."""

    pings: bool
    """Whether ping has an effect."""

    async def receive(self) -> str | bytes | None:
        """Returns the next frame; None: a sign of life."""
        ...

    async def ping(self) -> None:
        """Asks the server for a sign of life."""
        ...

    async def close(self) -> None:
        """Closes the connection within about a second."""
        ...


class Network(Protocol):
    """Opens connections."""

    websockets: bool
    """Whether this client can open WebSockets."""

    async def head(self) -> str | None:
        """Returns the position of the newest event; None if the caller may not know it."""
        ...

    async def name(self) -> str:
        """Returns the id of the bot."""
        ...

    async def websocket(self, position: str | None) -> Connection: ...

    async def stream(self, position: str | None) -> Connection: ...


def has_websockets() -> bool:
    """Reports whether the extra `websocket` is installed."""
    try:
        import websockets.asyncio.client  # noqa: F401
    except ImportError:
        return False
    return True


class HttpNetwork:
    """Opens connections to a server."""

    def __init__(self, rest: AsyncRest, url: str, *, proxy: str | None = None, ssl_context: ssl.SSLContext | None = None) -> None:
        self._rest = rest
        self._url = "ws" + url.removeprefix("http") + "/ws?"
        self._settings: dict[str, Any] = {"proxy": proxy or True}
        if ssl_context is not None and url.startswith("https"):
            self._settings["ssl"] = ssl_context
        self.websockets = has_websockets()

    async def head(self) -> str | None:
        try:
            page = await self._rest.list_catchup_events(since=_FAR, limit=1, timeout=HANDSHAKE)
        except B2BError as error:
            if error.status == 403 and error.code in ("INSUFFICIENT_SCOPE", "FORBIDDEN"):
                return None
            raise
        return page.get("stream_cursor")

    async def name(self) -> str:
        return (await self._rest.get_me(timeout=HANDSHAKE))["id"]

    async def websocket(self, position: str | None) -> Connection:
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidStatus, WebSocketException

        ticket = (await self._rest.create_ticket(timeout=HANDSHAKE))["ticket"]
        query = {"ticket": ticket} if position is None else {"ticket": ticket, "cursor": position}
        try:
            socket = await connect(
                self._url + urlencode(query),
                compression=None,
                open_timeout=HANDSHAKE,
                ping_interval=None,
                close_timeout=1,
                max_size=LARGEST,
                max_queue=16,
                logger=_quiet,
                **self._settings,
            )
        except InvalidStatus as refused:
            raise NoUpgrade(refused.response.status_code) from None
        except (WebSocketException, EOFError) as refused:
            # The exception is not chained: it can have the address, which has the ticket.
            raise Broken(f"the upgrade to a WebSocket failed: {type(refused).__name__}") from None
        return _WebSocket(socket)

    async def stream(self, position: str | None) -> Connection:
        fields: Any = {} if position is None else {"cursor": position}
        manager = self._rest.subscribe(timeout=0, **fields)
        async with asyncio.timeout(HANDSHAKE):
            return _Stream(manager, await manager.__aenter__())


class _WebSocket:
    pings = True

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    async def receive(self) -> str | bytes | None:
        from websockets.exceptions import ConnectionClosed

        try:
            frame: str | bytes = await self._socket.recv()
            return frame
        except ConnectionClosed as closed:
            if closed.sent is not None and closed.sent.code == 1009 and closed.rcvd is None:
                raise TooLarge from None
            if closed.rcvd is None:
                raise Broken("the connection was cut") from None
            raise Ended(closed.rcvd.code, closed.rcvd.reason) from None

    async def ping(self) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            await self._socket.send('{"type":"ping"}')
        except ConnectionClosed:
            return  # receive reports it, with the reason

    async def close(self) -> None:
        await self._socket.close()


class _Stream:
    pings = False

    def __init__(self, manager: AbstractAsyncContextManager[httpx.Response], response: httpx.Response) -> None:
        self._manager = manager
        self._frames = sse_frames(response.aiter_bytes())

    async def receive(self) -> str | bytes | None:
        try:
            kind, data = await anext(self._frames)
        except StopAsyncIteration:
            raise Broken("the stream was cut") from None
        if kind in ("error", "resume"):
            raise _end_of(kind, data)
        return data or None

    async def ping(self) -> None:
        return

    async def close(self) -> None:
        await self._manager.__aexit__(None, None, None)


def _end_of(kind: str, data: bytes) -> Exception:
    error = error_of(httpx.Response(200, content=data))
    if kind == "resume":
        return Resumable(error.retry_after)
    error.status = 0  # the response had a good one
    return Ended(None, error.message, error)


async def sse_frames(pieces: AsyncIterator[bytes]) -> AsyncIterator[tuple[str, bytes]]:
    """Returns the type and data of each server-sent event, and ("", b"") for each piece without one.

    Lines end with line feeds only: the JSON of an event can have the other characters at which
    Python splits texts into lines.
    """
    rest, kind, data = list[bytes](), "", list[bytes]()
    waiting = kept = 0  # how many bytes rest and data have
    async for piece in pieces:
        *lines, last = piece.split(b"\n")
        if lines:
            lines[0] = b"".join(rest) + lines[0]
            rest, waiting = [], 0
        rest.append(last)
        waiting += len(last)
        found = False
        for raw in lines:
            line = raw.removesuffix(b"\r")
            if not line:
                if data:
                    found = True
                    yield kind, b"\n".join(data)
                kind, data, kept = "", [], 0
            elif line.startswith(b"event:"):
                kind = line[6:].strip().decode("utf-8", "replace")
            elif line.startswith(b"data:"):
                data.append(line[5:].strip())
                kept += len(line)
        if waiting + kept > LARGEST:
            raise TooLarge
        if not found:
            yield "", b""


def parsed(frame: str | bytes) -> Any:
    """Returns the JSON of a frame."""
    try:
        return json.loads(frame)
    except (ValueError, RecursionError):
        raise Broken("a frame is not JSON") from None


FAILURES = (Broken, Ended, Resumable, NoUpgrade, B2BError, httpx.TransportError, OSError, asyncio.TimeoutError, TimeoutError)
"""What can go wrong with a connection. Other exceptions are mistakes of a program."""
