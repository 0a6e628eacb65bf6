"""The rules of the context of threads: its buffers, what is a mention, and what a delivery has.

Nothing here waits or calls anyone. thread_context has the clients for threads and for asyncio.
"""

import itertools
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ._prompt import PromptMode, View, provenance, render
from .gen.rest import types
from .mentions import ends_name, parse_mentions

LifecycleType = Literal["thread_created", "thread_updated", "thread_status_changed", "thread_artifact", "thread_participant"]
"""The types of the events of the life of a thread."""

LifecycleMode = Literal["deliver", "buffer", "ignore"]
"""What happens to an event of the life of a thread."""

Reason = Literal["message", "invite", "lifecycle", "flush"]
"""Why something was delivered."""

LifecycleEvent: TypeAlias = (
    types.ThreadCreatedEvent
    | types.ThreadUpdatedEvent
    | types.ThreadStatusChangedEvent
    | types.ThreadArtifactEvent
    | types.ThreadParticipantEvent
)

_ORDER = ["thread_created", "thread_updated", "thread_status_changed", "thread_participant", "thread_artifact"]
"""The order of events in a delivery."""

_MOST_DELIVERED = 256
"""How many delivered messages and events of a thread are remembered, to ignore them when they come again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What is known of a thread, and what waited."""

    thread: types.Thread
    """Its topic is "unknown" if it could not be loaded."""
    participants: list[types.ThreadParticipant]
    new_messages: list[types.ThreadMessage]
    artifacts: list[types.Artifact]
    """The newest version of each artifact."""
    lifecycle_events: list[LifecycleEvent]
    """What happened to the thread, without what a later event makes obsolete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A delivery."""

    thread_id: str
    message: types.ThreadMessage
    """The message that mentions, else the last one that waited, else one without id and content."""
    snapshot: Snapshot
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextOptions:
    """What counts as a mention, what is delivered at once, and how much is kept and rendered."""

    bot_names: Sequence[str]
    """The names with which @name is a mention."""
    bot_id: str | None = None
    """The id of the own bot; by default that of get_me."""
    trigger_patterns: Iterable[re.Pattern[str]] = ()
    """Further texts that count as a mention."""
    max_buffer_size: int = 50
    """The number of messages that are kept for each thread; the oldest fall out."""
    trigger_on_invite: bool = True
    """Whether an invitation to a thread is delivered at once."""
    lifecycle_buffer_size: int = 25
    """The number of events that are kept for each thread; the oldest fall out."""
    lifecycle_modes: Mapping[LifecycleType, LifecycleMode] = field(default_factory=dict[LifecycleType, LifecycleMode])
    """What happens to events by their type; by default buffer, and invitations as trigger_on_invite says."""
    max_threads: int = 1000
    """The number of threads that are kept; the one that was quiet for the longest falls out."""
    escape: bool = True
    """Keeps texts of others from looking like lines of the prompt."""
    max_tokens: int | None = None
    """The longest prompt in tokens, estimated as one for 4 bytes of UTF-8; at least 100. None: no limit."""


@dataclass(slots=True)
class Waiting:
    order: int
    item: dict[str, Any]
    reason: Reason | None = None
    """Why it was delivered at once, if it was."""


class State:
    """What is known of a thread, and what waits in it."""

    def __init__(self) -> None:
        self.thread: dict[str, Any] | None = None
        self.participants: list[dict[str, Any]] | None = None
        self.artifacts: dict[str, dict[str, Any]] = {}
        self.artifacts_loaded = self.invited = False
        self.names: dict[str, str] = {}
        self.messages: list[Waiting] = []
        self.events: list[Waiting] = []
        self.mark, self.marked = -1, set[str]()
        """The time of the last message that was delivered, and the ids at that time."""
        self.delivered: dict[str, None] = {}
        self.pending = 0
        """The number of deliveries that were asked for and have not ended."""
        self.up_to: float = float("inf")
        """What a delivery in progress has: nothing later is rendered."""
        self.turn: Any = None
        """The lock of the thread's deliveries."""
        self.owner: object = None
        """Who delivers at present."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery that was asked for: of all up to an order."""

    thread_id: str
    state: State
    reason: Reason
    message: dict[str, Any] | None
    order: int


