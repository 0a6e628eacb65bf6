"""The receivers of webhooks in the guide and in the examples."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import io
import json
import os
import re
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import httpx

SDK = Path(__file__).parents[1]
GUIDE = SDK.parents[1] / "docs/use/sdk-python.md"
SECRETS = ["the new secret", "the old one"]

Post = Callable[[bytes, dict[str, str]], int]
"""Sends a request to the app, and returns the status of the response."""


def fastapi(app: Any) -> Post:
    def post(body: bytes, headers: dict[str, str]) -> int:
        async def go() -> int:
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://agent") as client:
                return (await client.post("/webhook", content=body, headers=headers)).status_code

        return asyncio.run(go())

    return post


def flask(app: Any) -> Post:
    client = app.test_client()
    return lambda body, headers: int(client.post("/webhook", data=body, headers=headers).status_code)


FRAMEWORKS = {"fastapi": fastapi, "flask": flask}


def signed(body: bytes, secret: str, delivery: str) -> dict[str, str]:
    stamp = str(int(time.time()))
    digest = hmac.new(secret.encode(), f"{delivery}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {"webhook-id": delivery, "webhook-timestamp": stamp, "webhook-signature": "v1," + base64.b64encode(digest).decode()}


def guide(framework: str) -> str:
    """Returns the code of the guide for a framework."""
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    (code,) = [block for block in blocks if f"from {framework} import" in block]
    return str(code)


class WebhookTest(unittest.TestCase):
    def check(self, code: str, framework: str) -> dict[str, Any]:
        names: dict[str, Any] = {"__name__": "receiver"}
        exec(compile(code, framework, "exec"), names)
        self.names, self.post = names, FRAMEWORKS[framework](names["app"])
        body = json.dumps({"type": "message", "text": "Grüße 🎉"}, ensure_ascii=False).encode()
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            for number, secret in enumerate(SECRETS):
                self.assertEqual(self.post(body, signed(body, secret, f"d{number}")), 204)
            self.assertTrue(printed.getvalue())
            size = len(printed.getvalue())
            for wrong in (signed(body, "another", "d3"), signed(body + b" ", SECRETS[0], "d4"), {}):
                self.assertEqual(self.post(body, wrong), 401)
            self.assertEqual(len(printed.getvalue()), size, "a request that is not signed was handled")
        return names

    def test_those_of_the_guide_verify_requests(self) -> None:
        """B2B-SDK-031"""
        for framework in FRAMEWORKS:
            with self.subTest(framework):
                self.check(guide(framework), framework)

    def test_those_of_the_examples_also_handle_each_delivery_once(self) -> None:
        """B2B-SDK-031"""
        for framework in FRAMEWORKS:
            with self.subTest(framework), mock.patch.dict(os.environ, B2B_WEBHOOK_SECRET=",".join(SECRETS)):
                names = self.check((SDK / f"examples/webhook_{framework}.py").read_text(encoding="utf-8"), framework)
                failures, got = [ValueError("the database is locked")], list[str]()

                def handle(event: Any, failures: list[ValueError] = failures, got: list[str] = got) -> None:
                    if failures:
                        raise failures.pop()
                    got.append(event["type"])

                names["handle"] = handle
                body = b'{"type": "thread_message"}'
                with self.assertLogs() if framework == "flask" else contextlib.nullcontext():
                    statuses = [self.post(body, signed(body, SECRETS[0], "again")) for _ in range(3)]
                self.assertEqual((statuses, got), ([500, 204, 204], ["thread_message"]))
