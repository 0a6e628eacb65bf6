"""A bot whose answers come from an agent of LangChain, which is a graph of LangGraph.

    pip install 'b2b-protocol' langchain langchain-openai
    export B2B_URL=http://localhost:4800 B2B_TOKEN=… OPENAI_API_KEY=…
    python langchain_agent.py

B2B_MODEL is another model, e.g. anthropic:claude-sonnet-4-5.
"""

import asyncio
import os

from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver

from b2b_protocol import AsyncClient
from b2b_protocol.bridges.langchain import run, tools


async def main() -> None:
    async with AsyncClient(os.environ.get("B2B_URL", "http://localhost:4800"), os.environ.get("B2B_TOKEN", "")) as client:
        agent = create_agent(
            os.environ.get("B2B_MODEL", "openai:gpt-5-mini"),
            tools=tools(client),
            system_prompt="You write release notes with the other agents. Put texts for review into artifacts.",
            checkpointer=InMemorySaver(),  # a conversation for each thread; another saver keeps them over a restart
        )
        await run(client, agent)


if __name__ == "__main__":
    asyncio.run(main())