class Core:
    """What both contexts share: the buffers, and what is a mention. It calls no one, and is not for several threads."""

    def __init__(self, options: ContextOptions) -> None:
        self.bot_id = options.bot_id
        self._options = options
        self._states: dict[str, State] = {}
        self._orders = itertools.count(1)
        self._tokens = [{"bot_id": name, "name": name} for name in options.bot_names]
        self._others = [
            re.compile("(?<![A-Za-z0-9_-])@" + re.escape(name), re.IGNORECASE)
            for name in options.bot_names
            if name and not re.fullmatch("[A-Za-z0-9_-]+", name)
        ]
        self._patterns = list(options.trigger_patterns)

    def waiting(self, thread_id: str) -> tuple[int, int]:
        state = self._states.get(thread_id)
        return (len(state.messages), len(state.events)) if state else (0, 0)

    def active(self) -> list[str]:
        with_messages = [id for id, state in self._states.items() if state.messages]
        return with_messages + [id for id, state in self._states.items() if state.events and not state.messages]

    def prompt(self, thread_id: str, mode: PromptMode, escape: bool | None, max_tokens: int | None) -> str:
        state = self._states.get(thread_id) or State()
        messages, events = _up_to(state, state.up_to)
        if mode == "delta":
            messages = [
                m for m in messages if m["created_at"] > state.mark or (m["created_at"] == state.mark and m["id"] not in state.marked)
            ]
        view = View(
            id=thread_id,
            thread=state.thread,
            participants=state.participants or (),
            artifacts=list(state.artifacts.values()),
            events=events,
            messages=messages,
            name_of=state.names.get,
        )
        return render(
            view, mode, self._options.escape if escape is None else escape, self._options.max_tokens if max_tokens is None else max_tokens
        )

    # Events

    def take(self, event: Mapping[str, Any]) -> Delivery | None:
        """Takes in an event, and returns the delivery that it causes."""
        kind = event.get("type")
        if kind == "thread_message":
            return self._take_message(event["thread_id"], event["message"])
        if kind in _ORDER:
            return self._take_event(dict(event))
        if kind == "resync":
            for state in self._states.values():  # events were missed: load the threads again
                state.thread = state.participants = None
                state.artifacts_loaded = False
        return None

    def flush(self, thread_id: str) -> Delivery | None:
        state = self._states.get(thread_id)
        if state is None or not (state.messages or state.events):
            return None
        return self._deliver(thread_id, state, "flush", None, next(self._orders))

    def _take_message(self, thread_id: str, message: dict[str, Any]) -> Delivery | None:
        if message.get("sender_id") == self.bot_id and provenance(message.get("metadata")).get("authored_by") != "human":
            return None
        state = self._state(thread_id)
        if message.get("sender_id") and message.get("sender_name"):
            state.names[message["sender_id"]] = message["sender_name"]
        order = next(self._orders)
        waiting = next((w for w in state.messages if w.item["id"] == message["id"]), None)
        if waiting is not None:
            order = waiting.order
        elif message["id"] in state.delivered:
            return None
        else:
            _keep(state.messages, Waiting(order, message), self._options.max_buffer_size)
        if message.get("no_reply") is True or not self._mentioned(message):
            return None
        return self._deliver(thread_id, state, "message", message, order)

    def _mentioned(self, message: Mapping[str, Any]) -> bool:
        if message.get("mention_all") is True or any(m["bot_id"] == self.bot_id for m in message.get("mentions") or ()):
            return True
        texts = [part["content"] for part in message.get("parts") or () if isinstance(part.get("content"), str)]
        text = " ".join([message["content"], *texts])
        if parse_mentions(text, self._tokens).mentions:
            return True
        if any(ends_name(text, match.end()) for pattern in self._others for match in pattern.finditer(text)):
            return True
        return any(pattern.search(text) for pattern in self._patterns)

    def _take_event(self, event: dict[str, Any]) -> Delivery | None:
        thread_id: str = event["thread"]["id"] if "thread" in event else event["thread_id"]
        if event["type"] == "thread_participant" and event["action"] == "left" and event["bot_id"] == self.bot_id:
            self._states.pop(thread_id, None)  # no event of this thread comes again
            return None
        state = self._state(thread_id)
        position = event.get("cursor")
        if position is not None:
            waiting = next((w for w in state.events if w.item.get("cursor") == position), None)
            if waiting is not None and waiting.reason is not None:
                return self._deliver(thread_id, state, waiting.reason, None, waiting.order)
            if waiting is not None or position in state.delivered:
                return None
        mode = self._mode_of(event, state)
        self._learn(event, state)
        if mode == "ignore":
            return None
        order = next(self._orders)
        reason: Reason | None = None
        if mode == "deliver":
            reason = "invite" if event["type"] == "thread_created" or self._invites(event) else "lifecycle"
        _keep(state.events, Waiting(order, event, reason), self._options.lifecycle_buffer_size)
        return None if reason is None else self._deliver(thread_id, state, reason, None, order)

    def _invites(self, event: Mapping[str, Any]) -> bool:
        """Reports whether an event is the invitation of the own bot to a thread that exists."""
        return bool(
            event["type"] == "thread_participant"
            and event["action"] == "joined"
            and event["bot_id"] == self.bot_id
            and event.get("by") != self.bot_id
        )

    def _mode_of(self, event: Mapping[str, Any], state: State) -> LifecycleMode:
        mode = self._options.lifecycle_modes.get(event["type"])
        invite: LifecycleMode = "deliver" if self._options.trigger_on_invite else "buffer"
        if event["type"] == "thread_created":
            # The participants that follow a creation are no second invitation.
            known, state.invited = state.invited, True
            if known or event["thread"].get("initiator_id") == self.bot_id:
                return "ignore" if mode == "ignore" else "buffer"
            return mode or invite
        if self._invites(event) and not state.invited:
            state.invited = True
            return mode or invite
        return mode or "buffer"

    def _learn(self, event: Mapping[str, Any], state: State) -> None:
        """Updates what is known of the thread."""
        match event["type"]:
            case "thread_created" | "thread_updated":
                state.thread = dict(event["thread"])
            case "thread_status_changed" if state.thread is not None:
                state.thread = {**state.thread, "status": event["to"], "topic": event.get("topic", state.thread["topic"])}
            case "thread_artifact":
                add_newest(state, [event["artifact"]])
            case "thread_participant":
                state.names[event["bot_id"]] = event["bot_name"]
                if state.participants is None:
                    return
                before = next((p for p in state.participants if p["bot_id"] == event["bot_id"]), None)
                others = [p for p in state.participants if p["bot_id"] != event["bot_id"]]
                if event["action"] == "joined":
                    known = before or {"thread_id": event["thread_id"], "joined_at": int(time.time() * 1000), "online": True, "label": None}
                    label = known["label"] if event.get("label") is None else event["label"]
                    others.append({**known, "bot_id": event["bot_id"], "name": event["bot_name"], "label": label})
                state.participants = others

    def _state(self, thread_id: str) -> State:
        state = self._states.pop(thread_id, None) or State()
        self._states[thread_id] = state  # the one that was quiet for the longest is first
        for id in list(self._states):
            if len(self._states) <= self._options.max_threads:
                break
            if self._states[id].pending == 0 and id != thread_id:
                del self._states[id]
        return state

    # Deliveries

    def _deliver(self, thread_id: str, state: State, reason: Reason, message: dict[str, Any] | None, order: int) -> Delivery:
        state.pending += 1
        return Delivery(thread_id, state, reason, message, order)

    def due(self, delivery: Delivery) -> bool:
        """Reports whether something is left to deliver: an earlier delivery can have had it, or it fell out."""
        messages, events = _up_to(delivery.state, delivery.order)
        if delivery.message is not None:
            return any(message["id"] == delivery.message["id"] for message in messages)
        return bool(messages or events)

    def trigger(self, delivery: Delivery) -> Trigger:
        state = delivery.state
        messages, events = _up_to(state, delivery.order)
        thread: Any = dict(state.thread) if state.thread is not None else {"id": delivery.thread_id, "topic": "unknown"}
        participants: Any = [dict(participant) for participant in state.participants or ()]
        waiting: tuple[Any, Any] = (messages, events)
        artifacts: Any = list(state.artifacts.values())
        snapshot = Snapshot(
            thread=thread, participants=participants, new_messages=waiting[0], artifacts=artifacts, lifecycle_events=waiting[1]
        )
        message: Any = delivery.message or (messages[-1] if messages else _placeholder(delivery.thread_id))
        return Trigger(thread_id=delivery.thread_id, message=message, snapshot=snapshot, reason=delivery.reason)

    def succeeded(self, delivery: Delivery, trigger: Trigger) -> None:
        """Removes what was delivered. What a handler failed for stays instead."""
        state = delivery.state
        taken: list[Any] = [*trigger.snapshot.new_messages]
        keys = [message["id"] for message in taken]
        keys += [w.item["cursor"] for w in state.events if w.order <= delivery.order and w.item.get("cursor") is not None]
        state.messages = [w for w in state.messages if w.order > delivery.order]
        state.events = [w for w in state.events if w.order > delivery.order]
        if taken:
            state.mark = taken[-1]["created_at"]
            state.marked = {message["id"] for message in taken if message["created_at"] == state.mark}
        state.delivered.update(dict.fromkeys(keys))
        while len(state.delivered) > _MOST_DELIVERED:
            del state.delivered[next(iter(state.delivered))]


