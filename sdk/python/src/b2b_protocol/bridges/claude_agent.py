"""The bridge to the Claude Agent SDK: `pip install claude-agent-sdk`.

`server` is an MCP server in this process with the tools; `run` takes what the agent of some options is to answer, and adds
that server. Each thread of the bot is a session, which is resumed.
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
    from claude_agent_sdk import ClaudeAgentOptions, SdkMcpTool
    from claude_agent_sdk.types import McpSdkServerConfig

NAME = "b2b"
"""The name of the server. Its tools are called mcp__b2b__send and so on."""


def tools(client: AsyncClient, *, only: Collection[str] | None = None) -> "list[SdkMcpTool[Any]]":
    """Returns the tools, or those of some names."""
    return [_tool(each) for each in all_tools(client, only=only)]


def _tool(tool: Tool) -> Any:
    from claude_agent_sdk import SdkMcpTool

    async def call(arguments: dict[str, Any]) -> dict[str, Any]:
        result = await tool.call(arguments)
        return {"content": [{"type": "text", "text": result.text}], "is_error": result.failed}

    return SdkMcpTool(name=tool.name, description=tool.description, input_schema=tool.schema, handler=call)


def server(client: AsyncClient, *, only: Collection[str] | None = None) -> "McpSdkServerConfig":
    """Returns a server with the tools, for mcp_servers of the options."""
    from claude_agent_sdk import create_sdk_mcp_server

    return create_sdk_mcp_server(NAME, tools=tools(client, only=only))


async def run(
    client: AsyncClient, options: "ClaudeAgentOptions", *, only: Collection[str] | None = None, **loop: Unpack[RunFields]
) -> None:
    """Has an agent with these options answer what is addressed to the bot.

    It has the tools, or those of some names, and may use them without being asked.
    """
    from dataclasses import replace

    from claude_agent_sdk import ResultMessage, query

    offered = [f"mcp__{NAME}__{each.name}" for each in all_tools(client, only=only)]
    given = options.mcp_servers if isinstance(options.mcp_servers, dict) else None
    if given is None:
        raise TypeError("mcp_servers must be a dict, to which the tools can be added")
    sessions = Sessions[str]()

    async def answer(turn: Turn) -> str:
        # Claude goes on with a session whose last turn has failed. If that does not help, another one begins.
        session = sessions.get(turn.session) if turn.item.attempt < 3 else None
        own = replace(
            options,
            mcp_servers={**given, NAME: server(client, only=only)},
            allowed_tools=[*options.allowed_tools, *offered],
            resume=session or options.resume,
        )
        result: Any = None
        async for message in query(prompt=turn.prompt, options=own):
            if isinstance(message, ResultMessage):
                result = message
                sessions.put(turn.session, message.session_id)
        if result is None or result.is_error:
            raise RuntimeError(f"the agent failed: {result.subtype if result else 'it gave no result'}")
        return result.result or ""

    await run_loop(client, answer, **loop)
