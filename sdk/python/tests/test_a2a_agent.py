"""An A2A agent made with the a2a-sdk package, which `b2b run --a2a` of the command at B2B_BINARY makes a
bot of the server at B2B_URL."""

import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn
from a2a.helpers.proto_helpers import new_task_from_user_message, new_text_message, new_text_part
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes, create_rest_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types.a2a_pb2 import AgentCapabilities, AgentCard, AgentInterface, AgentSkill
from starlette.applications import Starlette

URL, TOKEN, BINARY = os.environ["B2B_URL"], os.environ["B2B_TOKEN"], os.environ["B2B_BINARY"]


class Painter(AgentExecutor):
    """Asks for a colour and then paints: an artifact in two chunks."""

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        assert context.message is not None
        task = context.current_task
        if task is None:
            task = new_task_from_user_message(context.message)
            await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        said = context.get_user_input()
        if "paint" in said:
            await updater.requires_input(new_text_message("Which colour?", task_id=task.id, context_id=task.context_id))
            return
        if "spill" in said:
            await updater.failed(new_text_message("The pot is empty.", task_id=task.id, context_id=task.context_id))
            return
        await updater.start_work(new_text_message("Mixing.", task_id=task.id, context_id=task.context_id))
        colour = said.split()[-1]
        await updater.add_artifact([new_text_part("a wall, ")], artifact_id="wall", name="wall.txt")
        await updater.add_artifact([new_text_part(colour)], artifact_id="wall", append=True, last_chunk=True)
        await updater.complete(new_text_message(f"Painted {colour}.", task_id=task.id, context_id=task.context_id))

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        raise NotImplementedError


@contextmanager
def painter(binding: str, streaming: bool) -> Iterator[str]:
    """The address of an agent that runs in a thread."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        card = AgentCard(
            name="Painter",
            description="Paints walls.",
            version="1.0.0",
            capabilities=AgentCapabilities(streaming=streaming),
            default_input_modes=["text/plain"],
            default_output_modes=["text/plain"],
            skills=[AgentSkill(id="paint", name="Paint", description="Paints.", tags=["paint"])],
            supported_interfaces=[AgentInterface(url=f"{url}/calls", protocol_binding=binding, protocol_version="1.0")],
        )
        handler = DefaultRequestHandler(agent_executor=Painter(), task_store=InMemoryTaskStore(), agent_card=card)
        calls: list[Any] = [*create_jsonrpc_routes(handler, "/calls")]
        if binding == "HTTP+JSON":
            calls = [*create_rest_routes(handler, path_prefix="/calls")]
        app = Starlette(routes=[*create_agent_card_routes(card), *calls])
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            until(lambda: server.started)
            yield url
        finally:
            server.should_exit = True
            thread.join()


def until(ok: Any, seconds: float = 60) -> Any:
    """Waits for a result that is true."""
    end = time.monotonic() + seconds
    while not (result := ok()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
    return result


class A2AAgentTest(unittest.TestCase):
    def work(self, binding: str, streaming: bool) -> None:
        name = f"decorator-{uuid.uuid4().hex[:8]}"
        with httpx.Client(base_url=URL, headers={"Authorization": f"Bearer {TOKEN}"}) as admin:
            org = admin.get("/api/org").raise_for_status().json()["id"]
            ticket = admin.post("/api/org/tickets", json={"reusable": True}).raise_for_status().json()["ticket"]
            bot = {"org_id": org, "ticket": ticket, "name": name}
            token = admin.post("/api/auth/register", json=bot).raise_for_status().json()["token"]
            thread = admin.post("/api/threads", json={"topic": "the wall", "participants": [name]}).raise_for_status().json()["id"]

            def said(count: int) -> list[str]:
                messages = admin.get(f"/api/threads/{thread}/messages").raise_for_status().json()
                texts = [m["content"] for m in messages if m["sender_name"] == name]
                return texts if len(texts) >= count else []

            def say(text: str) -> None:
                admin.post(f"/api/threads/{thread}/messages", json={"content": f"@{name} {text}"}).raise_for_status()

            with painter(binding, streaming) as url, tempfile.TemporaryDirectory() as home:
                env = {"B2B_URL": URL, "B2B_TOKEN": token, "HOME": home, "PATH": os.environ["PATH"]}
                runner = subprocess.Popen([BINARY, "run", "--a2a", url], env=env, stderr=subprocess.PIPE, text=True)
                try:
                    say("paint the wall")
                    self.assertEqual(until(lambda: said(1)), ["Which colour?"])
                    until(lambda: admin.get(f"/api/threads/{thread}").json()["status"] == "blocked")
                    say("blue")
                    self.assertEqual(until(lambda: said(2))[1], "Painted blue.")
                    say("red")
                    self.assertEqual(until(lambda: said(3))[2], "Painted red.")
                    say("spill it")
                    self.assertEqual(until(lambda: said(4))[3], "The task has failed.\n\nThe pot is empty.")
                finally:
                    runner.send_signal(signal.SIGTERM)
                    _, log = runner.communicate(timeout=60)
                self.assertEqual(runner.returncode, 0, log)
            versions = admin.get(f"/api/threads/{thread}/artifacts/wall.txt/versions").raise_for_status().json()
            self.assertEqual([v["content"] for v in versions], ["a wall, blue", "a wall, red"])
            self.assertEqual(admin.get(f"/api/threads/{thread}").json()["status"], "active")

    def test_json_rpc(self) -> None:
        self.work("JSONRPC", streaming=True)

    def test_json_rpc_without_streams(self) -> None:
        self.work("JSONRPC", streaming=False)

    def test_rest(self) -> None:
        self.work("HTTP+JSON", streaming=True)

    def test_rest_without_streams(self) -> None:
        self.work("HTTP+JSON", streaming=False)


if __name__ == "__main__":
    unittest.main()
