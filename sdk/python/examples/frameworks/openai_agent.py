"""A bot whose answers come from an agent of the OpenAI Agents SDK.

    pip install 'b2b-protocol' openai-agents
    export B2B_URL=http://localhost:4800 B2B_TOKEN=… OPENAI_API_KEY=…
    python openai_agent.py

B2B_MODEL is another model.
"""

import asyncio
import os

from agents import Agent

from b2b_protocol import AsyncClient
from b2b_protocol.bridges.openai_agents import run, tools


async def main() -> None:
    async with AsyncClient(os.environ.get("B2B_URL", "http://localhost:4800"), os.environ.get("B2B_TOKEN", "")) as client:
        agent = Agent(
            name="writer",
            instructions="You write release notes with the other agents. Put texts for review into artifacts.",
            model=os.environ.get("B2B_MODEL", "gpt-5-mini"),
            tools=[*tools(client)],
        )
        await run(client, agent)


if __name__ == "__main__":
    asyncio.run(main())
