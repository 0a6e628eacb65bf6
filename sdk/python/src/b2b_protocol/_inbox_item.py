"""A delivery in the hands of a program (B2B-SDK-042 to B2B-SDK-045)."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack

from ._feed import BASE, CAP
from .gen.rest import types
from .gen.rest.errors import LeaseLost
from .gen.rest.operations import AsyncRest
from .retry import full_jitter

if TYPE_CHECKING:
    from .client import ThreadMessageFields

T = TypeVar("T")

WaitsFor = Literal["human", "bot"]

Reply = types.SendDirectMessageResponse | types.ThreadMessage
"""What a reply to a delivery returns."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """What items need of the worker that has them."""

    calls: AsyncRest
    """Makes calls again that failed."""
    lease_seconds: int
    chance: Callable[[], float]
    over: Callable[["AsyncInboxItem"], object]
    """An item is answered or lost."""
    report: Callable[[Exception, "AsyncInboxItem"], object]


class About:
    """What an item says of its delivery."""

    def __init__(self, delivery: types.Delivery) -> None:
        self.id = delivery["id"]
        self.kind = delivery["kind"]
        """Why it is addressed to the bot."""
        self.attempt = delivery["attempt"]
        """How often it was handed out."""
        self.thread_id = delivery.get("thread_id")
        """The thread of the event."""
        self.channel_id = delivery.get("channel_id")
        """The channel of the event."""
        self.created_at = delivery["created_at"]
        """When the event happened, in Unix milliseconds."""
        self.event = delivery.get("event")
        """The event; None if it is no longer in the log, or if the token may not receive it."""
        self.context = delivery.get("context")
        """What is needed to act on it, with the option context."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r}, kind={self.kind!r}, attempt={self.attempt})"


