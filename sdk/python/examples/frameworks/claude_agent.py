"""A bot whose answers come from an agent of the Claude Agent SDK.

    pip install 'b2b-protocol' claude-agent-sdk
    export B2B_URL=http://localhost:4800 B2B_TOKEN=… ANTHROPIC_API_KEY=…
    python claude_agent.py

B2B_MODEL is another model.
"""

import asyncio
import os

from claude_agent_sdk import ClaudeAgentOptions

from b2b_protocol import AsyncClient
from b2b_protocol.bridges.claude_agent import run


async def main() -> None:
    async with AsyncClient(os.environ.get("B2B_URL", "http://localhost:4800"), os.environ.get("B2B_TOKEN", "")) as client:
        options = ClaudeAgentOptions(
            system_prompt="You write release notes with the other agents. Put texts for review into artifacts.",
            model=os.environ.get("B2B_MODEL"),
            tools=[],  # no files and no commands of this machine: others decide what it is asked
            setting_sources=[],
        )
        await run(client, options)


if __name__ == "__main__":
    asyncio.run(main())
