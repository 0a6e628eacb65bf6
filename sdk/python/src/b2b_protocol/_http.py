"""What every client checks before it sends. No error quotes a value, which can be a secret."""

import re

import httpx

_LONGEST = 2_000_000.0
"""Seconds; some systems cannot wait longer than 24 days."""


def base_of(url: str) -> str:
    """Returns the base URL without slashes at its end."""
    if not isinstance(url, str):
        raise TypeError(f"the URL must be a text such as http://localhost:4800, not {type(url).__name__}")
    url = url.strip()
    try:
        base = httpx.URL(url)
        wrong: object = base.scheme not in ("http", "https") or not base.host or base.userinfo or base.query or base.fragment
        wrong = wrong or len(url.split()) > 1 or (base.port or 0) > 65_535
    except httpx.InvalidURL:
        wrong = True
    if wrong:
        raise ValueError("the URL must begin with http:// or https:// and have no user, query or fragment: for example http://localhost:4800") from None
    return url.rstrip("/?#")


def authorization(token: str) -> str:
    """Returns the header Authorization for a token."""
    if not isinstance(token, str):
        raise TypeError(f"the token must be a text, not {type(token).__name__}")
    if not re.fullmatch("[!-~]+", token):
        raise ValueError("the token is empty, or has a character that no token has, e.g. a line break at its end")
    return f"Bearer {token}"


def check_header(name: str, value: str) -> None:
    """Refuses what a header cannot have."""
    if not re.fullmatch(r"(?:[!-~](?:[\t -~]*[!-~])?)?", value):
        raise ValueError(f"the header {name} has a character that headers cannot have, or a space at its end")


def unreached(error: httpx.ConnectError | httpx.ConnectTimeout) -> httpx.ConnectError | httpx.ConnectTimeout:
    """Returns the same error with where the server was not reached, and what to look at."""
    at = error.request.url
    why = str(error) or type(error).__name__
    text = f"no connection to {at.scheme}://{at.netloc.decode()}: {why}. Is the server running, and is this its address?"
    return type(error)(text, request=error.request)


def limit_of(timeout: float) -> float | None:
    """Returns the timeout for httpx, None for no limit."""
    if not timeout >= 0:
        raise ValueError(f"the timeout cannot be {timeout}: give seconds, or 0 for no limit")
    return timeout if 0 < timeout < _LONGEST else None
