"""The loop: it takes what is addressed to the bot, has an agent answer, and sends the answer, which settles it.

It is what `b2b run` does, for an agent in the same program.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict, Unpack

from .._error import B2BError
from ..client import AsyncClient
from ..errors import DecisionClosed
from ..gen.rest import types
from ..inbox import AsyncInboxItem, OnInboxError, _log_error
from ._prompt import prompt_of

SKIP = "[SKIP]"
"""An answer in a thread that is none."""
_LONGEST = 65_536
"""How many UTF-16 code units a message has at most."""
_PREVIEW = 2_000
"""How many characters of a longer answer are in the message; a file has all."""
_FILES = uuid.UUID("5b1c3f0e-8f5e-5d0a-9c55-2a6f1d6f7c9e")
"""The namespace of the request ids of files with long answers."""

_FOR_GOOD = {
    "VALIDATION_ERROR", "NOT_FOUND", "FORBIDDEN", "INSUFFICIENT_SCOPE", "WRITE_PERMISSION_DENIED", "DM_SEND_BLOCKED",
    "JOIN_REQUIRED", "NOT_ASKED", "THREAD_CLOSED", "THREAD_TERMINAL", "PAYLOAD_TOO_LARGE", "FILE_TOO_LARGE",
}  # fmt: skip
"""The codes with which the server would refuse the same answer again."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What an agent is to answer."""

    prompt: str
    """What happened and what led to it, as a text for a model."""
    session: str
    """The key of the conversation: one for each thread or channel of the bot."""
    item: AsyncInboxItem
    """The delivery, e.g. to tell others of progress. It is settled with the answer."""


Answer = Callable[[Turn], Awaitable[str | None]]
"""Returns the final answer of an agent; None or an empty text: it says nothing."""


class RunFields(TypedDict):
    """How the loop works."""

    concurrency: NotRequired[int]
    """How many turns are taken at the same time, each of another thread or channel; 1 by default."""
    lease_seconds: NotRequired[int]
    """How soon another worker takes up what this one had if it dies; 60 by default."""
    timeout: NotRequired[float]
    """Seconds after which a turn has failed; 900 by default."""
    kinds: NotRequired[list[types.DeliveryKind] | None]
    """Only deliveries of these kinds."""
    thread_id: NotRequired[str | None]
    """Only deliveries of this thread."""
    on_error: NotRequired[OnInboxError]
    """Is called with what goes wrong: the exception of an agent, with the delivery, or of a claim, with None. By default,
    it logs."""


async def run(client: AsyncClient, answer: Answer, **options: Unpack[RunFields]) -> None:
    """Has every delivery of the inbox answered, until it is cancelled, the client is closed or its token is refused.

    The answer of the agent is the reply, with which the delivery is settled. If the agent fails, the delivery is given
    back, with a reason that others can read: it names the type of the exception, and nothing of its text.
    """
    if unknown := options.keys() - RunFields.__optional_keys__:
        raise TypeError(f"the loop has no option {min(unknown)}: it has {', '.join(sorted(RunFields.__optional_keys__))}")
    own: Any = {name: value for name, value in options.items() if name not in ("concurrency", "timeout")}
    loop = _Loop(client, answer, await client.get_me(), options.get("timeout", 900.0), options.get("on_error", _log_error))
    async with client.inbox(context=True, **own) as inbox:
        await inbox.run(loop.handle, concurrency=options.get("concurrency", 1))


class _Failed(Exception):
    """An agent did not answer. The text is for others."""


class _Loop:
    def __init__(self, client: AsyncClient, answer: Answer, me: types.Bot, timeout: float, on_error: OnInboxError) -> None:
        self._client, self._answer, self._me = client, answer, me
        self._timeout, self._on_error = timeout, on_error

    async def handle(self, item: AsyncInboxItem) -> None:
        turn = Turn(prompt_of(item, self._me["name"]), f"{self._me['id']}.{item.thread_id or item.channel_id or 'inbox'}", item)
        try:
            text = await self._ask(turn)
        except _Failed as failure:
            if not item.lost:
                await item.nack(reason=str(failure))
            if isinstance(failure.__cause__, Exception):
                self._on_error(failure.__cause__, item)
            return
        if item.lost:
            return  # another worker does it
        try:
            await self._respond(item, text or "")
        except Exception as error:
            if item.lost:
                return
            code = error.code if isinstance(error, B2BError) else ""
            if code == "LEASE_LOST":
                return
            if code in _FOR_GOOD:
                await item.nack(reason=f"the reply was not accepted: {code}", final=True)
            else:
                await item.nack(reason="the reply could not be sent")
            self._on_error(error, item)

    async def _ask(self, turn: Turn) -> str | None:
        """Asks the agent, which is cancelled when the delivery is lost or time is up."""
        asking = asyncio.ensure_future(self._answer(turn))
        signal = asyncio.create_task(turn.item.signal.wait())
        try:
            async with asyncio.timeout(self._timeout):
                await asyncio.wait((asking, signal), return_when=asyncio.FIRST_COMPLETED)
                if not turn.item.lost:  # otherwise the worker stops, and waits for the answer
                    await asyncio.wait((asking,))
        except TimeoutError as error:
            raise _Failed(f"the agent took longer than {self._timeout:g} seconds") from error
        finally:
            asking.cancel()
            signal.cancel()
            await asyncio.gather(asking, signal, return_exceptions=True)
        if asking.cancelled():
            raise _Failed("the agent was cancelled")
        failure = asking.exception()
        if failure is None:
            return asking.result()
        if not isinstance(failure, Exception):
            raise failure
        raise _Failed(f"the agent failed ({type(failure).__name__})") from failure

    async def _respond(self, item: AsyncInboxItem, text: str) -> None:
        """Sends the answer and settles the delivery."""
        text = text.replace("\0", "").rstrip()
        if not text.strip() or (item.thread_id and text.strip().upper() == SKIP) or not (item.thread_id or item.channel_id):
            await item.ack()
            return
        event = item.event
        if item.kind == "decision" and event is not None and event["type"] == "decision_asked":
            with suppress(DecisionClosed):  # somebody else was first, or this answer was sent before
                await self._client.answer_decision(event["decision"]["id"], answer=text.strip(), request_id=item._lease)
            await item.ack()
        elif _size(text) <= _LONGEST:
            await item.reply(text)
        else:
            data, name = text.encode("utf-8", "replace"), "reply.txt"
            request = str(uuid.uuid5(_FILES, item._lease))
            file = await self._client.upload_file(data, name=name, mime_type="text/plain", request_id=request)
            part: types.FilePart = {"type": "file", "url": file["url"], "name": name, "mime_type": "text/plain", "size": len(data)}
            await item.reply(f"{text[:_PREVIEW]} …\n\n(The file {name} has all of it.)", parts=[part])


def _size(text: str) -> int:
    """Returns the number of UTF-16 code units of a text."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
