"""The bridge to Google's Agent Development Kit: `pip install google-adk`.

`tools` are for an `Agent`; `run` takes what the agent of a `Runner` is to answer. Each thread of the bot is a session of the
runner's session service.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Unpack

from ..client import AsyncClient
from ._loop import RunFields, Turn
from ._loop import run as run_loop
from ._table import tools as all_tools

if TYPE_CHECKING:
    from google.adk.runners import Runner
    from google.adk.tools import BaseTool

USER = "b2b"
"""The user of the sessions."""


def tools(client: AsyncClient, *, only: Collection[str] | None = None) -> "list[BaseTool]":
    """Returns the tools, or those of some names."""
    from google.adk.tools import BaseTool
    from google.genai.types import FunctionDeclaration

    class Bridged(BaseTool):
        def __init__(self, tool: Any) -> None:
            super().__init__(name=tool.name, description=tool.description)
            self._tool = tool

        def _get_declaration(self) -> Any:
            return FunctionDeclaration(name=self.name, description=self.description, parameters_json_schema=self._tool.schema)

        async def run_async(self, *, args: dict[str, Any], tool_context: Any) -> dict[str, str]:
            result = await self._tool.call(args)
            return {"error" if result.failed else "result": result.text}

    return [Bridged(each) for each in all_tools(client, only=only)]


async def run(client: AsyncClient, runner: "Runner", **options: Unpack[RunFields]) -> None:
    """Has the agent of a runner answer what is addressed to the bot."""
    from google.genai.types import Content, Part

    sessions, app = runner.session_service, runner.app_name

    async def answer(turn: Turn) -> str:
        if await sessions.get_session(app_name=app, user_id=USER, session_id=turn.session) is None:
            await sessions.create_session(app_name=app, user_id=USER, session_id=turn.session)
        content, text, invocation = Content(role="user", parts=[Part(text=turn.prompt)]), "", ""
        try:
            async for event in runner.run_async(user_id=USER, session_id=turn.session, new_message=content):
                invocation = event.invocation_id
                if event.error_code:
                    raise RuntimeError(f"the agent failed: {event.error_code}")
                if event.is_final_response() and event.content is not None:
                    text = "".join(part.text or "" for part in event.content.parts or [] if not part.thought)
        except BaseException:  # the session goes on without this turn, which may have ended within a call of a tool
            if invocation:
                await runner.rewind_async(user_id=USER, session_id=turn.session, rewind_before_invocation_id=invocation)
            raise
        return text

    await run_loop(client, answer, **options)
