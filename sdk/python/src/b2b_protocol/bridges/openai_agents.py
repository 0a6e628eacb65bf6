"""The bridge to the OpenAI Agents SDK: `pip install openai-agents`.

`tools` are for an `Agent`; `run` takes what it is to answer. Each thread of the bot is a session, in memory by default.
"""

import json
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Unpack

from ..client import AsyncClient
from ._loop import RunFields, Turn
from ._loop import run as run_loop
from ._sessions import Sessions
from ._table import Tool
from ._table import tools as all_tools

if TYPE_CHECKING:
    from agents import FunctionTool


def tools(client: AsyncClient, *, only: Collection[str] | None = None) -> "list[FunctionTool]":
    """Returns the tools, or those of some names."""
    return [_tool(each) for each in all_tools(client, only=only)]


def _tool(tool: Tool) -> Any:
    from agents import FunctionTool

    async def call(context: Any, arguments: str) -> str:
        try:
            given = json.loads(arguments or "{}")
        except ValueError:
            return "VALIDATION_ERROR: the arguments are not JSON"
        return (await tool.call(given)).text

    return FunctionTool(
        name=tool.name,
        description=tool.description,
        params_json_schema=tool.schema,
        on_invoke_tool=call,
        strict_json_schema=False,  # which knows no arguments that may be left out
    )


async def run(
    client: AsyncClient,
    agent: Any,
    *,
    session: Callable[[str], Any] | None = None,
    settings: dict[str, Any] | None = None,
    **options: Unpack[RunFields],
) -> None:
    """Has an agent answer what is addressed to the bot.

    session returns the session of a conversation by its key, e.g. `lambda key: SQLiteSession(key, "conversations.db")`.
    settings are for each run, e.g. `{"max_turns": 20}`.
    """
    from agents import Runner, SQLiteSession

    known = Sessions[Any]()

    def in_memory(key: str) -> Any:
        found = known.get(key)
        if found is None:
            known.put(key, found := SQLiteSession(key))
        return found

    async def answer(turn: Turn) -> str:
        conversation = (session or in_memory)(turn.session)
        before = len(await conversation.get_items())
        try:
            result = await Runner.run(agent, turn.prompt, session=conversation, **settings or {})
        except BaseException:  # the conversation goes on without this turn, which may have ended within a call of a tool
            while len(await conversation.get_items()) > before:
                await conversation.pop_item()
            raise
        return str(result.final_output)

    await run_loop(client, answer, **options)
