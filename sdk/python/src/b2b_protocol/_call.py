"""What the generated operations share: how they write requests and read responses."""

import io
import json
import math
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO, cast
from urllib.parse import quote, urlencode

import httpx

from ._error import B2BError
from ._pages import Pages
from .gen.rest.errors import ERROR_CLASSES, RETRYABLE_CODES
from .transport import AsyncTransport, Form, Request, Transport

OnResponse = Callable[[httpx.Response], object]


def path(form: str, *values: str) -> str:
    """Returns a path with encoded values. A value that would name another path is refused."""
    for value in values:
        if not isinstance(value, str) or value in ("", ".", ".."):
            raise ValueError(f"the path {form} cannot have {value!r}: give an id or a name")
    return form.format(*(quote(value, safe="") for value in values))


def query(method: str, path: str, fields: Mapping[str, object], in_headers: Mapping[str, str] | None = None) -> Request:
    """Returns a request that has its fields in the query, or in the headers that in_headers names."""
    headers, others = _split(fields, in_headers)
    values = [(name, ",".join(map(str, v)) if isinstance(v, list | tuple) else _word(name, v)) for name, v in others.items() if v is not None]
    return Request(method=method, path=f"{path}?{urlencode(values)}" if values else path, headers=headers, request_id=_id_of(fields))


def _word(name: str, value: object) -> str:
    """Returns a value as JSON writes it, without quotes. NaN and infinity are refused, as in a body."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} cannot be {value}")
    return str(value).lower() if isinstance(value, bool) else str(value)


def body(method: str, path: str, fields: Mapping[str, object], in_headers: Mapping[str, str] | None = None) -> Request:
    """Returns a request that has its fields in a JSON object."""
    headers, others = _split(fields, in_headers)
    content = json.dumps(others, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    return Request(
        method=method,
        path=path,
        headers={**headers, "Content-Type": "application/json"},
        content=content,
        request_id=_id_of(fields),
        wait=cast("float", fields.get("wait_seconds") or 0),
    )


def form(method: str, path: str, file: bytes | BinaryIO, fields: Mapping[str, object]) -> Request:
    """Returns a request with a form of a file. The headers of its part have its name and media type."""
    texts = {key: str(value) for key, value in fields.items() if value is not None}
    mime_type = texts.pop("mime_type", "text/plain")
    if not re.fullmatch("[ -~]+", mime_type):
        raise ValueError("the field mime_type has a character that a media type cannot have")
    if isinstance(file, bytearray | memoryview):
        file = bytes(file)
    if not isinstance(file, bytes) and (isinstance(file, io.TextIOBase) or not hasattr(file, "read")):
        raise TypeError(f"the file is a {type(file).__name__}: give bytes or a file that is open in binary mode")
    named = getattr(file, "name", None)
    name = texts.pop("name", os.path.basename(named) if isinstance(named, str) else None)
    if name is None:
        raise TypeError("the file has no name: give the argument name")
    data = file if isinstance(file, bytes) else _from_here(file)
    part = Form(texts=texts, file=data, name=name, mime_type=mime_type)
    return Request(method=method, path=path, headers={}, form=part, request_id=_id_of(fields))


def _id_of(fields: Mapping[str, object]) -> str | None:
    value = fields.get("request_id")
    return value if isinstance(value, str) and value else None


def _once(transport: object, fields: Mapping[str, object]) -> Mapping[str, object]:
    """Returns the fields with the request_id of the call: that of the caller, or else one of the transport."""
    new = getattr(transport, "new_request_id", None)
    return fields if new is None or _id_of(fields) else {**fields, "request_id": new()}


def _from_here(file: BinaryIO) -> BinaryIO:
    """Returns the rest of a file as a file of its own, since httpx reads files from their beginning."""
    try:
        return cast("BinaryIO", _Rest(file, file.tell()))
    except (AttributeError, OSError):  # it has no positions, e.g. a pipe
        return file


class _Rest:
    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file, self._start = file, start

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def tell(self) -> int:
        return self._file.tell() - self._start

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset + self._start if whence == os.SEEK_SET else offset, whence) - self._start


def _split(fields: Mapping[str, object], in_headers: Mapping[str, str] | None) -> tuple[dict[str, str], dict[str, object]]:
    """Returns the headers and the other fields."""
    values: dict[str, list[str]] = {}
    others: dict[str, object] = {}
    for name, value in fields.items():
        header = (in_headers or {}).get(name)
        if header is None:
            others[name] = value
        elif value is not None:
            each = value if isinstance(value, list | tuple) else [value]
            values.setdefault(header, []).extend(f'"{v}"' if header == "If-Match" else str(v) for v in each)
    return {header: ", ".join(texts) for header, texts in values.items() if texts}, others


def error_of(response: httpx.Response) -> B2BError:
    """Returns the error that a response is. Its body has been read."""
    body = _parsed(response)
    details = body if isinstance(body, dict) else {}
    code, message, hint = (v if isinstance(v, str) else None for v in (details.get("code"), details.get("error"), details.get("hint")))
    if message is None:
        message = f"the server responded with status {response.status_code}"
        if response.is_success:
            message = "the response is not JSON"
        elif "Location" in response.headers:
            message = "the response is a redirect: the URL is not that of the server"
    retryable = code in RETRYABLE_CODES if code in ERROR_CLASSES else response.status_code in (429, 502, 503, 504)
    wait = details.get("retry_after")
    wait = _seconds(wait) if isinstance(wait, int | float) else None
    return ERROR_CLASSES.get(code or "", B2BError)(
        message,
        status=response.status_code,
        code=code or "",
        hint=hint,
        retry_after=_seconds(response.headers.get("Retry-After")) if wait is None else wait,
        retryable=retryable,
        body=_text_of(response) if body is _NO_JSON else body,
    )


_NO_JSON = object()


def _parsed(response: httpx.Response) -> Any:
    try:
        return json.loads(response.content, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return _NO_JSON


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _text_of(response: httpx.Response) -> str:
    """Returns the body as text. It is UTF-8, whatever a header says: others can make httpx fail."""
    return response.content.decode("utf-8", "replace")


def _seconds(given: object) -> float | None:
    """Returns the seconds of a wait that a number, its text or an HTTP date gives; None for others."""
    text = str(given)
    try:
        if re.fullmatch("[0-9.]+", text):
            wait = float(text)
        elif text.endswith(" GMT"):
            wait = max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
        else:
            return None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return wait if math.isfinite(wait) else None


def _with(request: Request, timeout: float | None, headers: Mapping[str, str] | None, stream: bool = False) -> Request:
    return replace(request, headers={**request.headers, **(headers or {})}, timeout=timeout, stream=stream)


def _checked(response: httpx.Response, on_response: OnResponse | None, accepted: tuple[int, ...] = ()) -> httpx.Response:
    if not response.is_success and response.status_code not in accepted:
        raise error_of(response)
    if on_response is not None:
        on_response(response)
    return response


def _value(response: httpx.Response) -> Any:
    """Returns the JSON of a response. One with an accepted status is an error if its body is one."""
    value = _parsed(response)
    if value is _NO_JSON or (not response.is_success and isinstance(value, dict) and "code" in value):
        raise error_of(response)
    return value


class Caller:
    """Sends requests over a transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def _once(self, fields: Mapping[str, object]) -> Mapping[str, object]:
        return _once(self._transport, fields)

    def _send(
        self, request: Request, timeout: float | None, headers: Mapping[str, str] | None, on_response: OnResponse | None, *accepted: int
    ) -> httpx.Response:
        return _checked(self._transport(_with(request, timeout, headers)), on_response, accepted)

    def _json(
        self, request: Request, timeout: float | None, headers: Mapping[str, str] | None, on_response: OnResponse | None, *accepted: int
    ) -> Any:
        return _value(self._send(request, timeout, headers, on_response, *accepted))

    def _text(self, request: Request, timeout: float | None, headers: Mapping[str, str] | None, on_response: OnResponse | None) -> str:
        return _text_of(self._send(request, timeout, headers, on_response))

    def _none(self, request: Request, timeout: float | None, headers: Mapping[str, str] | None, on_response: OnResponse | None) -> None:
        self._send(request, timeout, headers, on_response)

    @contextmanager
    def _stream(
        self, request: Request, timeout: float | None, headers: Mapping[str, str] | None, on_response: OnResponse | None
    ) -> Iterator[httpx.Response]:
        response = self._transport(_with(request, timeout, headers, stream=True))
        try:
            if not response.is_success:
                response.read()
            yield _checked(response, on_response)
        finally:
            response.close()

    def _pages(
        self, request: Request, timeout: float | None, headers: Mapping[str, str] | None, by: str, key: str, newest_first: bool = False
    ) -> Iterator[Any]:
        pages = Pages(request, by, key, newest_first)
        while pages.request is not None:
            page = self._json(pages.request, timeout, headers, pages.on_response)
            yield from pages.read(page)


