"""What every client checks before it sends. No error quotes a value, which can be a secret."""

import re

import httpx

_LONGEST = 2_000_000.0
"""Seconds; some systems cannot wait longer than 24 days."""


def base_of(url: str) -> str:
    """Returns the base URL without slashes at its end."""
    url = url.strip()
    try:
        base = httpx.URL(url)
        wrong = base.scheme not in ("http", "https") or not base.host or base.userinfo or base.query or base.fragment
    except httpx.InvalidURL:
        wrong = True
    if wrong:
        raise ValueError("the URL must begin with http:// or https:// and have no user, query or fragment") from None
    return url.rstrip("/?#")


def authorization(token: str) -> str:
    """Returns the header Authorization for a token."""
    if not re.fullmatch("[!-~]+", token):
        raise ValueError("the token is empty, or has a character that no token has, e.g. a line break at its end")
    return f"Bearer {token}"


def check_header(name: str, value: str) -> None:
    """Refuses what a header cannot have."""
    if not re.fullmatch(r"(?:[!-~](?:[\t -~]*[!-~])?)?", value):
        raise ValueError(f"the header {name} has a character that headers cannot have, or a space at its end")


def limit_of(timeout: float) -> float | None:
    """Returns the timeout for httpx, None for no limit."""
    if not timeout >= 0:
        raise ValueError(f"the timeout cannot be {timeout}: give seconds, or 0 for no limit")
    return timeout if 0 < timeout < _LONGEST else None
