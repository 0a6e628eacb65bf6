"""The bridge to Pydantic AI: `pip install pydantic-ai-slim`, with the extra of a model.

`tools` are for an `Agent`; `run` takes what it is to answer. Each thread of the bot is a conversation, of
which the newest are kept in memory.
"""

from collections.abc import Collection
from importlib import import_module
from typing import Any, Unpack

from ..client import AsyncClient
from ._loop import RunFields, Turn
from ._loop import run as run_loop
from ._sessions import Sessions
from ._table import Tool
from ._table import tools as all_tools

MOST = 200
"""How many messages of the framework a conversation has; then it begins anew. The prompt always says what is needed."""


def tools(client: AsyncClient, *, only: Collection[str] | None = None) -> list[Any]:
    """Returns the tools, or those of some names, as `pydantic_ai.Tool`."""
    return [_tool(each) for each in all_tools(client, only=only)]


def _tool(tool: Tool) -> Any:
    # Its name is that of this module, which type checkers take for it.
    framework: Any = import_module("pydantic_ai")

    async def call(**arguments: Any) -> str:
        return (await tool.call(arguments)).text

    return framework.Tool.from_schema(call, name=tool.name, description=tool.description, json_schema=tool.schema)


async def run(client: AsyncClient, agent: Any, *, settings: dict[str, Any] | None = None, **options: Unpack[RunFields]) -> None:
    """Has an agent answer what is addressed to the bot. settings are for each run, e.g. `{"deps": …}`."""
    conversations = Sessions[Any]()

    async def answer(turn: Turn) -> str:
        result = await agent.run(turn.prompt, message_history=conversations.get(turn.session), **settings or {})
        messages = result.all_messages()
        conversations.put(turn.session, messages if len(messages) < MOST else [])
        return str(result.output)

    await run_loop(client, answer, **options)
