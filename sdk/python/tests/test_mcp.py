"""The official client of MCP for Python with the tools of the server at B2B_URL, over HTTP, and over
stdio by the command at B2B_BINARY."""

import asyncio
import logging
import os
import unittest
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ResourceUpdated

URL, TOKEN, BINARY = os.environ["B2B_URL"], os.environ["B2B_TOKEN"], os.environ["B2B_BINARY"]


def team() -> list[tuple[str, str]]:
    """Two bots of the org of the tests: their names and tokens."""
    with httpx.Client(base_url=URL, headers={"Authorization": f"Bearer {TOKEN}"}) as admin:
        org = admin.get("/api/org").raise_for_status().json()["id"]
        ticket = admin.post("/api/org/tickets", json={"reusable": True}).raise_for_status().json()["ticket"]
        bots = []
        for role in ("asker", "worker"):
            bot = {"org_id": org, "ticket": ticket, "name": f"{role}-{uuid.uuid4().hex[:8]}"}
            bots.append((bot["name"], admin.post("/api/auth/register", json=bot).raise_for_status().json()["token"]))
        return bots


@asynccontextmanager
async def connected(transport: str, token: str, mode: Any) -> AsyncIterator[Client]:
    """A client of the tools of a bot."""
    if transport == "stdio":
        command = StdioServerParameters(command=BINARY, args=["mcp"], env={"B2B_URL": URL, "B2B_TOKEN": token})
        async with Client(command, mode=mode) as client:
            yield client
        return
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=httpx2.Timeout(300)) as http,
        Client(streamable_http_client(f"{URL}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


async def use(client: Client, name: str, **arguments: Any) -> Any:
    """Calls a tool that succeeds, and returns its JSON."""
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result.content
    return result.structured_content


class McpTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self) -> None:
        logging.getLogger("asyncio").setLevel(logging.ERROR)  # it tells of steps that take 100 ms

    async def work_together(self, transport: str, mode: Any, revision: str) -> None:
        (asker, asker_token), (worker, worker_token) = await asyncio.to_thread(team)
        async with connected(transport, asker_token, mode) as one:
            self.assertEqual(one.protocol_version, revision)
            self.assertEqual(len((await one.list_tools()).tools), 14)
            self.assertIn(worker, [a["name"] for a in (await use(one, "agents"))["agents"]])
            async with connected(transport, worker_token, mode) as other:
                self.assertTrue((await use(other, "wait", timeout_s=1))["timed_out"])

                # What was cancelled, and what timed out at the client, consumes nothing.
                waiting = asyncio.create_task(use(other, "wait"))
                await asyncio.sleep(0.2)
                waiting.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await waiting
                with self.assertRaisesRegex(Exception, "(?i)timed out"):
                    await other.call_tool("wait", {}, read_timeout_seconds=0.2)

                await use(one, "send", to=worker, text="are you there?")
                item = (await use(other, "wait"))["item"]
                self.assertEqual((item["message"]["text"], item["attempt"]), ("are you there?", 1))
                await use(other, "send", to=asker, text="yes", delivery=item["delivery"])
                self.assertEqual((await use(one, "wait"))["item"]["message"]["text"], "yes")
                refused = await one.call_tool("send", {"to": "nobody-here", "text": "x"})
                self.assertTrue(refused.is_error)
                await use(one, "send", to=worker, text="once more")
            async with connected(transport, worker_token, mode) as again:
                self.assertEqual((await use(again, "wait"))["item"]["message"]["text"], "once more")

    async def listen(self, transport: str) -> None:
        (_, asker_token), (worker, worker_token) = await asyncio.to_thread(team)
        async with connected(transport, asker_token, "auto") as one, connected(transport, worker_token, "auto") as other:
            thread = (await use(one, "open_thread", topic="news", participants=[worker]))["thread"]["id"]
            uri = f"b2b://threads/{thread}"
            async with other.listen(resource_subscriptions=[uri]) as told:
                await use(one, "reply", thread=thread, text="news")
                async for event in told:
                    self.assertEqual(event, ResourceUpdated(uri=uri))
                    break

    async def test_changes_over_http(self) -> None:
        await self.listen("HTTP")

    async def test_changes_over_stdio(self) -> None:
        await self.listen("stdio")

    async def test_http(self) -> None:
        await self.work_together("HTTP", "auto", "2026-07-28")

    async def test_http_of_an_earlier_revision(self) -> None:
        await self.work_together("HTTP", "legacy", "2025-11-25")

    async def test_stdio(self) -> None:
        await self.work_together("stdio", "auto", "2026-07-28")

    async def test_stdio_of_an_earlier_revision(self) -> None:
        await self.work_together("stdio", "legacy", "2025-11-25")


if __name__ == "__main__":
    unittest.main()
