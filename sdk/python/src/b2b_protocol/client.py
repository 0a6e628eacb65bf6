"""Client and AsyncClient: every operation of a server, retries, and listeners."""

import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NotRequired, Self, TypeAlias, TypedDict, Unpack, cast

import httpx

from ._body import MOST as MOST_OF_RESPONSE
from ._connections import HttpNetwork, has_websockets
from ._download import MOST, Sink, file_id
from ._feed import Feed, Kind, Options
from ._http import base_of
from .gen.rest import types
from .gen.rest.operations import AsyncRest, Rest
from .inbox import AsyncInbox, Inbox, InboxOptions, OnInboxError
from .listen import HANDLER_RETRIES, AsyncListener, Commit, Listener, OnError, Received, _log_error
from .positions import AsyncPositionStore, PositionStore
from .retry import AsyncRetryTransport, Retry, RetryTransport
from .transport import DEFAULT_TIMEOUT, AsyncHttpTransport, AsyncTransport, HttpTransport, Transport, _no_cookies

_RETRY = Retry()

Answerable: TypeAlias = types.MessageEvent | types.ThreadMessageEvent | types.ChannelMessage | types.ThreadMessage
"""What can be replied to: a message, or the event of one."""


class CallOptions(TypedDict):
    """The parameters that every call has."""

    timeout: NotRequired[float | None]
    headers: NotRequired[Mapping[str, str] | None]
    on_response: NotRequired[Callable[[httpx.Response], object] | None]


class MessageFields(CallOptions):
    """The fields of a message beside its content."""

    content_type: NotRequired[str | None]
    parts: NotRequired[list[types.Part]]
    automatic: NotRequired[bool | None]
    no_reply: NotRequired[bool | None]
    receipts: NotRequired[bool | None]
    ack_by: NotRequired[int | None]
    escalate_to: NotRequired[str | None]
    settles: NotRequired[types.SettlesInput]
    request_id: NotRequired[str | None]


class ThreadMessageFields(MessageFields):
    """The fields of a thread message beside its content."""

    metadata: NotRequired[object]
    reply_to: NotRequired[str | None]


class RunFields(TypedDict):
    """How a listener starts, connects and keeps its position."""

    position: NotRequired[str | None]
    """Start after this position. Without it, after that of the store; without one there, at the present."""

    store: NotRequired[PositionStore | AsyncPositionStore | None]
    """Where the position is kept. Without one, it is lost when the process ends."""

    key: NotRequired[str | None]
    """The key of the position in the store; by default the id of the bot."""

    transport: NotRequired[Kind]
    """websocket needs the extra of the same name. sse: server-sent events. auto (the default): a WebSocket if possible."""


class ListenFields(RunFields):
    """RunFields, and when an event counts as handled."""

    commit: NotRequired[Commit]
    """auto (the default): when the loop asks for the next one. manual: when commit is called."""


class InboxFields(TypedDict):
    """Which deliveries a worker claims, and how."""

    lease_seconds: NotRequired[int]
    """The length of a lease, 60 by default. It is extended after a third of that."""

    kinds: NotRequired[list[types.DeliveryKind] | None]
    """Only deliveries of these kinds."""

    thread_id: NotRequired[str | None]
    """Only deliveries of this thread."""

    context: NotRequired[bool]
    """Each with its thread, and what happened there since the bot last settled something."""

    unordered: NotRequired[bool]
    """Also several of one thread or channel at the same time."""

    backlog_seconds: NotRequired[int | None]
    """The first claim of the bot: how far back the inbox begins; a day by default."""

    on_error: NotRequired[OnInboxError]
    """Is called with what goes wrong and does not end the worker: an exception of a handler, an answer that failed, a
    lease that was lost, each with the item; a claim that failed, with None. By default, it logs."""


def _inbox_options(fields: InboxFields) -> InboxOptions:
    known = InboxFields.__required_keys__ | InboxFields.__optional_keys__
    if unknown := sorted(fields.keys() - known):
        raise TypeError(f"a worker has no option {unknown[0]}: it has {', '.join(sorted(known))}")
    own: Any = {name: value for name, value in fields.items() if name in ("lease_seconds", "on_error")}
    claim = {name: value for name, value in fields.items() if name not in own and value not in (None, False)}
    return InboxOptions(**own, claim=claim)


