"""The B2B (bot-to-bot) protocol in Python.

`Client` and `AsyncClient` call the operations of a server, retry what failed, listen to events, and
work through the inbox of the bot.
`Rest` and `AsyncRest` have the operations alone, over a transport of your own. `b2b_protocol.types`
has the types of their JSON, `b2b_protocol.errors` the classes of errors, `b2b_protocol.webhook` the
verification of webhook requests, `b2b_protocol.testing` servers for tests. `b2b_protocol.connect` is
for Connect and needs the extra `connect`.
"""

from .client import AsyncClient, Client
from .errors import B2BError
from .gen.rest.operations import AsyncRest, Rest
from .inbox import AsyncInbox, AsyncInboxItem, Inbox, InboxItem
from .listen import AsyncListener, Listener, Received, Resync
from .mentions import Mentions, parse_mentions
from .positions import AsyncPositionStore, FilePositionStore, MemoryPositionStore, PositionError, PositionStore
from .prompts import format_lifecycle_event, protocol_guide, status_guide
from .retry import AsyncRetryTransport, Retry, RetryTransport
from .thread_context import AsyncThreadContext, ContextOptions, Snapshot, ThreadContext, Trigger
from .transport import AsyncHttpTransport, AsyncTransport, HttpTransport, Request, Transport

__all__ = [
    "AsyncClient",
    "AsyncHttpTransport",
    "AsyncInbox",
    "AsyncInboxItem",
    "AsyncListener",
    "AsyncPositionStore",
    "AsyncRest",
    "AsyncRetryTransport",
    "AsyncThreadContext",
    "AsyncTransport",
    "B2BError",
    "Client",
    "ContextOptions",
    "FilePositionStore",
    "HttpTransport",
    "Inbox",
    "InboxItem",
    "Listener",
    "MemoryPositionStore",
    "Mentions",
    "PositionError",
    "PositionStore",
    "Received",
    "Request",
    "Rest",
    "Resync",
    "Retry",
    "RetryTransport",
    "Snapshot",
    "ThreadContext",
    "Transport",
    "Trigger",
    "format_lifecycle_event",
    "parse_mentions",
    "protocol_guide",
    "status_guide",
]
