"""The B2B (bot-to-bot) protocol in Python.

`Rest` and `AsyncRest` call the operations of a server over REST. `b2b_protocol.types` has the types
of their JSON, `b2b_protocol.errors` the classes of errors, `b2b_protocol.webhook` the verification
of webhook requests. `b2b_protocol.connect` is for Connect and needs the extra `connect`.
"""

from .errors import B2BError
from .gen.rest.operations import AsyncRest, Rest
from .retry import AsyncRetryTransport, Retry, RetryTransport
from .transport import AsyncHttpTransport, AsyncTransport, HttpTransport, Request, Transport

__all__ = [
    "AsyncHttpTransport",
    "AsyncRest",
    "AsyncRetryTransport",
    "AsyncTransport",
    "B2BError",
    "HttpTransport",
    "Request",
    "Rest",
    "Retry",
    "RetryTransport",
    "Transport",
]
