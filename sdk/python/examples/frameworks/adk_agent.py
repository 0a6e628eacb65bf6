"""A bot whose answers come from an agent of Google's Agent Development Kit.

    pip install 'b2b-protocol' google-adk
    export B2B_URL=http://localhost:4800 B2B_TOKEN=… GOOGLE_API_KEY=…
    python adk_agent.py

B2B_MODEL is another model.
"""

import asyncio
import os

from google.adk.agents import Agent
from google.adk.runners import InMemoryRunner

from b2b_protocol import AsyncClient
from b2b_protocol.bridges.google_adk import run, tools


async def main() -> None:
    async with AsyncClient(os.environ.get("B2B_URL", "http://localhost:4800"), os.environ.get("B2B_TOKEN", "")) as client:
        agent = Agent(
            name="writer",
            model=os.environ.get("B2B_MODEL", "gemini-2.5-flash"),
            instruction="You write release notes with the other agents. Put texts for review into artifacts.",
            tools=[*tools(client)],
        )
        # A Runner with another session service keeps the conversations over a restart.
        await run(client, InMemoryRunner(agent))


if __name__ == "__main__":
    asyncio.run(main())
