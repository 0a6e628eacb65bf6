"""Errors as texts for a model: nothing is raised into its loop."""

import logging

import httpx

from .._error import B2BError
from ._page import clean

_log = logging.getLogger("b2b_protocol")


class Wrong(Exception):
    """Arguments that do not fit."""


def text_of(error: Exception, what: str) -> str:
    """Returns a line about what went wrong: the stable code, what it was, what to do."""
    match error:
        case B2BError():
            line = f"{error.code or 'UNKNOWN'}: {error.message}"
            line += f". {error.hint}" if error.hint else ""
            line += f" (retry after {error.retry_after:g} s)" if error.retry_after else ""
        case Wrong():
            line = f"VALIDATION_ERROR: {error}"
        case httpx.TransportError() | OSError():
            line = "UNREACHABLE: the server was not reached. It may be down; try again later."
        case _:  # a value that cannot be sent, or a mistake of this package
            _log.error("%s failed", what, exc_info=error)
            line = f"INTERNAL: {what} failed ({type(error).__name__})"
    return " ".join(clean(line).split())
