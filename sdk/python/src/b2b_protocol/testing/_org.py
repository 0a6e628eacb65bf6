"""The org of a fake server: what its operations do, without a network."""

import itertools
import json
from typing import Any

from .._closes import error_of_code
from .._error import B2BError
from ..mentions import parse_mentions
from ._inboxes import Inboxes, Logbook

_START = 1_767_225_600_000
"""The first time of the clock in milliseconds: the beginning of 2026."""

_NEXT = {
    "active": ("blocked", "reviewing", "resolved", "closed"),
    "blocked": ("active",),
    "reviewing": ("active", "resolved", "closed"),
    "resolved": ("active",),
    "closed": ("active",),
}
"""The statuses that a thread can be set to, by its status."""

Value = dict[str, Any]


class Refusal(Exception):
    """An error response."""

    def __init__(self, status: int, code: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.retry_after = status, code, message, retry_after

    def error(self) -> B2BError:
        error = error_of_code(self.code, self.message, self.status)
        error.retry_after = self.retry_after
        return error


def _missing(what: str) -> Refusal:
    return Refusal(404, "NOT_FOUND", f"{what} not found")


def _invalid(message: str) -> Refusal:
    return Refusal(400, "VALIDATION_ERROR", message)


class Org(Logbook):
    """Bots, channels, threads and the event log of one org. It is not for several threads."""

    def __init__(self) -> None:
        self.id = "org-1"
        self.now = _START
        self.tokens: dict[str, str] = {}
        self.log: list[tuple[frozenset[str], Value]] = []
        """The events, each with its receivers."""
        self.times: list[int] = []
        self.changes = 0
        self.kept_from = 0
        self._bots: dict[str, Value] = {}
        self._channels: dict[str, Value] = {}
        self._direct: dict[str, list[Value]] = {}
        self._threads: dict[str, Value] = {}
        self._members: dict[str, dict[str, Value]] = {}
        self._said: dict[str, list[Value]] = {}
        self._turns: dict[str, int] = {}
        self._artifacts: dict[str, dict[str, list[Value]]] = {}
        self._done: dict[tuple[str, str], tuple[str, Any, int]] = {}
        self._numbers = itertools.count(1)
        self.inboxes = Inboxes(self, lambda: Refusal(409, "LEASE_LOST", "the delivery is not yours any more"))

    def new_id(self, kind: str) -> str:
        return f"{kind}-{next(self._numbers):06}"

    # Bots

    def register(self, name: str) -> str:
        """Returns the token of a bot, which is made if it does not exist."""
        token = f"token-of-{name}"
        if all(bot["name"] != name for bot in self._bots.values()):
            about: Value = {"id": self.new_id("bot"), "org_id": self.id, "name": name, "auth_role": "member", "online": False}
            about.update(last_seen_at=self.now, created_at=self.now, version="1.0.0", join_status="active")
            empty = (
                "bio",
                "role",
                "function",
                "team",
                "tags",
                "languages",
                "protocols",
                "status_text",
                "timezone",
                "active_hours",
                "runtime",
            )
            self._bots[about["id"]] = {**about, **dict.fromkeys((*empty, "metadata"))}
        self.tokens[token] = self.named(name)["id"]
        return token

    def named(self, name: str) -> Value:
        """Returns a bot by its id or name."""
        for bot in self._bots.values():
            if name in (bot["id"], bot["name"]):
                return bot
        raise _missing("bot")

    def authenticate(self, token: str) -> Value:
        if token not in self.tokens:
            raise Refusal(401, "INVALID_TOKEN", "unknown token")
        return self._bots[self.tokens[token]]

    # The event log

    def position(self, index: int | None = None) -> str:
        return f"1.{len(self.log) if index is None else index}.fake"

    def index_of(self, position: str) -> int:
        parts = position.split(".")
        if len(parts) != 3 or not parts[1].isdigit():
            raise _invalid("cursor: is not a position")
        if parts[2] != "fake":
            raise Refusal(409, "EPOCH_CHANGED", "the position is of another log")
        if int(parts[1]) > len(self.log):
            raise Refusal(409, "CURSOR_AHEAD", "the log has not reached the position")
        if int(parts[1]) < self.kept_from:
            raise Refusal(410, "CURSOR_EXPIRED", "the events are no longer kept")
        return int(parts[1])

    def _tell(self, receivers: Any, **event: Any) -> None:
        event["cursor"] = self.position(len(self.log) + 1)
        self.log.append((frozenset(receivers), json.loads(json.dumps(event))))
        self.times.append(self.now)
        self.changes += 1

    def thread_for(self, bot: Value, thread_id: str) -> Value | None:
        return self._threads[thread_id] if bot["id"] in self._members[thread_id] else None

    # Operations

    def call(self, bot: Value, method: str, path: list[str], fields: Value) -> tuple[Any, int]:
        """Executes an operation, and returns its result and status. A request_id is executed once."""
        if (method, *path) == ("POST", "inbox", "claim"):
            return json.loads(json.dumps({"items": self.inboxes.claim(bot, fields)})), 200  # repeated, it returns the same leases
        request_id = fields.pop("request_id", None)
        content = json.dumps([method, path, fields], sort_keys=True)
        if request_id:
            before = self._done.get((bot["id"], request_id))
            if before is not None and before[0] != content:
                raise Refusal(409, "IDEMPOTENCY_KEY_REUSED", "the request_id was used for another request")
            if before is not None:
                return json.loads(json.dumps(before[1])), before[2]
        settles = fields.pop("settles", None)
        delivery = settles and self.inboxes.find(bot, settles["delivery_id"], settles["lease"])
        value, status = self._execute(bot, method, path, fields)
        if delivery:
            self.inboxes.settle(bot, delivery)
        value = json.loads(json.dumps(value))
        if request_id:
            self._done[bot["id"], request_id] = content, value, status
        return value, status

    def _execute(self, bot: Value, method: str, path: list[str], fields: Value) -> tuple[Any, int]:
        match method, *path:
            case "GET", "me":
                return bot, 200
            case "GET", "peers":
                return [other for other in self._bots.values() if other is not bot], 200
            case "GET", "me", "catchup":
                return {"events": [], "has_more": False, "stream_cursor": self.position()}, 200
            case "POST", "send":
                return self._send(bot, fields), 200
            case "GET", "inbox":
                mine = [
                    m for said in self._direct.values() for m in said if self._is_for(m, bot) and m["created_at"] > float(fields["since"])
                ]
                return [{**self._named_message(m), "channel_name": None} for m in mine][-100:], 200
            case "POST", "inbox", delivery_id, ("ack" | "nack" | "extend" | "progress" | "wait") as what:
                return self.inboxes.answer(bot, delivery_id, what, fields), 200
            case "GET", "channels", channel_id:
                channel = self._channel(bot, channel_id)
                members = [{key: self._bots[id][key] for key in ("id", "name", "online")} for id in channel["members"]]
                return {**channel, "members": members}, 200
            case "GET", "channels", channel_id, "messages":
                self._channel(bot, channel_id)
                return self._page([self._named_message(m) for m in self._direct[channel_id]], fields), 200
            case "GET", "threads":
                mine = [t for t in self._threads.values() if bot["id"] in self._members[t["id"]]]
                found = [t for t in mine if fields.get("status") in (None, t["status"])][::-1]
                listed = [{**t, "participant_count": len(self._members[t["id"]]), "turns": self._turns[t["id"]]} for t in found]
                return ({"items": listed, "has_more": False} if "cursor" in fields else listed), 200
            case "POST", "threads":
                return self._create(bot, fields), 200
            case _, "threads", thread_id, *rest:
                return self._in_thread(bot, method, thread_id, rest, fields)
        raise NotImplementedError(f"the fake server has no {method} /api/{'/'.join(path)}: use RealServer")

    def _page(self, messages: list[Value], fields: Value) -> Any:
        limit = int(fields.get("limit", 50))
        before = str(fields.get("before", ""))
        token = fields.get("cursor") or (None if before.isdigit() else before)
        if not token and "cursor" not in fields:
            since = float(fields.get("since", 0))
            until = float(before or "inf")
            return [m for m in messages if since < m["created_at"] < until][-limit:]
        older = [m for m in messages if not token or m["id"] < token][::-1]
        page, more = older[:limit], len(older) > limit
        if "cursor" not in fields:
            return {"messages": page, "has_more": more}
        return {"items": page, "has_more": more, **({"next_cursor": page[-1]["id"]} if more else {})}

    def _content(self, fields: Value) -> Value:
        """Returns the content of a message."""
        parts = fields.get("parts") or []
        content = fields.get("content") or " ".join(part["content"] for part in parts if isinstance(part.get("content"), str))
        if not content:
            raise _invalid("content: give content or parts")
        return {
            "content": content,
            "content_type": fields.get("content_type") or "text",
            "parts": parts or [{"type": "text", "content": content}],
            **{mark: True for mark in ("automatic", "no_reply", "receipts") if fields.get(mark)},
        }

    # Direct messages

    def _send(self, bot: Value, fields: Value) -> Value:
        other = self.named(fields["to"])
        if other is bot:
            raise _invalid("to: is the sender itself")
        content = self._content(fields)
        channel = next((c for c in self._channels.values() if set(c["members"]) == {bot["id"], other["id"]}), None)
        members = [bot["id"], other["id"]]
        if channel is None:
            about: Value = {"id": self.new_id("channel"), "org_id": self.id, "type": "direct", "name": None, "created_at": self.now}
            channel = self._channels[about["id"]] = {**about, "members": members}
            self._direct[channel["id"]] = []
            self._tell(members, type="channel_created", channel=about, members=members)
        message = {"id": self.new_id("message"), "channel_id": channel["id"], "sender_id": bot["id"], **content, "created_at": self.now}
        self._direct[channel["id"]].append(message)
        self._tell(members, type="message", channel_id=channel["id"], message=message, sender_name=bot["name"])
        return {"channel_id": channel["id"], "message": message, "ts": self.now}

    def _channel(self, bot: Value, channel_id: str) -> Value:
        channel = self._channels.get(channel_id)
        if channel is None or bot["id"] not in channel["members"]:
            raise _missing("channel")
        return channel

    def _is_for(self, message: Value, bot: Value) -> bool:
        return message["sender_id"] != bot["id"] and bot["id"] in self._channels[message["channel_id"]]["members"]

    def _named_message(self, message: Value) -> Value:
        return {**message, "sender_name": self._bots[message["sender_id"]]["name"]}

    # Threads

    def _create(self, bot: Value, fields: Value) -> Value:
        if not fields.get("topic"):
            raise _invalid("topic: is required")
        others = [self.named(name) for name in fields.get("participants", [])]
        context = fields.get("context")
        thread: Value = {"id": self.new_id("thread"), "org_id": self.id, "topic": fields["topic"], "tags": fields.get("tags") or None}
        thread.update(status="active", initiator_id=bot["id"], channel_id=fields.get("channel_id"), close_reason=None)
        thread["context"] = context if context is None or isinstance(context, str) else json.dumps(context, separators=(",", ":"))
        policy = fields.get("permission_policy")
        thread["permission_policy"] = None if policy is None else json.dumps(policy, separators=(",", ":"))
        thread.update(visibility=fields.get("visibility") or "public", join_policy=fields.get("join_policy") or "open", revision=1)
        thread.update(created_at=self.now, updated_at=self.now, last_activity_at=self.now, resolved_at=None)
        id = thread["id"]
        self._threads[id], self._said[id], self._artifacts[id], self._turns[id] = thread, [], {}, 0
        self._members[id] = {one["id"]: self._member(one, None) for one in [bot, *others]}
        self._tell(self._members[id], type="thread_created", thread=thread)
        for one in self._members[id].values():
            self._joined(id, one, bot["id"])
        return thread

    def _member(self, bot: Value, label: str | None) -> Value:
        return {"bot_id": bot["id"], "name": bot["name"], "online": False, "label": label, "joined_at": self.now}

    def _joined(self, id: str, member: Value, by: str, **label: Any) -> None:
        about = {"thread_id": id, "bot_id": member["bot_id"], "bot_name": member["name"], "action": "joined", "by": by, **label}
        self._tell(self._members[id], type="thread_participant", **about)

    def _in_thread(self, bot: Value, method: str, id: str, rest: list[str], fields: Value) -> tuple[Any, int]:
        thread, members = self._threads.get(id), self._members.get(id, {})
        if thread is None:
            raise _missing("thread")
        joining = (method, *rest) == ("POST", "join")
        if bot["id"] not in members and not joining:
            raise Refusal(403, "JOIN_REQUIRED", "the bot is not in the thread")
        changes = method != "GET" and "status" not in fields  # a terminal thread can only be opened again
        if changes and thread["status"] in ("resolved", "closed"):
            raise Refusal(409, "THREAD_CLOSED", "the thread is terminal")
        match method, *rest:
            case ("GET",):
                return {**thread, "participant_count": len(members), "participants": list(members.values()), "turns": self._turns[id]}, 200
            case ("PATCH",):
                return self._update(bot, thread, fields), 200
            case "GET", "messages":
                return self._page(self._said[id], fields), 200
            case "POST", "messages":
                return self._say(bot, thread, fields), 200
            case "POST", "join":
                if bot["id"] in members:
                    return {"status": "already_joined"}, 200
                members[bot["id"]] = self._member(bot, None)
                thread["revision"] += 1
                self._joined(id, members[bot["id"]], bot["id"])
                return {"status": "joined", "joined_at": self.now}, 200
            case "POST", "participants":
                other, label = self.named(fields["bot_id"]), fields.get("label")
                if other["id"] in members and "label" in fields:
                    raise Refusal(409, "CONFLICT", "the bot is a participant, and its label cannot be changed")
                if other["id"] not in members:
                    members[other["id"]] = self._member(other, label)
                    thread["revision"] += 1
                    self._joined(id, members[other["id"]], bot["id"], label=label)
                member = members[other["id"]]
                return {"thread_id": id, **{key: member[key] for key in ("bot_id", "label", "joined_at")}}, 200
            case "DELETE", "participants", name:
                other = self.named(name)
                about = {"thread_id": id, "bot_id": other["id"], "bot_name": other["name"], "action": "left", "by": bot["id"]}
                self._tell(members, type="thread_participant", **about)
                members.pop(other["id"], None)
                thread["revision"] += 1
                return {"ok": True}, 200
            case _, "artifacts", *key:
                return self._in_artifacts(bot, thread, method, key, fields), 200
        raise NotImplementedError(f"the fake server has no {method} of a thread's {'/'.join(rest)}: use RealServer")

    def _update(self, bot: Value, thread: Value, fields: Value) -> Value:
        expected = fields.pop("expected_revisions", None)
        status, before = fields.get("status"), thread["status"]
        if status is not None and status != before and status not in _NEXT[before]:
            raise Refusal(400, "INVALID_TRANSITION", f"a thread that is {before} cannot become {status}")
        if expected is not None and thread["revision"] not in expected:
            raise Refusal(409, "REVISION_CONFLICT", f"the thread has revision {thread['revision']}")
        changes: list[str] = [key for key in ("status", "close_reason", "context", "topic", "permission_policy") if key in fields]
        thread.update({key: fields[key] for key in changes}, updated_at=self.now, revision=thread["revision"] + max(1, len(changes)))
        if status is not None and status != before:
            thread["resolved_at"] = self.now if status == "resolved" else None
        if status == "resolved":
            changes.insert(1, "resolved_at")
        members = self._members[thread["id"]]
        if status is not None and status != before:
            self._turns[thread["id"]] = 0
            about = {"thread_id": thread["id"], "topic": thread["topic"], "from": before, "to": status, "by": bot["id"]}
            self._tell(members, type="thread_status_changed", **about)
        self._tell(members, type="thread_updated", thread=thread, changes=changes)
        return thread

    def _say(self, bot: Value, thread: Value, fields: Value) -> Value:
        content = self._content(fields)
        said, members = self._said[thread["id"]], self._members[thread["id"]]
        found = parse_mentions(content["content"], [{"bot_id": m["bot_id"], "name": m["name"]} for m in members.values()])
        message: Value = {
            "id": self.new_id("message"),
            "thread_id": thread["id"],
            "sender_id": bot["id"],
            "sender_name": bot["name"],
            **content,
        }
        message.update(mentions=found.mentions, mention_all=found.mention_all, reply_to_id=fields.get("reply_to"))
        if fields.get("reply_to"):
            before = next((m for m in said if m["id"] == fields["reply_to"]), None)
            if before is None:
                raise _missing("message")
            message["reply_to_message"] = {key: before[key] for key in ("id", "sender_id", "sender_name", "content", "created_at")}
        message.update(metadata=fields.get("metadata"), created_at=self.now)
        thread["last_activity_at"] = self.now
        said.append(message)
        self._turns[thread["id"]] += 1
        self._tell(members, type="thread_message", thread_id=thread["id"], message=message)
        return message

    def _in_artifacts(self, bot: Value, thread: Value, method: str, path: list[str], fields: Value) -> Any:
        versions = self._artifacts[thread["id"]]
        if method == "GET" and not path:
            return [each[-1] for each in versions.values()]
        key = path[0] if path else fields["artifact_key"]
        if method == "POST" and key in versions:
            raise Refusal(409, "CONFLICT", "the artifact exists")
        if method != "POST" and key not in versions:
            raise _missing("artifact")
        if method == "GET":
            return versions[key]
        empty: Value = {"type": "text", "title": None, "content": None, "language": None, "url": None, "mime_type": None}
        before = versions[key][-1] if method == "PATCH" else empty
        artifact: Value = {"id": self.new_id("artifact"), "thread_id": thread["id"], "artifact_key": key}
        artifact.update({name: fields.get(name, before[name]) for name in empty})
        artifact.update(contributor_id=bot["id"], version=len(versions.get(key, ())) + 1, format_warning=False)
        artifact.update(created_at=self.now, updated_at=self.now)
        versions.setdefault(key, []).append(artifact)
        self._turns[thread["id"]] = 0
        thread["last_activity_at"] = self.now
        action = "added" if method == "POST" else "updated"
        self._tell(self._members[thread["id"]], type="thread_artifact", thread_id=thread["id"], artifact=artifact, action=action)
        return artifact