class AsyncCaller:
    """Sends requests over an asynchronous transport."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    def _once(self, fields: Mapping[str, object]) -> Mapping[str, object]:
        return _once(self._transport, fields)

    async def _send(
        self, request: Request, timeout: float | None, headers: Mapping[str, str] | None, on_response: OnResponse | None, *accepted: int
    ) -> httpx.Response:
        return _checked(await self._transport(_with(request, timeout, headers)), on_response, accepted)

    async def _json(
        self, request: Request, timeout: float | None, headers: Mapping[str, str] | None, on_response: OnResponse | None, *accepted: int
    ) -> Any:
        return _value(await self._send(request, timeout, headers, on_response, *accepted))

    async def _text(
        self, request: Request, timeout: float | None, headers: Mapping[str, str] | None, on_response: OnResponse | None
    ) -> str:
        return _text_of(await self._send(request, timeout, headers, on_response))

    async def _none(
        self, request: Request, timeout: float | None, headers: Mapping[str, str] | None, on_response: OnResponse | None
    ) -> None:
        await self._send(request, timeout, headers, on_response)

    @asynccontextmanager
    async def _stream(
        self, request: Request, timeout: float | None, headers: Mapping[str, str] | None, on_response: OnResponse | None
    ) -> AsyncIterator[httpx.Response]:
        response = await self._transport(_with(request, timeout, headers, stream=True))
        try:
            if not response.is_success:
                await response.aread()
            yield _checked(response, on_response)
        finally:
            await response.aclose()

    async def _pages(
        self, request: Request, timeout: float | None, headers: Mapping[str, str] | None, by: str, key: str, newest_first: bool = False
    ) -> AsyncIterator[Any]:
        pages = Pages(request, by, key, newest_first)
        while pages.request is not None:
            page = await self._json(pages.request, timeout, headers, pages.on_response)
            for entry in pages.read(page):
                yield entry
