"""The client of the a2a-sdk package gives tasks to an agent of the server at B2B_URL, which is a command
that `b2b run` of the command at B2B_BINARY runs."""

import logging
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from a2a.client import A2ACardResolver, Client, ClientConfig, ClientFactory
from a2a.client.errors import A2AClientError
from a2a.helpers.proto_helpers import get_message_text, new_text_message
from a2a.types import (
    AuthenticationInfo,
    CancelTaskRequest,
    DeleteTaskPushNotificationConfigRequest,
    GetTaskPushNotificationConfigRequest,
    GetTaskRequest,
    ListTaskPushNotificationConfigsRequest,
    ListTasksRequest,
    Message,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    StreamResponse,
    SubscribeToTaskRequest,
    TaskPushNotificationConfig,
    TaskState,
)
from a2a.utils.errors import A2AError
from google.protobuf.json_format import Parse

URL, TOKEN, BINARY = os.environ["B2B_URL"], os.environ["B2B_TOKEN"], os.environ["B2B_BINARY"]


@contextmanager
def agent() -> Iterator[tuple[str, str]]:
    """The id of an agent that repeats each message, and the token of an outsider."""
    with httpx.Client(base_url=URL, headers={"Authorization": f"Bearer {TOKEN}"}) as admin:
        org = admin.get("/api/org").raise_for_status().json()["id"]
        ticket = admin.post("/api/org/tickets", json={"reusable": True}).raise_for_status().json()["ticket"]

        def join(role: str) -> Any:
            bot = {"org_id": org, "ticket": ticket, "name": f"{role}-{uuid.uuid4().hex[:8]}"}
            return admin.post("/api/auth/register", json=bot).raise_for_status().json()

        worker, outsider = join("echo"), join("outsider")
    as_worker = {"Authorization": f"Bearer {worker['token']}"}
    httpx.patch(f"{URL}/api/me/profile", headers=as_worker, json={"protocols": {"a2a": True}}).raise_for_status()
    as_outsider = {"Authorization": f"Bearer {outsider['token']}"}
    made = httpx.post(f"{URL}/api/me/tokens", headers=as_outsider, json={"scopes": ["a2a"]}).raise_for_status()
    with tempfile.TemporaryDirectory() as home:
        env = {"B2B_URL": URL, "B2B_TOKEN": worker["token"], "HOME": home, "PATH": os.environ["PATH"]}
        command = [BINARY, "run", "--input", "text", "--", "sed", "s/^@[^ ]* //; s/^/you said: /"]
        runner = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
        try:
            end = time.monotonic() + 60
            while httpx.get(f"{URL}/api/inbox/deliveries", headers=as_worker).status_code != 200:
                assert time.monotonic() < end, "the agent has no inbox"
                time.sleep(0.05)
            yield worker["bot_id"], made.json()["token"]
        finally:
            runner.send_signal(signal.SIGTERM)
            _, log = runner.communicate(timeout=60)
        assert runner.returncode == 0, log


@contextmanager
def receiver() -> Iterator[tuple[str, queue.Queue[tuple[StreamResponse, HTTPMessage]]]]:
    """The URL of a receiver of push notifications, and what it gets with its headers."""
    got: queue.Queue[tuple[StreamResponse, HTTPMessage]] = queue.Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.put((Parse(body, StreamResponse()), self.headers))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/tasks", got
        finally:
            server.shutdown()
            thread.join()


def told(text: str, **more: Any) -> SendMessageRequest:
    now = more.pop("now", False)
    message = new_text_message(text, role=Role.ROLE_USER, **more)
    return SendMessageRequest(message=message, configuration=SendMessageConfiguration(return_immediately=now))


