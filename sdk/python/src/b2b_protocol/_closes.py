"""What a client does when a subscription ends or is refused (B2B-SDK-020).

`sdk/testdata/closes.json`, which the server's table is written to, has the same rows: a test
compares them.
"""

from dataclasses import dataclass
from typing import Literal

from ._error import B2BError
from .gen.rest.errors import ERROR_CLASSES, RETRYABLE_CODES

Kind = Literal["reconnect", "backoff", "wait", "resync", "stop"]


@dataclass(frozen=True, slots=True)
class Action:
    """What to do next.

    reconnect: at once, from the position. backoff: after a random pause that grows. wait: after a long pause, since
    nothing is wrong with the connection. resync: report that events were missed, continue from the
    present. stop: end with the error of the code.
    """

    kind: Kind
    code: str = ""


BACKOFF, RECONNECT, WAIT, RESYNC = Action("backoff"), Action("reconnect"), Action("wait"), Action("resync")


def _stop(code: str) -> Action:
    return Action("stop", code)


CLOSES: dict[int, dict[str, Action]] = {
    4001: {
        "Invalid token": _stop("INVALID_TOKEN"),
        "Token expired": _stop("TOKEN_EXPIRED"),
        "Invalid ticket": _stop("SESSION_INVALID"),
        "": BACKOFF,
    },
    4002: {"Token revoked": _stop("INVALID_TOKEN"), "Token regenerated": _stop("INVALID_TOKEN"), "": _stop("AUTH_REQUIRED")},
    4003: {"": _stop("ORG_MISMATCH")},
    4008: {"": RECONNECT},
    4009: {"VALIDATION_ERROR": _stop("VALIDATION_ERROR"), "": RESYNC},
    4010: {"": WAIT},
    4100: {"": WAIT},
    4101: {"": _stop("ORG_DESTROYED")},
    4403: {"bot_pending_approval": WAIT, "bot_rejected": _stop("BOT_NOT_ACTIVE"), "": BACKOFF},
}
"""The actions by close code and reason; those of "" are for other reasons. Other codes: backoff."""

STREAM_ENDS: dict[str, Action] = {"FORBIDDEN": BACKOFF}
"""The actions by the code of the error that ends an open stream. Other codes: as for a refusal."""

REFUSALS: dict[str, Action] = {
    "CURSOR_AHEAD": RESYNC,
    "CURSOR_EXPIRED": RESYNC,
    "EPOCH_CHANGED": RESYNC,
    "ORG_INACTIVE": WAIT,
    "ORG_SUSPENDED": WAIT,
    "RATE_LIMITED": WAIT,
    "TOO_MANY_STREAMS": WAIT,
}
"""The actions by the code of an error. Other codes: backoff if the status is 5xx, else stop."""


def after_close(code: int, reason: str) -> Action:
    """Returns what to do after a close frame."""
    reasons = CLOSES.get(code, {})
    return reasons.get(reason) or reasons.get("", BACKOFF)


def after_refusal(error: B2BError) -> Action:
    """Returns what to do after an error response of a call that opens a subscription."""
    if error.code == "BOT_NOT_ACTIVE" and isinstance(error.body, dict) and error.body.get("join_status") == "pending":
        return WAIT
    if error.code in REFUSALS:
        return REFUSALS[error.code]
    if error.status >= 500 or (error.status == 429 and error.code not in ERROR_CLASSES):
        return BACKOFF
    return _stop(error.code)


def after_stream_end(error: B2BError) -> Action:
    """Returns what to do after an event `error` that ended an open stream."""
    action = STREAM_ENDS.get(error.code) or REFUSALS.get(error.code)
    if action is None and (error.code in RETRYABLE_CODES or error.code == "INTERNAL_ERROR" or error.code not in ERROR_CLASSES):
        return BACKOFF
    return action or _stop(error.code)


def error_of_code(code: str, message: str, status: int = 0) -> B2BError:
    """Returns the error of the catalogue with a code. The status is 0 since there was no response."""
    return ERROR_CLASSES.get(code, B2BError)(message, status=status, code=code)
