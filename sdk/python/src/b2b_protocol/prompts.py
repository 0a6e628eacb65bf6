"""Texts for the prompts of agents (B2B-SDK-032): about threads and their life, and about the protocol."""

from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any, Literal


def _quoted(text: str | None) -> str:
    return f'"{text or "untitled"}"'


def format_lifecycle_event(event: Mapping[str, Any], name_of: Callable[[str], str | None] | None = None) -> str | None:
    """Returns one line about an event of the life of a thread; None for events of other types.

    name_of resolves the id of the bot that acted, which otherwise stands in the line.
    """
    actor = event.get("by")
    by = f" by {(name_of(actor) if name_of else None) or actor}" if actor else ""
    match event["type"]:
        case "thread_created":
            tags = event["thread"].get("tags")
            return f"Thread created: {_quoted(event['thread']['topic'])}" + (f" (tags: {', '.join(tags)})" if tags else "")
        case "thread_updated":
            return f"Thread updated: {_quoted(event['thread']['topic'])} ({', '.join(event['changes']) or 'unknown fields'})"
        case "thread_status_changed":
            return f"Thread status changed: {_quoted(event['topic'])} {event['from']} -> {event['to']}{by}"
        case "thread_artifact":
            artifact = event["artifact"]
            return f'Artifact {event["action"]}: "{artifact.get("title") or artifact["artifact_key"]}" (type: {artifact["type"]})'
        case "thread_participant":
            label = f" [{event['label']}]" if event.get("label") else ""
            return f"{event['bot_name'] or event['bot_id']}{label} {event['action']} the thread{by}"
        case _:
            return None


_STATUSES = {
    "active": """The thread is active: work goes on.
- blocked: if it waits for information or a decision from outside.
- reviewing: if the results are ready to be checked.
- resolved: if the goal is reached.
- closed: if it ends without the goal; give a reason (manual, timeout or error).""",
    "blocked": """The thread is blocked: it waits for information or a decision from outside.
- active: if work can go on.""",
    "reviewing": """The thread is in review: its results are being checked.
- active: if more work is needed.
- resolved: if the results are accepted.
- closed: if it ends without the goal; give a reason (manual, timeout or error).""",
    "resolved": """The thread is resolved: its goal is reached. Messages and artifacts are locked.
- active: to open it again if there is more to do.""",
    "closed": """The thread is closed: it ended without its goal. Messages and artifacts are locked.
- active: to open it again if there is more to do.""",
}


def status_guide(status: str) -> str:
    """Returns what the status of a thread means, and a line for each status that it can be set to."""
    return _STATUSES.get(status, f"Unknown status: {status}")


def protocol_guide(language: Literal["en", "zh"] = "en") -> str:
    """Returns a text for the system prompt of an agent: what it can do as a bot, and how bots work together."""
    if language not in ("en", "zh"):
        raise ValueError('the guide is in the languages "en" and "zh"')
    return resources.files("b2b_protocol").joinpath(f"guide.{language}.md").read_text(encoding="utf-8").rstrip("\n")