def _options(fields: ListenFields) -> Options:
    known = ListenFields.__required_keys__ | ListenFields.__optional_keys__
    if unknown := sorted(fields.keys() - known):
        raise TypeError(f"a listener has no option {unknown[0]}: it has {', '.join(sorted(known))}")
    kind = fields.get("transport", "auto")
    if kind not in ("auto", "websocket", "sse"):
        raise ValueError('transport must be "auto", "websocket" or "sse"')
    if kind == "websocket" and not has_websockets():
        raise ValueError("WebSockets need the extra: pip install 'b2b-protocol[websocket]', or choose the transport sse")
    return Options(position=fields.get("position"), key=fields.get("key"), store=fields.get("store"), transport=kind)


def _with_content(content: str | None, fields: Mapping[str, object]) -> Any:
    return dict(fields) if content is None else {"content": content, **fields}


def _message_of(answered: Answerable) -> dict[str, Any]:
    """Returns the message that is answered. That of an event in a thread has the id of the thread, too."""
    inner = answered.get("message")
    message = cast("dict[str, Any]", answered if inner is None else inner)
    if "thread_id" not in message and "channel_id" not in message:
        raise ValueError("only a message, or the event of one, can be answered")
    return message


def _other_member(channel: types.ChannelWithMembers, own: str) -> str:
    for member in channel["members"]:
        if member["id"] != own:
            return member["id"]
    raise ValueError("the channel has no other member")


class _Base:
    """What both clients share: their settings."""

    def __init__(
        self, url: str, token: str, org_id: str | None, proxy: str | None, ssl_context: ssl.SSLContext | None, timeout: float
    ) -> None:
        self._url, self._token, self._org_id = base_of(url), token, org_id
        self._proxy, self._ssl, self._seconds = proxy, ssl_context, timeout
        self._own_id: str | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._url!r})"

    def _settings(self) -> dict[str, Any]:
        return {"cookies": _no_cookies(), "proxy": self._proxy, "verify": self._ssl or True}

    def _network(self, transport: AsyncTransport) -> HttpNetwork:
        return HttpNetwork(AsyncRest(transport), self._url, proxy=self._proxy, ssl_context=self._ssl)

    @asynccontextmanager
    async def _feed(self, options: Options) -> AsyncIterator[Feed]:
        """Makes a feed with HTTP connections of its own, in the event loop of a listener's thread."""
        async with (
            httpx.AsyncClient(**self._settings()) as http,
            AsyncHttpTransport(self._url, self._token, org_id=self._org_id, client=http) as transport,
        ):
            yield Feed(self._network(transport), options)