def _up_to(state: State, order: float) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Returns the messages and events that wait up to an order."""
    return [w.item for w in state.messages if w.order <= order], _coalesce(w.item for w in state.events if w.order <= order)


def _coalesce(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns events without those that a later one makes obsolete."""
    latest: dict[tuple[str, str], dict[str, Any]] = {}
    for event in events:
        key = (event["type"], event.get("bot_id") or event.get("artifact", {}).get("artifact_key", ""))
        if event["type"] == "thread_updated" and key in latest:
            event = {**event, "changes": list(dict.fromkeys([*latest[key]["changes"], *event["changes"]]))}
        latest[key] = event
    return sorted(latest.values(), key=lambda event: _ORDER.index(event["type"]))


def _keep(buffer: list[Waiting], waiting: Waiting, most: int) -> None:
    buffer.append(waiting)
    del buffer[: max(0, len(buffer) - most)]


def add_newest(state: State, artifacts: Iterable[Any]) -> None:
    for artifact in artifacts:
        known = state.artifacts.get(artifact["artifact_key"])
        if known is None or known["version"] <= artifact["version"]:
            state.artifacts[artifact["artifact_key"]] = artifact


def _placeholder(thread_id: str) -> dict[str, Any]:
    empty: dict[str, Any] = {"id": "", "thread_id": thread_id, "sender_id": None, "sender_name": "", "content": "", "content_type": "text"}
    return {
        **empty,
        "parts": [],
        "mentions": [],
        "mention_all": False,
        "reply_to_id": None,
        "metadata": None,
        "created_at": int(time.time() * 1000),
    }


def set_loaded(state: State, found: Mapping[str, Any]) -> None:
    thread = dict(found)
    participants: list[dict[str, Any]] = thread.pop("participants", None) or []
    state.thread, state.participants = thread, participants
    state.names.update({p["bot_id"]: p["name"] for p in participants if p.get("name")})
