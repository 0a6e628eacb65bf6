"""Requests over HTTP."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self

import httpx

from ._body import MOST, Body, known_size
from ._http import authorization, base_of, check_header, limit_of, unreached

DEFAULT_TIMEOUT = 30.0
"""The number of seconds that a transport waits for the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form with a file."""

    texts: Mapping[str, str]
    file: bytes | BinaryIO = field(repr=False)
    name: str
    mime_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request of an operation. Its repr has no headers and no body, which can have secrets."""

    method: str
    path: str
    """The path with the query, from "/" on. It is appended to the base URL of the server."""
    headers: Mapping[str, str] = field(repr=False)
    content: bytes | None = field(default=None, repr=False)
    form: Form | None = field(default=None, repr=False)
    request_id: str | None = None
    """That of a change. The server makes the change once for all requests with it."""
    stream: bool = False
    """The response is a stream: the transport returns it open, before its body is read."""
    timeout: float | None = None
    """Seconds; None: those of the transport; 0 or infinity: no limit."""
    wait: float = 0
    """Seconds that the server may wait before it responds. They are added to those of the transport."""

    def seconds(self, usual: float) -> float:
        """Returns the timeout; usual is that of the transport."""
        if self.timeout is not None:
            return self.timeout
        return usual and usual + self.wait


class Transport(Protocol):
    """Sends a request and returns the response of the server with any status.

    Operations turn error responses into exceptions. Wrap a transport to retry, to log, or to
    test without a server. If a transport has a method new_request_id() -> str, changes without a
    request_id of the caller get one from it, so that they can be repeated.
    """

    def __call__(self, request: Request, /) -> httpx.Response: ...


class AsyncTransport(Protocol):
    """A Transport for asyncio."""

    def __call__(self, request: Request, /) -> Awaitable[httpx.Response]: ...


class _Http:
    """What both HTTP transports share."""

    def __init__(self, url: str, token: str | None, org_id: str | None, timeout: float, most: int) -> None:
        self._url = base_of(url)
        self._timeout, self._most = timeout, most
        limit_of(timeout)
        self._headers: dict[str, str] = {}
        if token is not None:
            self._headers["Authorization"] = authorization(token)
        if org_id:
            self._headers["X-Org-Id"] = org_id

    def _build(self, client: httpx.Client | httpx.AsyncClient, request: Request) -> httpx.Request:
        seconds = request.seconds(self._timeout)
        about: dict[str, Any] = {}
        if request.form is not None:
            about["data"] = dict(request.form.texts)
            about["files"] = {"file": (request.form.name, request.form.file, request.form.mime_type)}
        elif request.content is not None:
            about["content"] = request.content
        headers = {**self._headers, **request.headers}
        for name, value in headers.items():
            check_header(name, value)
        return client.build_request(request.method, self._url + request.path, headers=headers, timeout=limit_of(seconds), **about)


def _no_cookies() -> CookieJar:
    """Returns a jar that keeps nothing: a login must not change who later calls come from."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


class HttpTransport(_Http):
    """Sends requests with httpx. It is safe to use from several threads.

    url is the base URL of the server; it may have a path, and nothing after it. token is the primary or a scoped
    token of a bot. org_id is the org that the caller expects to act in. timeout is the number
    of seconds to wait for the server at a time; 0 means no limit. Without a client, proxies of
    the environment are used and no redirect is followed. With a client, its settings apply, and
    it stays open. max_response_bytes is how large a response may be after decompression; more is ResponseTooLarge.
    The bodies of streams and downloads are not counted. Exceptions of httpx say that the server was not reached in time.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        org_id: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        max_response_bytes: int = MOST,
        client: httpx.Client | None = None,
    ) -> None:
        super().__init__(url, token, org_id, timeout, max_response_bytes)
        self._own = client is None
        self._client = client or httpx.Client(cookies=_no_cookies())

    def __call__(self, request: Request, /) -> httpx.Response:
        try:
            response = self._client.send(self._build(self._client, request), stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise unreached(error) from error
        if request.stream and response.is_success:
            return response
        try:
            if known_size(response, self._most):
                response.read()
                return response
            body = Body(response, self._most)
            for piece in response.iter_bytes():
                body.add(piece)
            return body.response()
        finally:
            response.close()

    def close(self) -> None:
        """Closes the connections."""
        if self._own:
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class AsyncHttpTransport(_Http):
    """The same as HttpTransport for asyncio. One transport is for one event loop."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        org_id: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        max_response_bytes: int = MOST,
        client: httpx.AsyncClient | None = None,
    ) -> None:
        super().__init__(url, token, org_id, timeout, max_response_bytes)
        self._own = client is None
        self._client = client or httpx.AsyncClient(cookies=_no_cookies())

    async def __call__(self, request: Request, /) -> httpx.Response:
        try:
            response = await self._client.send(self._build(self._client, request), stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise unreached(error) from error
        if request.stream and response.is_success:
            return response
        try:
            if known_size(response, self._most):
                await response.aread()
                return response
            body = Body(response, self._most)
            async for piece in response.aiter_bytes():
                body.add(piece)
            return body.response()
        finally:
            await response.aclose()

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._own:
            await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()
