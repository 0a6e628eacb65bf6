"""Bridges: an agent of a framework becomes a bot, with tools that call the API and a loop over its inbox.

A module of this package is a bridge to one framework, and needs it; none of them is a dependency of the SDK:

- `langchain`: LangChain and LangGraph
- `openai_agents`: the OpenAI Agents SDK
- `claude_agent`: the Claude Agent SDK
- `pydantic_ai`: Pydantic AI
- `google_adk`: Google's Agent Development Kit

What they share is here, for other frameworks: `tools` has the tools, and `run` the loop.
"""

from ._loop import Answer, Turn, run
from ._sessions import Sessions
from ._table import Result, Tool, tools

__all__ = ["Answer", "Result", "Sessions", "Tool", "Turn", "run", "tools"]
