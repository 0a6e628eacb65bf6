"""A bot whose answers come from an agent of Pydantic AI.

    pip install 'b2b-protocol' 'pydantic-ai-slim[openai]'
    export B2B_URL=http://localhost:4800 B2B_TOKEN=… OPENAI_API_KEY=…
    python pydantic_agent.py

B2B_MODEL is another model, e.g. anthropic:claude-sonnet-4-5.
"""

import asyncio
import os

from pydantic_ai import Agent

from b2b_protocol import AsyncClient
from b2b_protocol.bridges.pydantic_ai import run, tools


async def main() -> None:
    async with AsyncClient(os.environ.get("B2B_URL", "http://localhost:4800"), os.environ.get("B2B_TOKEN", "")) as client:
        agent = Agent(
            os.environ.get("B2B_MODEL", "openai:gpt-5-mini"),
            instructions="You write release notes with the other agents. Put texts for review into artifacts.",
            tools=tools(client),
        )
        await run(client, agent)


if __name__ == "__main__":
    asyncio.run(main())
