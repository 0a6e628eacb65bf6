"""Responses that are limited in size (B2B-SDK-039)."""

import httpx

from ._error import ResponseTooLarge

MOST = 64 << 20
"""The largest response in bytes, unless the caller sets another limit."""


def known_size(response: httpx.Response, most: int) -> bool:
    """Reports whether the headers say that the body is within the limit."""
    length = response.headers.get("Content-Length", "")
    return "Content-Encoding" not in response.headers and length.isdigit() and int(length) <= most


class Body:
    """Collects the body of a response up to a limit."""

    def __init__(self, response: httpx.Response, most: int) -> None:
        self._response, self._most, self._size = response, most, 0
        self._pieces: list[bytes] = []

    def add(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._most:
            message = f"the response has more than {self._most} bytes: set max_response_bytes"
            raise ResponseTooLarge(message, status=self._response.status_code, code="RESPONSE_TOO_LARGE")
        self._pieces.append(piece)

    def response(self) -> httpx.Response:
        """Returns the response with its body, which is not compressed any more."""
        given = self._response
        headers = [(k, v) for k, v in given.headers.multi_items() if k not in ("content-encoding", "content-length", "transfer-encoding")]
        return httpx.Response(
            given.status_code,
            headers=headers,
            content=b"".join(self._pieces),
            request=given.request,
            extensions=given.extensions,
            history=given.history,
        )
