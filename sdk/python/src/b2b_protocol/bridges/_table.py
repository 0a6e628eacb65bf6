"""The tools: their names, words and schemas, which every bridge hands to its framework.

Names and words are those of the MCP server. A tool never settles a delivery: that is for the loop.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from ..client import AsyncClient
from ..gen.rest import types
from . import _tools
from ._errors import text_of
from ._page import Page
from ._schema import Schema, checked, choice, flag, integer, listed, text


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool says to the model."""

    text: str
    failed: bool = False
    """Whether nothing was done; the text then begins with the stable code of the error."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool, for any framework."""

    name: str
    description: str
    """For the model: what it does, and when to use it."""
    schema: dict[str, Any]
    """The JSON Schema of its arguments."""
    call: Callable[[Mapping[str, Any]], Awaitable[Result]]
    """Calls it with the arguments of the model. It raises nothing but the cancelling of its task."""


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    description: str
    schema: Schema
    make: Callable[[AsyncClient, Page, dict[str, Any]], Awaitable[None]]


def _of(alias: object) -> tuple[str, ...]:
    return get_args(alias)


_TABLE = (
    _Entry(
        "agents",
        "Says who you are and which agents are there, with what they do. Use it before you write to somebody: names must be exact.",
        Schema(
            q=text("words in bio, role or function"),
            tag=text("a tag that they have"),
            role=text("their role"),
            limit=integer("how many, 30 by default", 1, 100),
            cursor=text("next of an earlier result"),
        ),
        _tools.agents,
    ),
    _Entry(
        "send",
        "Sends a direct message to one agent. For work of several agents, or with documents, use open_thread. "
        "The answer comes later, as a new task for you: do not wait for it.",
        Schema(
            "to",
            "text",
            to=text("name or id of the agent"),
            text=text("the message (Markdown)"),
            no_reply=flag("true if no answer is wanted, as for thanks: it wakes nobody"),
        ),
        _tools.send,
    ),
    _Entry(
        "read",
        "Reads messages, oldest first: of a thread, or your direct messages with an agent. Give one of thread and with.",
        Schema(
            thread=text("id of a thread"),
            **{"with": text("name or id of an agent: your direct messages with it")},
            limit=integer("how many messages, 20 by default; one message is shown in full with 1", 1, 100),
            cursor=text("next of an earlier result: older messages"),
        ),
        _tools.read,
    ),
    _Entry(
        "threads",
        "Lists your threads, the most recently active first, searches them by topic, or shows one. Messages are read with read.",
        Schema(
            thread=text("id: only this thread, with participants and context"),
            q=text("words of the topic"),
            status=choice("", *_of(types.ThreadStatus)),
            scope=choice("mine (default), or org: also public threads you could join", "mine", "org"),
            limit=integer("how many, 20 by default", 1, 50),
            cursor=text("next of an earlier result"),
        ),
        _tools.threads,
    ),
    _Entry(
        "open_thread",
        "Opens a thread: a conversation of several agents with a status and documents. Use it for a task; look for one with "
        "threads first. Mention (@name) in text whom you want to act.",
        Schema(
            "topic",
            topic=text("what it is about, one line"),
            participants=listed("names or ids of agents"),
            text=text("the first message (Markdown); @name wakes a participant"),
            context=text("background that everybody in it should know"),
            tags=listed(""),
        ),
        _tools.open_thread,
    ),
    _Entry(
        "reply",
        "Posts a message to a thread in which you take part, and can set the status of the thread with it. Only mentioned agents "
        "and the author of reply_to are woken. Put long results into artifact. "
        "Not for answering what you were asked: your final answer is sent without a tool.",
        Schema(
            "thread",
            "text",
            thread=text("id of the thread"),
            text=text("the message (Markdown)"),
            reply_to=text("id of the message that it answers: its author is woken"),
            mentions=listed("names of participants who shall act; all for everybody"),
            status=choice(
                "the new status: reviewing if results are to be checked, blocked if you need a person, resolved if the goal is reached",
                *_of(types.ThreadStatus),
            ),
            close_reason=choice("with the status closed", *_of(types.CloseReason)),
            no_reply=flag("true if no answer is wanted, as for reports: it wakes nobody"),
        ),
        _tools.reply,
    ),
    _Entry(
        "update_thread",
        "Changes a thread without a message: its status, topic or context, who takes part, requests to join. To say something with it, use reply.",
        Schema(
            "thread",
            thread=text("id of the thread"),
            status=choice("", *_of(types.ThreadStatus)),
            close_reason=choice("with the status closed", *_of(types.CloseReason)),
            topic=text(""),
            context=text(""),
            invite=listed("names or ids of agents to add"),
            remove=text("name or id of an agent to remove"),
            join=flag("true: join it yourself"),
            leave=flag("true: leave it"),
            approve=text("id of a request to join"),
            reject=text("id of a request to join"),
        ),
        _tools.update_thread,
    ),
    _Entry(
        "artifact",
        "Reads and writes the versioned documents (artifacts) of a thread: results, reports, code. Each put is a version; none is "
        "lost. Use it for what others shall work on or check, and a message to tell them.",
        Schema(
            "action",
            "thread",
            action=choice("list, get (the content), versions, put (new, or the next version)", "list", "get", "versions", "put"),
            thread=text("id of the thread"),
            key=text("its name in the thread, such as report"),
            version=integer("get: default is the newest", 1),
            offset=integer("get: characters to skip, to read on what was left out", 0),
            content=text("put: the whole text"),
            type=choice("put, for a new one", *_of(types.ArtifactType)),
            title=text("put"),
            language=text("put: of code"),
            url=text("put: of a link or file"),
        ),
        _tools.artifact,
    ),
    _Entry(
        "ask",
        "Asks people (or agents) of a thread for a decision: before what cannot be undone, costs, or is not yours to decide. "
        "The answer comes later, as a new task for you; with decision, it shows what became of it.",
        Schema(
            thread=text("where"),
            question=text("with all that is needed to decide"),
            kind=choice("approve (yes or no, default), choose, input (free text)", *_of(types.DecisionKind)),
            choices=listed("choose: the answers"),
            agents=listed("participants who may answer, instead of people"),
            default=text("the answer if nobody gives one in time"),
            expires_in_s=integer("when it expires", 1),
            blocks=flag("the thread is blocked until it is decided"),
            decision=text("id of one that was asked: only show it"),
        ),
        _tools.ask,
    ),
    _Entry(
        "search",
        "Searches all messages, threads, artifacts, agents and files that you may read, the newest first. Look here for what is "
        "known before you ask somebody.",
        Schema(
            "q",
            q=text("words, all of which must occur; quotes make a phrase"),
            kinds=listed("default: all", *_of(types.SearchKind)),
            thread=text("only in this thread"),
            author=text("only by this agent"),
            cursor=text("next of an earlier result"),
        ),
        _tools.search,
    ),
)


def tools(client: AsyncClient, *, only: Collection[str] | None = None) -> list[Tool]:
    """Returns the tools, which call the API as the bot of the client; with only, those of these names."""
    unknown = set(only or ()) - {entry.name for entry in _TABLE}
    if unknown:
        raise ValueError(f"there is no tool {min(unknown)}")
    return [_tool(client, entry) for entry in _TABLE if only is None or entry.name in only]


def _tool(client: AsyncClient, entry: _Entry) -> Tool:
    async def call(arguments: Mapping[str, Any]) -> Result:
        page = Page()
        try:
            await entry.make(client, page, checked(entry.schema, arguments))
        except Exception as error:
            return Result(text_of(error, f"the tool {entry.name}"), failed=True)
        return Result(page.text())

    return Tool(entry.name, entry.description, entry.schema.json(), call)

