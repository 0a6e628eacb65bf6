"""Renders what is known of a thread as a text for the prompt of an agent."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from .prompts import format_lifecycle_event

PromptMode = Literal["full", "delta", "summary"]
"""How much is rendered: everything that waits, only what was not delivered, or its number."""

_BREAKS = re.compile("\r\n|[\n\r\v\f\u0085\u2028\u2029]")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a prompt shows of a thread."""

    id: str
    thread: Mapping[str, Any] | None
    participants: Sequence[Mapping[str, Any]]
    artifacts: Sequence[Mapping[str, Any]]
    events: Sequence[Mapping[str, Any]]
    messages: Sequence[Mapping[str, Any]]
    name_of: Callable[[str], str | None]


def provenance(metadata: object) -> Mapping[str, Any]:
    """Returns who wrote a message for a person, by its metadata: an object, or its JSON text."""
    if isinstance(metadata, str):
        try:
            metadata = json.loads(metadata)
        except ValueError:
            return {}  # a text that is not JSON says nothing about its author
    found = metadata.get("provenance") if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}


def render(view: View, mode: PromptMode, escape: bool, max_tokens: int | None) -> str:
    """Returns the text. max_tokens counts one for 4 bytes of UTF-8; the oldest lines are left out first."""

    def line(text: str) -> str:
        return _BREAKS.sub(" ", text) if escape else text

    def block(text: str) -> str:
        return _BREAKS.sub("\n    ", text) if escape else text

    if view.thread is None:
        head = [f"## Thread: {view.id}"]
    else:
        head = [f"## Thread: {line(view.thread['topic'])}", f"Status: {view.thread['status']} | ID: {view.id}"]
        if view.thread.get("tags"):
            head.append(f"Tags: {line(', '.join(view.thread['tags']))}")
        if view.thread.get("context"):
            head.append(f"Context: {block(view.thread['context'])}")
    if view.participants:
        names = [(p.get("name") or p["bot_id"]) + (f" ({p['label']})" if p.get("label") else "") for p in view.participants]
        head.append(f"Participants: {line(', '.join(names))}")
    artifacts = [
        f"- **{line(a['artifact_key'])}** ({a['type']}, v{a['version']})" + (f": {line(a['title'])}" if a.get("title") else "")
        for a in view.artifacts
    ]
    events = [f"- {line(format_lifecycle_event(e, view.name_of) or e['type'])}" for e in view.events]
    messages = [f"[{_clock(m['created_at'])}] {line(_sender(m))}: {block(m['content'])}" for m in view.messages]
    if mode == "summary":
        ending = ["", f"[{len(messages)} new message(s), {len(events)} lifecycle event(s) buffered]"]
    else:
        ending = _section("### Messages" if mode == "full" else "### New Messages", messages)
    if max_tokens is None:
        return "\n".join([*head, *_section("### Artifacts", artifacts), *_section("### Lifecycle Events", events), *ending])
    limit = max(100, max_tokens) * 4
    # Half of the limit is enough for the head, an eighth each for artifacts and events.
    lines = [_cut(text, limit // 10) for text in head]
    for title, each in (("### Artifacts", artifacts), ("### Lifecycle Events", events)):
        lines += _within(_section(title, each), limit // 8)
    return "\n".join([*lines, *_within(ending, limit - _size(lines))])


def _clock(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%H:%M:%S")


def _sender(message: Mapping[str, Any]) -> str:
    sender = str(message.get("sender_name") or message.get("sender_id") or "system")
    about = provenance(message.get("metadata"))
    owner = about.get("owner_name")
    return f"{owner} (via {sender})" if about.get("authored_by") == "human" and isinstance(owner, str) and owner else sender


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return ["", title, *lines] if lines else []


def _size(lines: Sequence[str]) -> int:
    """Returns the number of bytes of lines, each with a line break."""
    return sum(len(text.encode("utf-8", "replace")) + 1 for text in lines)


def _cut(text: str, size: int) -> str:
    """Returns a text, cut so that it has at most so many bytes with its line break."""
    if _size([text]) <= size:
        return text
    return text.encode("utf-8", "replace")[: max(0, size - 4)].decode("utf-8", "ignore") + "…"


def _within(section: list[str], size: int) -> list[str]:
    """Returns a section with the last lines that fit into so many bytes."""
    if _size(section) <= size:
        return section
    top, lines = section[:2], section[2:]
    kept: list[str] = []
    left = size - _size([*top, f"[{len(lines)} earlier omitted]"])
    for text in reversed(lines):
        if _size([text]) > left and (kept or left < 20):
            break
        kept.insert(0, _cut(text, left))
        left -= _size(kept[:1])
    if not kept:
        return []
    omitted = len(lines) - len(kept)
    return [*top, *([f"[{omitted} earlier omitted]"] if omitted else []), *kept]