class A2AClientTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self) -> None:
        logging.getLogger("asyncio").setLevel(logging.ERROR)  # it tells of steps that take 100 ms

    async def work(self, binding: str, streaming: bool) -> None:
        with agent() as (bot, token):
            async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=90) as http:
                card = await A2ACardResolver(http, f"{URL}/a2a/{bot}").get_agent_card()
                self.assertTrue(card.name.startswith("echo-") and card.capabilities.streaming)
                config = ClientConfig(httpx_client=http, streaming=streaming, supported_protocol_bindings=[binding])
                client = ClientFactory(config).create(card)
                await self.talk(client)
                await self.manage(client)

    async def answer(self, client: Client, request: SendMessageRequest) -> tuple[str, TaskState, Message]:
        """Sends a message, and returns the task, its last state and what was said last."""
        task, state, message = "", TaskState.TASK_STATE_UNSPECIFIED, Message()
        async for event in client.send_message(request):
            status = event.task.status if event.HasField("task") else event.status_update.status
            task = task or event.task.id
            state = status.state
            if status.HasField("message"):
                message = status.message
        return task, state, message

    async def talk(self, client: Client) -> None:
        task, state, message = await self.answer(client, told("hello"))
        self.assertEqual((state, get_message_text(message)), (TaskState.TASK_STATE_INPUT_REQUIRED, "you said: hello"))
        again, state, message = await self.answer(client, told("and again", task_id=task))
        self.assertEqual((again, get_message_text(message)), (task, "you said: and again"))
        whole = await client.get_task(GetTaskRequest(id=task))
        said = [get_message_text(m) for m in whole.history]
        self.assertEqual(said, ["hello", "you said: hello", "and again", "you said: and again"])

    async def manage(self, client: Client) -> str:
        task, _, _ = await self.answer(client, told("list me", now=True, context_id="ctx-1"))
        listed = await client.list_tasks(ListTasksRequest(context_id="ctx-1", page_size=10))
        self.assertEqual(([t.id for t in listed.tasks], listed.total_size), ([task], 1))
        canceled = await client.cancel_task(CancelTaskRequest(id=task))
        self.assertEqual(canceled.status.state, TaskState.TASK_STATE_CANCELED)
        with self.assertRaises((A2AError, A2AClientError)):
            await client.cancel_task(CancelTaskRequest(id=task))
        with self.assertRaises((A2AError, A2AClientError)):
            await client.get_task(GetTaskRequest(id="nothing"))
        return task

    async def test_json_rpc(self) -> None:
        await self.work("JSONRPC", streaming=True)

    async def test_subscribe(self) -> None:
        with agent() as (bot, token):
            async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=90) as http:
                card = await A2ACardResolver(http, f"{URL}/a2a/{bot}").get_agent_card()
                client = ClientFactory(ClientConfig(httpx_client=http)).create(card)
                task, _, _ = await self.answer(client, told("hello"))
                states = []
                async for event in client.subscribe(SubscribeToTaskRequest(id=task)):
                    if event.HasField("task"):
                        await client.cancel_task(CancelTaskRequest(id=task))
                    else:
                        states.append(event.status_update.status.state)
                self.assertEqual(states, [TaskState.TASK_STATE_CANCELED])
                with self.assertRaises((A2AError, A2AClientError)):
                    async for _ in client.subscribe(SubscribeToTaskRequest(id=task)):
                        pass

    async def push(self, binding: str) -> None:
        with agent() as (bot, token), receiver() as (url, got):
            async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=90) as http:
                card = await A2ACardResolver(http, f"{URL}/a2a/{bot}").get_agent_card()
                self.assertTrue(card.capabilities.push_notifications)
                auth = AuthenticationInfo(scheme="Bearer", credentials="cred")
                push = TaskPushNotificationConfig(url=url, token="tok", authentication=auth)
                config = ClientConfig(httpx_client=http, supported_protocol_bindings=[binding], push_notification_config=push)
                client = ClientFactory(config).create(card)
                task, _, _ = await self.answer(client, told("hello"))
                posted, headers = got.get(timeout=60)
                self.assertEqual((posted.task.id, get_message_text(posted.task.status.message)), (task, "you said: hello"))
                self.assertEqual((headers["Authorization"], headers["X-A2A-Notification-Token"]), ("Bearer cred", "tok"))
                await self.manage_pushes(client, task, url)
                await client.cancel_task(CancelTaskRequest(id=task))
                posted, _ = got.get(timeout=60)
                self.assertEqual(posted.task.status.state, TaskState.TASK_STATE_CANCELED)

    async def manage_pushes(self, client: Client, task: str, url: str) -> None:
        made = await client.create_task_push_notification_config(TaskPushNotificationConfig(task_id=task, id="second", url=url))
        self.assertEqual((made.id, made.task_id, made.url), ("second", task, url))
        listed = await client.list_task_push_notification_configs(ListTaskPushNotificationConfigsRequest(task_id=task))
        self.assertEqual([c.id for c in listed.configs], [task, "second"])
        await client.delete_task_push_notification_config(DeleteTaskPushNotificationConfigRequest(task_id=task, id="second"))
        with self.assertRaises((A2AError, A2AClientError)):
            await client.get_task_push_notification_config(GetTaskPushNotificationConfigRequest(task_id=task, id="second"))
        kept = await client.get_task_push_notification_config(GetTaskPushNotificationConfigRequest(task_id=task, id=task))
        self.assertEqual((kept.url, kept.token), (url, ""))

    async def test_push_over_json_rpc(self) -> None:
        await self.push("JSONRPC")

    async def test_push_over_rest(self) -> None:
        await self.push("HTTP+JSON")

    async def test_json_rpc_without_streams(self) -> None:
        await self.work("JSONRPC", streaming=False)

    async def test_rest(self) -> None:
        await self.work("HTTP+JSON", streaming=True)


if __name__ == "__main__":
    unittest.main()