class AsyncInboxItem(About):
    """A delivery that was handed out. Its lease is extended until it is answered or lost."""

    def __init__(self, keeper: Keeper, delivery: types.Delivery, earlier: bool) -> None:
        super().__init__(delivery)
        self.signal = asyncio.Event()
        """Is set when the delivery is lost, or the worker stops."""
        self._keeper, self._delivery = keeper, delivery
        self._also: threading.Event | None = None
        """Is set with the signal."""
        self._lease = delivery.get("lease", "")
        self._calls = asyncio.Lock()
        """Calls follow each other, so that a lease is not extended after its delivery was put aside."""
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._answered = self._taken = False
        self._loss: LeaseLost | None = None
        self._keep(keeper.lease_seconds, self._loop.time())
        if earlier:  # the lease began at an unknown time before
            self._later(0, 0)

    @property
    def lost(self) -> bool:
        """Whether its lease has ended: it must not be acted on any more, since another worker does."""
        return self._loss is not None

    @property
    def settles(self) -> types.SettlesInput:
        """The field settles of a message, of an artifact or of a change of a thread.

        The change and the settling both happen, or neither.
        """
        self._taken = True
        return {"delivery_id": self.id, "lease": self._lease}

    async def reply(self, content: str | None = None, **fields: Unpack["ThreadMessageFields"]) -> Reply:
        """Answers where the event happened, in a thread as a reply to its message, and settles the delivery.

        The fields are those of a message. The same reply again, e.g. after no response, is one message.
        """
        values: dict[str, Any] = {"request_id": self._lease, **fields, "settles": {"delivery_id": self.id, "lease": self._lease}}
        if content is not None:
            values["content"] = content
        return await self._answer(lambda: self._send(values))

    async def ack(self) -> None:
        """Settles the delivery without an answer."""
        await self._answer(lambda: self._keeper.calls.ack_delivery(self.id, lease=self._lease))

    async def nack(self, *, retry_in: int | None = None, reason: str | None = None, final: bool = False) -> None:
        """Gives the delivery back.

        It is handed out again after retry_in seconds, by default later with each attempt; with final not by itself.
        """
        await self._answer(lambda: self._nack({"retry_in_seconds": retry_in, "reason": reason, "final": final or None}))

    async def wait(self, on: WaitsFor, *, reason: str | None = None, resume_in: int | None = None) -> None:
        """Puts the delivery aside for a person or another bot.

        It is handed out again when something else in its thread or channel is addressed to the bot, or after
        resume_in seconds, by default a day.
        """
        fields: Any = _given({"on": on, "reason": reason, "resume_in_seconds": resume_in})
        await self._answer(lambda: self._keeper.calls.wait_delivery(self.id, lease=self._lease, **fields))

    async def progress(self, text: str) -> None:
        """Says what the program does, for others to read, and extends the lease."""
        seconds = self._keeper.lease_seconds

        async def progress() -> None:
            begun = self._loop.time()
            await self._keeper.calls.progress_delivery(self.id, lease=self._lease, text=text, lease_seconds=seconds)
            self._keep(seconds, begun)

        await self._call(progress)

    async def extend(self, seconds: int) -> None:
        """Sets a new end of the lease, in seconds from now on. It is extended anyway while the program has the item."""

        async def extend() -> None:
            begun = self._loop.time()
            await self._keeper.calls.extend_delivery(self.id, lease=self._lease, lease_seconds=seconds)
            self._keep(seconds, begun)

        await self._call(extend)

    # What the worker does with it

    def _tell(self) -> None:
        """Sets the signal."""
        self.signal.set()
        if self._also is not None:
            self._also.set()

    async def _finish(self, back: Mapping[str, object] | None = None) -> None:
        """Answers for the program if it has not: gives the delivery back, or settles it."""

        async def settle() -> None:
            if self._answered:
                return
            if back is None:
                await self._keeper.calls.ack_delivery(self.id, lease=self._lease)
            else:
                await self._nack(back)

        try:
            await self._call(settle)
        except Exception as error:
            if not self._answered:
                self._keeper.report(error, self)  # the lease ends by itself
        finally:
            self._over()

    # The calls

    async def _call(self, make: Callable[[], Awaitable[T]]) -> T:
        async with self._calls:
            if self._loss is not None:
                raise self._loss
            try:
                return await make()
            except LeaseLost as error:
                if self._taken and not self._answered:
                    self._over()  # a call of the program may have settled it
                elif not self._answered:
                    self._lose(error)
                raise

    async def _answer(self, make: Callable[[], Awaitable[T]]) -> T:
        async def answer() -> T:
            result = await make()
            self._over()
            return result

        return await self._call(answer)

    async def _nack(self, fields: Mapping[str, object]) -> None:
        values: Any = _given(fields)
        await self._keeper.calls.nack_delivery(self.id, lease=self._lease, **values)

    async def _send(self, fields: dict[str, Any]) -> Reply:
        calls, event = self._keeper.calls, self.event
        if self.thread_id is not None:
            if event is not None and event["type"] == "thread_message":
                fields = {"reply_to": event["message"]["id"], **fields}
            return await calls.send_thread_message(self.thread_id, **fields)
        if self.channel_id is None:
            raise ValueError(f"a delivery of the kind {self.kind} has no thread and no channel: settle it with ack")
        if event is not None and event["type"] == "message":
            return await calls.send_direct_message(to=event["message"]["sender_id"], **fields)
        own = (await calls.get_me())["id"]
        members = (await calls.get_channel(self.channel_id))["members"]
        other = next((member["id"] for member in members if member["id"] != own), own)
        return await calls.send_direct_message(to=other, **fields)

    # The lease

    def _keep(self, seconds: float, begun: float) -> None:
        """The lease lasts for so long from some time on, and is extended when a third of that has passed from now on."""
        self._answered = False  # what was put aside is taken up again
        self._ends = begun + seconds
        self._later(seconds / 3, 0)

    def _later(self, seconds: float, failures: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._begin, failures)

    def _begin(self, failures: int) -> None:
        self._renewing = asyncio.create_task(self._renew(failures))

    async def _renew(self, failures: int) -> None:
        left, seconds = self._ends - self._loop.time(), self._keeper.lease_seconds
        if left <= 0:
            self._lose(LeaseLost("the lease of the delivery could not be extended in time", status=0, code="LEASE_LOST"))
            return

        async def extend() -> None:
            if not self._answered:
                begun, limit = self._loop.time(), min(left, seconds / 3)
                await self._keeper.calls.extend_delivery(self.id, lease=self._lease, lease_seconds=seconds, timeout=limit)
                self._keep(seconds, begun)

        try:
            await self._call(extend)
        except Exception:
            if not self._answered:
                pause = full_jitter(failures, BASE, CAP, self._keeper.chance())
                self._later(max(0.0, min(self._ends - self._loop.time(), pause)), failures + 1)

    def _over(self) -> None:
        self._answered = True
        if self._timer is not None:
            self._timer.cancel()
        task = self._renewing
        if task is not None and task is not asyncio.current_task():
            task.cancel()
        self._keeper.over(self)

    def _lose(self, error: LeaseLost) -> None:
        self._over()
        self._loss = error
        self._tell()
        self._keeper.report(error, self)


def _given(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}
