"""How the generated iterators read lists that come in pages."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast
from urllib.parse import parse_qs, parse_qsl, urlencode

import httpx

from .transport import Request


class Pages:
    """The pages of a list, one at a time.

    request is that of the next page, None after the last one. by is the parameter of the query that
    the next page has: a page token, or offset. key is the key of the entries in a page that is an
    object. newest_first: a page that is an array has the oldest entry first; it is reversed, and the
    next page is what is older than its last entry. Pages with a token do not apply the parameter
    since, so the list ends at the first entry that is as old.
    """

    def __init__(self, request: Request, by: str, key: str, newest_first: bool) -> None:
        self.request: Request | None = request
        self._by, self._key, self._newest_first = by, key, newest_first
        self._path, _, query = request.path.partition("?")
        self._query = dict(parse_qsl(query, keep_blank_values=True))
        self._since = float(self._query.get("since", "-inf")) if newest_first else float("-inf")
        self._link = ""

    def on_response(self, response: httpx.Response) -> None:
        self._link = response.headers.get("Link", "")

    def read(self, page: Any) -> Iterator[Any]:
        """Returns the entries of a page, and then sets the request of the next one."""
        request, self.request = cast("Request", self.request), None
        bare = isinstance(page, list)
        entries: list[Any] = page if bare else page[self._key]
        if reverse := bare and self._newest_first:
            entries = entries[::-1]
        for entry in entries:
            if self._newest_first and entry["created_at"] <= self._since:
                return
            yield entry
        older = entries[-1]["id"] if reverse and entries else None
        token = older if reverse else self._token({} if bare else page, len(entries))
        if token is not None and token != self._query.get(self._by):
            self._query[self._by] = token
            self.request = replace(request, path=f"{self._path}?{urlencode(self._query)}")

    def _token(self, page: dict[str, Any], count: int) -> str | None:
        if page.get("has_more") is False:
            return None
        if self._by == "offset":
            return str(int(self._query.get("offset", "0")) + count) if count > 0 and "has_more" in page else None
        token: str | None = page.get("next_cursor", page.get("cursor"))
        if token is None and (linked := re.search(r'<[^>?]*\?([^>]*)>; *rel="?next', self._link)):
            token = parse_qs(linked[1], keep_blank_values=True).get(self._by, [None])[0]
        return token
