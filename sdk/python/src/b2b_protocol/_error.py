"""The base class of all errors of the server."""

from typing import Any


class B2BError(Exception):
    """An error response of the server. Each code of the catalogue has a class of its own."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str = "",
        hint: str | None = None,
        retry_after: float | None = None,
        retryable: bool = False,
        body: Any = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        """The HTTP status."""
        self.code = code
        """The stable code, e.g. "RATE_LIMITED"; empty if the response is not one of this protocol."""
        self.hint = hint
        """What to do, as text."""
        self.retry_after = retry_after
        """The number of seconds to wait before a retry."""
        self.retryable = retryable
        """Whether the same call can succeed later without being changed."""
        self.body = body
        """The body of the response: its JSON, with the further keys of some codes, or its text."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _copy, (type(self), self.message, self.__dict__)


class ResponseTooLarge(B2BError):
    """A response is larger than the client reads, see max_response_bytes."""


def _copy(kind: type[B2BError], message: str, details: dict[str, Any]) -> B2BError:
    error = kind(message, status=0)
    error.__dict__.update(details)
    return error
