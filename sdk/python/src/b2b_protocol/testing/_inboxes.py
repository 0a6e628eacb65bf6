"""The inboxes of a fake server."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Value = dict[str, Any]

_ATTEMPTS = 5
"""Handed out so often, a delivery is dead."""
_FIRST, _MOST = 1_000, 300_000
"""Milliseconds of the pause after the first attempt, and at most."""
_IN_CONTEXT = 50


@dataclass
class Delivery:
    index: int
    """That of its event in the log."""
    kind: str
    scope: str
    """The thread or channel."""
    state: str = "queued"
    attempt: int = 0
    due: int = 0
    """Leased: when the lease ends. Others: when it is ready."""
    lease: str | None = None
    by: str | None = None
    """The request_id of the claim."""
    progress: str | None = None
    waits_for: str | None = None
    reason: str | None = None

    def become(self, state: str, due: int, **about: str | None) -> None:
        """Changes the state, and forgets what was said of the one before."""
        self.state, self.due = state, due
        self.progress, self.waits_for, self.reason = about.get("progress"), about.get("waits_for"), about.get("reason")
        if state in ("queued", "failed", "dead"):
            self.lease = self.by = None


@dataclass
class _Inbox:
    at: int
    """How much of the log it has."""
    deliveries: list[Delivery] = field(default_factory=list[Delivery])
    settled: dict[str, int] = field(default_factory=dict[str, int])
    """The index of the event that was settled last, by thread or channel."""


class Logbook:
    """What inboxes need of the org: its log, its clock and its threads."""

    now: int
    changes: int
    """Counts what can make a delivery ready."""
    log: list[tuple[frozenset[str], Value]]
    times: list[int]
    """The times of the events in the log."""

    def new_id(self, kind: str) -> str:
        raise NotImplementedError

    def thread_for(self, bot: Value, thread_id: str) -> Value | None:
        """Returns a thread that a bot is in."""
        raise NotImplementedError


class Inboxes:
    """The inboxes of the bots of one org."""

    def __init__(self, org: Logbook, lost: Callable[[], Exception]) -> None:
        self._org, self._lost = org, lost
        self._all: dict[str, _Inbox] = {}

    def find(self, bot: Value, delivery_id: str, lease: str) -> Delivery:
        """Returns the delivery that a lease is for."""
        inbox = self._all.get(bot["id"])
        for delivery in inbox.deliveries if inbox else ():
            if str(delivery.index + 1) == delivery_id and delivery.lease is not None and delivery.lease == lease:
                return delivery
        raise self._lost()

    def settle(self, bot: Value, delivery: Delivery) -> None:
        inbox = self._all[bot["id"]]
        inbox.deliveries.remove(delivery)
        inbox.settled[delivery.scope] = max(delivery.index, inbox.settled.get(delivery.scope, -1))
        self._org.changes += 1

    def lapse(self) -> None:
        """Ends all leases, as if their workers were late."""
        for inbox in self._all.values():
            for delivery in inbox.deliveries:
                if delivery.state == "leased":
                    self._again(delivery, "the lease ended without an answer", None)
        self._org.changes += 1

    def answer(self, bot: Value, delivery_id: str, what: str, fields: Value) -> Value:
        delivery = self.find(bot, delivery_id, fields["lease"])
        self._org.changes += 1
        now, reason = self._org.now, fields.get("reason")
        if what == "ack":
            self.settle(bot, delivery)
            return {"settled": True}
        if what == "wait":
            delivery.attempt -= delivery.state == "leased"
            delivery.become("waiting", now + fields.get("resume_in_seconds", 86_400) * 1000, waits_for=fields["on"], reason=reason)
            return self._out(delivery)
        delivery.attempt += delivery.state == "waiting"
        if what == "nack":
            self._again(delivery, reason, fields.get("retry_in_seconds"))
            if fields.get("final"):
                delivery.become("failed", 0, reason=reason)
        else:
            progress = fields["text"] if what == "progress" else delivery.progress
            delivery.become("leased", now + fields.get("lease_seconds", 60) * 1000, progress=progress)
        return self._out(delivery)

    def _again(self, delivery: Delivery, reason: str | None, seconds: int | None) -> None:
        """Queues a delivery again, or makes it dead."""
        pause = min(_MOST, _FIRST * 2 ** (delivery.attempt - 1)) if seconds is None else seconds * 1000
        if delivery.attempt >= _ATTEMPTS:
            delivery.become("dead", 0, reason=reason)
        else:
            delivery.become("queued", self._org.now + pause, reason=reason)

    def claim(self, bot: Value, fields: Value) -> list[Value]:
        """Hands out what is ready. A claim that waits lets the time pass until something is, if that is soon enough."""
        org, request_id = self._org, fields.get("request_id")
        inbox = self._deliver(bot, fields.get("backlog_seconds", 86_400))
        taken = [one for one in inbox.deliveries if request_id is not None and one.by == request_id] or self._ready(inbox, fields)
        if not taken:
            due = min((one.due for one in inbox.deliveries if one.state in ("queued", "waiting") and one.due > org.now), default=None)
            if due is not None and due <= org.now + fields.get("wait_seconds", 0) * 1000:
                org.now = due
                return self.claim(bot, {**fields, "wait_seconds": 0})
        items: list[Value] = []
        for one in taken:
            if one.state != "leased":
                one.become("leased", org.now + fields.get("lease_seconds", 60) * 1000)
                one.attempt += 1
                one.lease, one.by = org.new_id("lease"), request_id
            event = {key: value for key, value in org.log[one.index][1].items() if key != "cursor"}
            context = self._context(bot, inbox, one) if fields.get("context") and one.kind != "direct" else None
            items.append({**self._out(one), "event": event, **({} if context is None else {"context": context})})
        return items

    def _ready(self, inbox: _Inbox, fields: Value) -> list[Delivery]:
        """Returns deliveries that are ready: the first of each thread or channel, unless several may be handed out."""
        now, kinds, thread = self._org.now, fields.get("kinds"), fields.get("thread_id")
        for one in inbox.deliveries:
            if one.state == "waiting" and one.due <= now:
                one.become("queued", 0)
        busy = {one.scope for one in inbox.deliveries if one.state == "leased"}
        seen: set[str] = set()
        found: list[Delivery] = []
        for one in inbox.deliveries:
            if one.state != "queued":
                continue
            if not fields.get("unordered"):
                if one.scope not in seen and one.due > now:
                    busy.add(one.scope)  # it keeps its place
                seen.add(one.scope)
                if one.scope in busy:
                    continue
            if one.due <= now and (not kinds or one.kind in kinds) and thread in (None, one.scope):
                found.append(one)
                if not fields.get("unordered"):
                    busy.add(one.scope)
        return found[: fields.get("max", 1)]

    def _deliver(self, bot: Value, backlog: int) -> _Inbox:
        """Brings the inbox of a bot to the end of the log. The first time it begins some time before now."""
        log, times = self._org.log, self._org.times
        inbox = self._all.get(bot["id"])
        if inbox is None:
            begin = self._org.now - backlog * 1000
            inbox = self._all[bot["id"]] = _Inbox(sum(1 for at in times if at <= begin))
        for index in range(inbox.at, len(log)):
            receivers, event = log[index]
            kind = _kind_of(event, bot["id"]) if bot["id"] in receivers else None
            if kind is None:
                continue
            scope = str(event.get("thread_id") or event.get("channel_id"))
            for one in inbox.deliveries:
                if one.scope == scope and one.state == "waiting":
                    one.become("queued", 0)
            inbox.deliveries.append(Delivery(index, kind, scope))
        inbox.at = len(log)
        return inbox

    def _out(self, one: Delivery) -> Value:
        where = "channel_id" if one.kind == "direct" else "thread_id"
        about = {"id": str(one.index + 1), "kind": one.kind, "state": one.state, "attempt": one.attempt, where: one.scope}
        about.update(created_at=self._org.times[one.index], due_at=one.due or None, lease=one.lease)
        about.update(progress=one.progress, waits_for=one.waits_for, reason=one.reason)
        return {key: value for key, value in about.items() if value is not None}

    def _context(self, bot: Value, inbox: _Inbox, one: Delivery) -> Value | None:
        """Returns the thread, and what happened in it since the bot last settled something there."""
        thread = self._org.thread_for(bot, one.scope)
        if thread is None:
            return None
        since = [event for _, event in self._org.log[inbox.settled.get(one.scope, -1) + 1 :] if event.get("thread_id") == one.scope]
        messages = [event["message"] for event in since if event["type"] == "thread_message"]
        changed: dict[str, Value] = {}
        for event in since:
            if event["type"] == "thread_artifact":
                changed.pop(event["artifact"]["artifact_key"], None)
                changed[event["artifact"]["artifact_key"]] = {**event["artifact"], "content": None}
        context = {"thread": thread, "messages": messages[-_IN_CONTEXT:], "more_messages": len(messages) > _IN_CONTEXT}
        context["artifacts"] = list(changed.values())[:_IN_CONTEXT]
        return json.loads(json.dumps(context))  # type: ignore[no-any-return]


def _kind_of(event: Value, bot: str) -> str | None:
    """Returns why an event is addressed to a bot that receives it, if it is (B2B-DLV-002)."""
    if event["type"] == "thread_participant":
        added = event["action"] == "joined" and event["bot_id"] == bot and event.get("by") != bot
        return "invitation" if added else None
    message = event.get("message")
    if message is None or message.get("no_reply") or message["sender_id"] == bot:
        return None
    if event["type"] == "message":
        return "direct"
    if any(mentioned["bot_id"] == bot for mentioned in message["mentions"]):
        return "mention"
    if message.get("reply_to_message", {}).get("sender_id") == bot:
        return "reply"
    return "all" if message["mention_all"] else None