class Client(_Base, Rest):
    """A client of a server, for one bot. It is safe to use from several threads.

    url is the base URL of the server, token the primary or a scoped token of a bot, org_id the org that the caller
    expects to act in. timeout is the number of seconds for a call with all its retries; 0 means no limit.
    retry says how often failed calls are sent again; None: never. proxy and ssl_context are for all connections;
    without them, those of the environment are used. client replaces the connections of calls, not those of listeners,
    and stays open. max_response_bytes is how large the response of a call may be; more is ResponseTooLarge.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        org_id: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        max_response_bytes: int = MOST_OF_RESPONSE,
        retry: Retry | None = _RETRY,
        proxy: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        client: httpx.Client | None = None,
    ) -> None:
        _Base.__init__(self, url, token, org_id, proxy, ssl_context, timeout)
        self._http = None if client is not None else httpx.Client(**self._settings())
        sender: Transport = HttpTransport(
            url, token, org_id=org_id, timeout=timeout, max_response_bytes=max_response_bytes, client=client or self._http
        )
        Rest.__init__(self, sender if retry is None else RetryTransport(sender, retry, timeout=timeout))
        self._listeners: set[Listener] = set()
        self._inboxes: set[Inbox] = set()
        self._retry, self._most = retry, max_response_bytes

    def send(self, to: str, content: str | None = None, **fields: Unpack[MessageFields]) -> types.SendDirectMessageResponse:
        """Sends a direct message to a bot, given by its id or exact name."""
        return self.send_direct_message(to=to, **_with_content(content, fields))

    def send_thread_message(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, thread_id: str, content: str | None = None, **fields: Unpack[ThreadMessageFields]
    ) -> types.ThreadMessage:
        """Sends a message to a thread."""
        return super().send_thread_message(thread_id, **_with_content(content, fields))

    def reply(
        self, to: Answerable, content: str | None = None, **fields: Unpack[MessageFields]
    ) -> types.SendDirectMessageResponse | types.ThreadMessage:
        """Answers a message where it was sent: in its thread as a reply to it, or else to the other bot of its channel."""
        message, values = _message_of(to), _with_content(content, fields)
        if "thread_id" in message:
            return self.send_thread_message(message["thread_id"], **{"reply_to": message["id"], **values})
        receiver = message["sender_id"]
        if receiver == self._me():
            receiver = _other_member(self.get_channel(message["channel_id"]), receiver)
        return self.send_direct_message(to=receiver, **values)

    def download(self, file: str, *, max_bytes: int = MOST, timeout: float | None = None) -> bytes:
        """Returns the bytes of a file, given by its id, or by the URL that messages and artifacts have."""
        sink = Sink(max_bytes)
        self._receive(file, sink, timeout)
        return sink.content()

    def download_to(self, file: str, path: str | os.PathLike[str], *, max_bytes: int = MOST, timeout: float | None = None) -> Path:
        """Writes a file to a path, which has all of it or is not changed, and returns the absolute path."""
        sink = Sink(max_bytes, path)
        try:
            self._receive(file, sink, timeout)
            return sink.end()
        finally:
            sink.discard()

    def _receive(self, file: str, sink: Sink, timeout: float | None) -> None:
        with self.get_file(file_id(self._url, file), timeout=timeout) as response:
            sink.begin(response)
            for piece in response.iter_bytes():
                sink.write(piece)

    def _me(self) -> str:
        if self._own_id is None:
            self._own_id = self.get_me()["id"]
        return self._own_id

    def listen(self, **fields: Unpack[ListenFields]) -> Listener:
        """Returns an iterator of the bot's events. It connects when it is first asked for one.

        It connects again whenever the connection ends, and continues after the last event. It
        ends when it is closed, or with a B2BError when the server does not accept the token any more.
        """
        options = _options(fields)
        return Listener(lambda: self._feed(options), fields.get("commit", "auto"), self._listeners)

    def run(
        self,
        handler: Callable[[Received], object],
        *,
        on_error: OnError = _log_error,
        handler_retries: int = HANDLER_RETRIES,
        **fields: Unpack[RunFields],
    ) -> None:
        """Calls the handler with each event of the bot, until the client is closed, as Listener.run describes."""
        self.listen(**fields).run(handler, on_error=on_error, handler_retries=handler_retries)

    def inbox(self, **fields: Unpack[InboxFields]) -> Inbox:
        """Returns a worker of the own inbox: an iterator of deliveries, which run hands to a handler.

        It claims when it is first asked for one. It ends when it is stopped or closed, or with a B2BError when the
        server does not accept the token any more. Its calls have connections of their own.
        """
        options = _inbox_options(fields)
        return Inbox(lambda: self._inbox(options), self._inboxes)

    @asynccontextmanager
    async def _inbox(self, options: InboxOptions) -> AsyncIterator[AsyncInbox]:
        async with self._twin() as client, client._inbox_of(options) as inbox:
            yield inbox

    def _twin(self) -> "AsyncClient":
        """Returns the same client for asyncio, in the event loop of a worker's thread."""
        return AsyncClient(
            self._url,
            self._token,
            org_id=self._org_id,
            timeout=self._seconds,
            max_response_bytes=self._most,
            retry=self._retry,
            proxy=self._proxy,
            ssl_context=self._ssl,
        )

    def close(self) -> None:
        """Closes the workers, the listeners and the connections."""
        for inbox in list(self._inboxes):
            inbox.close()
        for listener in list(self._listeners):
            listener.close()
        if self._http is not None:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class AsyncClient(_Base, AsyncRest):
    """The same as Client for asyncio. One client is for one event loop. client is for listeners over HTTP, too."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        org_id: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        max_response_bytes: int = MOST_OF_RESPONSE,
        retry: Retry | None = _RETRY,
        proxy: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        client: httpx.AsyncClient | None = None,
    ) -> None:
        _Base.__init__(self, url, token, org_id, proxy, ssl_context, timeout)
        self._http = None if client is not None else httpx.AsyncClient(**self._settings())
        self._sender = AsyncHttpTransport(
            url, token, org_id=org_id, timeout=timeout, max_response_bytes=max_response_bytes, client=client or self._http
        )
        AsyncRest.__init__(self, self._sender if retry is None else AsyncRetryTransport(self._sender, retry, timeout=timeout))
        self._listeners: set[AsyncListener] = set()
        self._inboxes: set[AsyncInbox] = set()

    async def send(self, to: str, content: str | None = None, **fields: Unpack[MessageFields]) -> types.SendDirectMessageResponse:
        """Sends a direct message to a bot, given by its id or exact name."""
        return await self.send_direct_message(to=to, **_with_content(content, fields))

    async def send_thread_message(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, thread_id: str, content: str | None = None, **fields: Unpack[ThreadMessageFields]
    ) -> types.ThreadMessage:
        """Sends a message to a thread."""
        return await super().send_thread_message(thread_id, **_with_content(content, fields))

    async def reply(
        self, to: Answerable, content: str | None = None, **fields: Unpack[MessageFields]
    ) -> types.SendDirectMessageResponse | types.ThreadMessage:
        """Answers a message where it was sent: in its thread as a reply to it, or else to the other bot of its channel."""
        message, values = _message_of(to), _with_content(content, fields)
        if "thread_id" in message:
            return await self.send_thread_message(message["thread_id"], **{"reply_to": message["id"], **values})
        receiver = message["sender_id"]
        if receiver == await self._me():
            receiver = _other_member(await self.get_channel(message["channel_id"]), receiver)
        return await self.send_direct_message(to=receiver, **values)

    async def download(self, file: str, *, max_bytes: int = MOST, timeout: float | None = None) -> bytes:
        """Returns the bytes of a file, given by its id, or by the URL that messages and artifacts have."""
        sink = Sink(max_bytes)
        await self._receive(file, sink, timeout)
        return sink.content()

    async def download_to(self, file: str, path: str | os.PathLike[str], *, max_bytes: int = MOST, timeout: float | None = None) -> Path:
        """Writes a file to a path, which has all of it or is not changed, and returns the absolute path."""
        sink = Sink(max_bytes, path)
        try:
            await self._receive(file, sink, timeout)
            return sink.end()
        finally:
            sink.discard()

    async def _receive(self, file: str, sink: Sink, timeout: float | None) -> None:
        async with self.get_file(file_id(self._url, file), timeout=timeout) as response:
            sink.begin(response)
            async for piece in response.aiter_bytes():
                sink.write(piece)

    async def _me(self) -> str:
        if self._own_id is None:
            self._own_id = (await self.get_me())["id"]
        return self._own_id

    def listen(self, **fields: Unpack[ListenFields]) -> AsyncListener:
        """Returns an asynchronous iterator of the bot's events. It connects when it is first asked for one.

        It connects again whenever the connection ends, and continues after the last event. It
        ends when it is closed, or with a B2BError when the server does not accept the token any more.
        """
        return AsyncListener(self._feed_of(_options(fields)), fields.get("commit", "auto"), self._listeners)

    def _feed_of(self, options: Options) -> Feed:
        return Feed(self._network(self._sender), options)

    async def run(
        self,
        handler: Callable[[Received], object],
        *,
        on_error: OnError = _log_error,
        handler_retries: int = HANDLER_RETRIES,
        **fields: Unpack[RunFields],
    ) -> None:
        """Calls the handler with each event of the bot, until the client is closed, as AsyncListener.run describes."""
        await self.listen(**fields).run(handler, on_error=on_error, handler_retries=handler_retries)

    def inbox(self, **fields: Unpack[InboxFields]) -> AsyncInbox:
        """Returns a worker of the own inbox: an asynchronous iterator of deliveries, which run hands to a handler.

        It claims when it is first asked for one. It ends when it is stopped or closed, or with a B2BError when the
        server does not accept the token any more.
        """
        return self._inbox_of(_inbox_options(fields))

    def _inbox_of(self, options: InboxOptions) -> AsyncInbox:
        return AsyncInbox(self, AsyncRest(self._sender), options, self._inboxes)

    async def aclose(self) -> None:
        """Closes the workers, the listeners and the connections."""
        for inbox in list(self._inboxes):
            await inbox.aclose()
        for listener in list(self._listeners):
            await listener.aclose()
        if self._http is not None:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()
