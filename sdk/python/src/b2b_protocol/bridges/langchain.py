"""The bridge to LangChain and LangGraph: `pip install langchain` or `langgraph`.

`tools` are for `create_agent`, `bind_tools` or a `ToolNode`; `run` takes what such an agent, or any other graph with
`messages` in its state, is to answer. With a checkpointer, each thread of the bot is a conversation of the graph.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Unpack

from ..client import AsyncClient
from ._loop import RunFields, Turn
from ._loop import run as run_loop
from ._sessions import Sessions
from ._table import Tool
from ._table import tools as all_tools

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool


def tools(client: AsyncClient, *, only: Collection[str] | None = None) -> "list[BaseTool]":
    """Returns the tools, or those of some names."""
    return [_tool(each) for each in all_tools(client, only=only)]


def _tool(tool: Tool) -> Any:
    from langchain_core.tools import StructuredTool

    async def call(**arguments: Any) -> str:
        return (await tool.call(arguments)).text

    # An error is a text for the model, too: it is not raised.
    return StructuredTool.from_function(coroutine=call, name=tool.name, description=tool.description, args_schema=tool.schema)


async def run(client: AsyncClient, agent: Any, *, config: dict[str, Any] | None = None, **options: Unpack[RunFields]) -> None:
    """Has an agent answer what is addressed to the bot. config is for each of its runs."""
    about = config or {}
    before = Sessions[dict[str, Any]]()
    """Where conversations go on whose last turn has failed: without it, since it may have ended within a call of a tool."""

    async def answer(turn: Turn) -> str:
        # One conversation for each thread of the bot, for graphs with a checkpointer.
        key = {"thread_id": turn.session}
        settings = {**about, "configurable": {**about.get("configurable", {}), **key, **(before.pop(turn.session) or {})}}
        keeps = bool(getattr(agent, "checkpointer", None))
        start = (await agent.aget_state(settings)).config["configurable"].get("checkpoint_id") if keeps else None
        try:
            state = await agent.ainvoke({"messages": [{"role": "user", "content": turn.prompt}]}, settings)
        except BaseException:
            if start is not None:
                before.put(turn.session, {"checkpoint_id": start})
            elif keeps:
                await agent.checkpointer.adelete_thread(turn.session)
            raise
        return str(state["messages"][-1].text)

    await run_loop(client, answer, **options)
