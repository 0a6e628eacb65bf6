"""Calls every operation as ../../testdata/rest.json says, against the server at B2B_URL.

Both clients run the steps. The types of responses and events are checked with all keys.
"""

import asyncio
import importlib
import inspect
import io
import json
import logging
import os
import pickle
import re
import subprocess
import sys
import tempfile
import time
import traceback
import types as python_types
import typing
import unittest
from contextlib import AsyncExitStack
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx

from b2b_protocol import AsyncHttpTransport, AsyncRest, B2BError, HttpTransport, Request, Rest, errors, types

URL, SECRET, TOKEN = os.environ["B2B_URL"], os.environ["B2B_ADMIN_SECRET"], os.environ["B2B_TOKEN"]
SDK = Path(__file__).parents[1]
STEPS = json.loads((SDK.parent / "testdata" / "rest.json").read_text(encoding="utf-8"))


def method_of(call: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", call).lower()


def operations(kind: type) -> set[str]:
    return {name for name, value in vars(kind).items() if callable(value) and not name.startswith(("_", "iter_"))}


def mismatch(value: Any, kind: Any, at: str = "$") -> str | None:
    """Returns where a value does not have a type, or None. A key that the type does not have is wrong, too."""
    if kind is Any:
        return None
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, python_types.UnionType):
        wrong = [mismatch(value, one, at) for one in arguments]
        return None if None in wrong else f"{at}: none of {arguments}: {wrong}"
    if origin is typing.Literal:
        return None if value in arguments and type(value) is str else f"{at}: {value!r} is none of {arguments}"
    if origin is list:
        if type(value) is not list:
            return f"{at}: {value!r} is no list"
        return next((w for i, one in enumerate(value) if (w := mismatch(one, arguments[0], f"{at}[{i}]"))), None)
    if origin is dict:
        return None if type(value) is dict else f"{at}: {value!r} is no dict"
    if typing.is_typeddict(kind):
        if type(value) is not dict:
            return f"{at}: {value!r} is no {kind.__name__}"
        hints = typing.get_type_hints(kind, include_extras=True)
        open_to_all = "Keys that the schema does not name" in (kind.__doc__ or "")
        for key in value.keys() - hints.keys():
            if not open_to_all:
                return f"{at}: {kind.__name__} has no key {key!r}"
        for key, hint in hints.items():
            optional = typing.get_origin(hint) is typing.NotRequired
            if key not in value:
                if not optional:
                    return f"{at}: {key!r} is missing"
            elif wrong := mismatch(value[key], typing.get_args(hint)[0] if optional else hint, f"{at}.{key}"):
                return wrong
        return None
    if kind is float:
        return None if type(value) in (int, float) else f"{at}: {value!r} is no number"
    return None if type(value) is (type(None) if kind is None else kind) else f"{at}: {value!r} is no {kind}"


async def settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


class Run:
    """Runs the steps with one of the clients."""

    def __init__(self, test: unittest.TestCase, kind: type, transport: type) -> None:
        self.test, self.kind = test, kind
        self.transport = transport
        self.transports: list[Any] = []
        self.clients = {"anyone": (self.client_of(), {})}
        self.values = {"secret": SECRET}
        self.called: set[str] = set()

    def client_of(self, token: str | None = None) -> Any:
        self.transports.append(self.transport(URL, token))
        return self.kind(self.transports[-1])

    def fill(self, value: Any) -> Any:
        if isinstance(value, str) and value.startswith("$"):
            return self.values[value[1:]]
        if isinstance(value, list):
            return [self.fill(one) for one in value]
        if isinstance(value, dict):
            return {key: self.fill(one) for key, one in value.items()}
        return value

    async def all(self) -> set[str]:
        """Runs all steps, and returns the types of the events that they caused."""
        async with AsyncExitStack() as stack:
            streams = []
            for number, step in enumerate(STEPS):
                with self.test.subTest(number=number, call=step["call"]):
                    await self.step(step, stack, streams)
            seen: set[str] = set()
            for response in streams:
                seen |= await self.events(response)
        for transport in self.transports:
            await settled(transport.aclose() if self.kind is AsyncRest else transport.close())
        return seen

    async def step(self, step: dict[str, Any], stack: AsyncExitStack, streams: list[httpx.Response]) -> None:
        test, name = self.test, method_of(step["call"])
        rest, headers = self.clients[step.get("as", "anyone")]
        responses: list[httpx.Response] = []
        arguments = [*self.fill(step.get("with", [])), *([step["upload"].encode()] if "upload" in step else [])]
        fields = {**self.fill(step.get("fields", {})), "headers": {**headers, **step.get("headers", {})}, "on_response": responses.append}
        method = getattr(rest, name)
        self.called.add(name)
        stream = "AbstractAsyncContextManager" in str(inspect.signature(method)) or "AbstractContextManager" in str(inspect.signature(method))

        async def call() -> Any:
            if not stream:
                return await settled(method(*arguments, **fields))
            manager = method(*arguments, **fields)
            opened = await stack.enter_async_context(manager) if hasattr(manager, "__aenter__") else stack.enter_context(manager)
            if "bytes" in step:
                return await opened.aread() if self.kind is AsyncRest else opened.read()
            return opened

        if "error" in step:
            with test.assertRaises(B2BError) as caught:
                await call()
            error = caught.exception
            test.assertEqual(error.code, step["error"])
            test.assertIs(type(error), errors.ERROR_CLASSES[step["error"]])
            test.assertEqual(error.body["error"], str(error))
            test.assertGreaterEqual(error.status, 400)
            return
        result = await call()
        test.assertEqual(responses[0].status_code, step.get("status", 200))
        if name == "subscribe":
            streams.append(result)
            return
        if "bytes" in step:
            test.assertEqual(result, step["bytes"].encode())
            return
        if "contains" in step:
            test.assertIn(step["contains"], result)
            return
        returns = typing.get_type_hints(getattr(self.kind, name))["return"]
        test.assertIsNone(mismatch(result, returns))
        for key, at in step.get("save", {}).items():
            value = result
            for part in at.split("."):
                value = value[int(part) if part.isdigit() else part]
            self.values[key] = value
        for key, at in step.get("token", {}).items():
            self.clients[key] = (self.client_of(result[at]), {})
        if "cookie" in step:
            cookie = responses[0].headers["set-cookie"].split(";")[0]
            self.clients[step["cookie"]] = (self.clients["anyone"][0], {"Cookie": cookie})

    async def events(self, response: httpx.Response) -> set[str]:
        """Reads events up to the one of the last deletion, and returns their types."""
        seen: set[str] = set()
        hints: Any = types.Event

        def took(line: str) -> bool:
            if not line.startswith("data:"):
                return False
            event = json.loads(line[5:])
            self.test.assertIsNone(mismatch(event, hints))
            seen.add(event["type"])
            return bool(event["type"] == "bot_offline" and event["bot"]["name"] == "fourth")

        if self.kind is AsyncRest:
            async for line in response.aiter_lines():
                if took(line):
                    break
        else:
            for line in response.iter_lines():
                if took(line):
                    break
        return seen


class RestTest(unittest.TestCase):
    def check(self, kind: type, transport: type) -> None:
        run = Run(self, kind, transport)
        seen = asyncio.run(run.all())
        self.assertEqual(operations(kind) - run.called, set(), "operations that no step of rest.json calls")
        all_types = {typing.get_args(typing.get_type_hints(one)["type"])[0] for one in typing.get_args(types.Event)}
        # Only bot_online needs a WebSocket connection.
        self.assertEqual(all_types - seen, {"bot_online"}, "types of events that did not arrive")

    def test_every_operation_responds_with_its_type(self) -> None:
        self.check(Rest, HttpTransport)

    def test_every_operation_responds_with_its_type_for_asyncio(self) -> None:
        self.check(AsyncRest, AsyncHttpTransport)

    def test_both_clients_have_the_same_methods(self) -> None:
        self.assertEqual(operations(Rest), operations(AsyncRest))
        for name in operations(Rest):
            plain, other = inspect.signature(getattr(Rest, name)), inspect.signature(getattr(AsyncRest, name))
            self.assertEqual(plain.parameters, other.parameters, name)

    def test_the_check_of_types_finds_mistakes(self) -> None:
        event = {"type": "bot_renamed", "bot_id": "a", "old_name": "b", "new_name": "c"}
        self.assertIsNone(mismatch(event, types.Event))
        for wrong in ({**event, "new_name": None}, {**event, "more": 1}, {**event, "type": "other"}, {"type": "bot_renamed"}):
            self.assertIsNotNone(mismatch(wrong, types.Event))


class RequestTest(unittest.TestCase):
    def setUp(self) -> None:
        self.requests: list[Request] = []
        self.response = httpx.Response(200, json={})

        def transport(request: Request) -> httpx.Response:
            self.requests.append(request)
            return self.response

        self.rest = Rest(transport)

    def test_a_path_value_cannot_name_another_path(self) -> None:
        self.rest.get_bot("a/b?c#d %é..")
        self.assertEqual(self.requests[0].path, "/api/bots/a%2Fb%3Fc%23d%20%25%C3%A9..")
        wrong: list[Any] = ["", ".", "..", None, 5]
        for value in wrong:
            with self.assertRaisesRegex(ValueError, "give an id or a name"):
                self.rest.get_bot(value)

    def test_a_request_has_the_fields_where_the_server_reads_them(self) -> None:
        self.rest.update_thread("t", topic="é", context=None, expected_revision=0, expected_revisions=[3, 4], timeout=7, headers={"A": "b"})
        request = self.requests[0]
        self.assertEqual(request.headers, {"If-Match": '"0", "3", "4"', "Content-Type": "application/json", "A": "b"})
        self.assertEqual((request.content, request.timeout), ('{"topic":"é","context":null}'.encode(), 7))
        with self.rest.subscribe(types=["message", "bot_online"], cursor="5"):
            self.assertEqual((self.requests[1].path, self.requests[1].stream), ("/api/events?types=message%2Cbot_online", True))
            self.assertEqual(self.requests[1].headers, {"Last-Event-ID": "5"})
        with self.assertRaises(TypeError):
            self.rest.upload_file(b"x")
        with self.assertRaises(ValueError):
            self.rest.upload_file(b"x", name="x", mime_type="text/plain\r\nA: b")
        others: list[Any] = ["report.csv", io.StringIO("x"), None]
        for other in others:
            with self.assertRaisesRegex(TypeError, "the file is a "):
                self.rest.upload_file(other, name="x")
        for wrong in (float("nan"), float("inf")):
            number: Any = wrong
            with self.assertRaises(ValueError):
                self.rest.create_thread(topic="x", context={"deep": [number]})
            with self.assertRaises(ValueError):
                self.rest.list_threads(limit=number)
        self.assertEqual(len(self.requests), 2)
        several: Any = (3, 4)
        self.rest.update_thread("t", expected_revisions=several)
        self.assertEqual(self.requests[2].headers["If-Match"], '"3", "4"')
        with self.rest.subscribe(types=several):
            self.assertEqual(self.requests[3].path, "/api/events?types=3%2C4")
        data: Any = bytearray(b"x")
        self.rest.upload_file(data, name="x")
        form = self.requests[4].form
        assert form is not None
        self.assertEqual(form.file, b"x")

    def caught(self, response: httpx.Response) -> B2BError:
        self.response = response
        with self.assertRaises(B2BError) as caught:
            self.rest.get_me()
        return caught.exception

    def test_an_error_response_is_an_error_of_the_catalogue_or_a_b2b_error(self) -> None:
        body = {"error": "slow down", "code": "RATE_LIMITED", "hint": "wait", "retry_after": 3, "more": 1}
        limited = self.caught(httpx.Response(429, json=body))
        self.assertIsInstance(limited, errors.RateLimited)
        self.assertEqual((str(limited), limited.status, limited.code, limited.hint), ("slow down", 429, "RATE_LIMITED", "wait"))
        self.assertEqual((limited.retry_after, limited.retryable, limited.body), (3, True, body))
        copy = pickle.loads(pickle.dumps(limited))
        self.assertEqual((type(copy), copy.__dict__), (type(limited), limited.__dict__))
        proxy = self.caught(httpx.Response(502, text="<h1>Bad gateway</h1>", headers={"Retry-After": "9"}))
        self.assertEqual((type(proxy), proxy.code, proxy.retry_after, proxy.retryable), (B2BError, "", 9, True))
        self.assertEqual(proxy.body, "<h1>Bad gateway</h1>")
        newer = self.caught(httpx.Response(400, json={"error": "x", "code": "NEWER"}))
        self.assertEqual((type(newer), newer.code, newer.retryable), (B2BError, "NEWER", False))
        self.assertTrue(self.caught(httpx.Response(503, json={"error": "x", "code": "NEWER"})).retryable)
        self.assertEqual(self.caught(httpx.Response(200, text="<h1>Log in</h1>")).message, "the response is not JSON")
        moved = self.caught(httpx.Response(308, headers={"Location": "http://other"}))
        self.assertEqual((moved.status, moved.message), (308, "the response is a redirect: the URL is not that of the server"))
        self.response = httpx.Response(503, json={"status": "degraded"})
        self.assertEqual(self.rest.get_health(), {"status": "degraded"})
        self.response = httpx.Response(503, json={"error": "busy", "code": "UNAVAILABLE"})
        with self.assertRaises(errors.Unavailable):
            self.rest.get_health()

    def test_every_body_of_an_error_is_a_b2b_error(self) -> None:
        for charset in ("hex", "base64", "undefined", "idna", "rot13", "utf-16", "none-such"):
            headers = {"Content-Type": f"text/html; charset={charset}"}
            error = self.caught(httpx.Response(502, content=b"<h1>\xff</h1>", headers=headers))
            self.assertEqual((error.status, error.body), (502, "<h1>\ufffd</h1>"), charset)
            self.response = httpx.Response(200, content="é".encode(), headers=headers)
            self.assertEqual(self.rest.get_skill(), "é")
        for body in (b"[" * 100_000, b"\xff\xfe", b"NaN", b'{"a":' + b"1" * 5_000 + b"}", b"null", b""):
            for status in (200, 429):
                if (status, body) != (200, b"null"):
                    self.assertEqual(self.caught(httpx.Response(status, content=body)).status, status)

    def test_the_wait_before_a_retry_is_a_number_of_seconds_or_none(self) -> None:
        def wait_of(header: str | None, **body: object) -> float | None:
            return self.caught(httpx.Response(429, json=body, headers={} if header is None else {"Retry-After": header})).retry_after

        wrong = ("", "-5", "NaN", "Infinity", "1e999", "9" * 400, "0x10", "1_0", "soon", "Wed, 99 Oct 2015 07:28:00 GMT", "GMT", " GMT")
        for header in wrong:
            self.assertIsNone(wait_of(header), header)
        for header, want in (("7", 7), ("1.5", 1.5), ("0", 0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0)):
            self.assertEqual(wait_of(header), want)
        wait = wait_of(formatdate(time.time() + 3600, usegmt=True))
        assert wait is not None
        self.assertTrue(3000 < wait <= 3600, wait)
        self.assertEqual(wait_of("9", retry_after=3), 3)
        for value in (-3, True, "3", None, 10**400):
            self.assertEqual(wait_of("9", retry_after=value), 9, value)

    def test_no_error_log_or_repr_has_a_secret(self) -> None:
        log = io.StringIO()
        handler = logging.StreamHandler(log)
        root = logging.getLogger()
        level = root.level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        self.addCleanup(root.setLevel, level)
        self.addCleanup(root.removeHandler, handler)
        secret = "sesame"

        def check(call: Any, *arguments: Any, **named: Any) -> None:
            with self.assertRaises(ValueError) as caught:
                call(*arguments, **named)
            error = caught.exception
            self.assertNotIn(secret, "".join(traceback.format_exception(error)) + repr(error) + repr(error.__context__))

        for kind in (HttpTransport, AsyncHttpTransport):
            for end in ("\n", "\r\nA: b", " é", "\u0100"):
                check(kind, URL, secret + end)
            check(kind, URL, "")
            for url in ("http://u:{}@h", "http://{}@h", "http://u:{}@:x", "http://u:{}", "ftp://u:{}@h", "http://h/?key={}", "http://h/#{}"):
                check(kind, url.format(secret))
        with HttpTransport(URL, TOKEN) as transport:
            rest = Rest(transport)
            for value in (f"a={secret}\nb", f"a={secret} é", f"{secret} "):
                check(rest.get_me, headers={"Cookie": value})
            check(lambda: rest.subscribe(cursor=f"{secret}\nb").__enter__())
            self.assertNotIn(TOKEN, repr(transport) + repr(rest))
        self.rest.login(type="bot", token=secret, headers={"Cookie": secret})
        self.rest.upload_file(secret.encode(), name="x")
        self.assertEqual(len(self.requests), 2)
        self.assertNotIn(secret, repr(self.requests) + repr(self.requests[1].form))
        self.assertNotIn(secret, log.getvalue())

    def test_a_timeout_is_a_number_of_seconds(self) -> None:
        for wrong in (float("nan"), -1.0):
            with self.assertRaises(ValueError):
                HttpTransport(URL, timeout=wrong)
            with HttpTransport(URL, TOKEN) as transport, self.assertRaisesRegex(ValueError, "the timeout"):
                Rest(transport).get_me(timeout=wrong)
        for seconds in (0, float("inf"), 2.0**31, 1e12):
            with HttpTransport(URL, TOKEN, timeout=seconds) as transport:
                Rest(transport).get_me()

    def test_a_transport_sends_its_token_org_and_base_path(self) -> None:
        seen: list[httpx.Request] = []

        def respond(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return httpx.Response(200, json={}, headers={"Set-Cookie": "hxa_session=s"})

        client = httpx.Client(transport=httpx.MockTransport(respond))
        with HttpTransport("http://h/hub//", "t", org_id="o", timeout=0, client=client) as transport:
            Rest(transport).get_bot("a/b")
            Rest(HttpTransport(" http://h/hub \n", client=client)).get_bot("a/b")
        self.assertEqual([str(request.url) for request in seen], 2 * ["http://h/hub/api/bots/a%2Fb"])
        self.assertEqual((seen[0].headers["Authorization"], seen[0].headers["X-Org-Id"]), ("Bearer t", "o"))
        self.assertFalse(client.is_closed)
        for wrong in ("", "localhost:4800", "ftp://localhost", "http://[::1"):
            with self.assertRaises(ValueError):
                HttpTransport(wrong)

    def test_a_file_is_sent_from_its_position(self) -> None:
        bodies: list[tuple[bytes, str | None]] = []

        def respond(request: httpx.Request) -> httpx.Response:
            bodies.append((request.read(), request.headers.get("Content-Length")))
            return httpx.Response(200, json={})

        client = httpx.Client(transport=httpx.MockTransport(respond))
        transport = HttpTransport("http://h", client=client)

        def twice(request: Request) -> httpx.Response:
            transport(request)
            return transport(request)

        with tempfile.TemporaryFile() as file:
            for source in (io.BytesIO(), file):
                source.write(b"head" + b"x" * 200_000)
                source.seek(4)
                Rest(twice).upload_file(source, name="x")
        self.assertEqual(len(bodies), 4)
        for body, length in bodies:
            self.assertIn(b"\r\n\r\n" + b"x" * 200_000 + b"\r\n--", body)
            self.assertEqual(length, str(len(body)))
        read, write = os.pipe()
        with open(write, "wb") as target:
            target.write(b"piped")
        with open(read, "rb") as pipe:
            Rest(transport).upload_file(pipe, name="x")
        self.assertIn(b"\r\n\r\npiped\r\n--", bodies[4][0])

    def test_a_login_does_not_change_who_later_calls_come_from(self) -> None:
        with HttpTransport(URL) as transport:
            rest = Rest(transport)
            rest.login(type="bot", token=TOKEN)
            self.assertEqual(len(transport._client.cookies), 0)
            with self.assertRaises(errors.AuthRequired):
                rest.get_session()


class PackageTest(unittest.TestCase):
    def test_only_connect_needs_its_extra(self) -> None:
        code = "import sys; sys.modules.update(connectrpc=None, protobuf=None); import b2b_protocol.types, b2b_protocol.errors, b2b_protocol.webhook"
        subprocess.run([sys.executable, "-c", code], check=True)
        failed = subprocess.run([sys.executable, "-c", code + "; import b2b_protocol.connect"], capture_output=True, text=True)
        self.assertIn("pip install 'b2b-protocol[connect]'", failed.stderr)

    def test_connect_has_every_message_and_client(self) -> None:
        connect = importlib.import_module("b2b_protocol.connect")
        for module in (SDK / "src/b2b_protocol/gen/b2b/v1").glob("*_connect.py"):
            for client in re.findall(r"^class (\w+Client(?:Sync)?)\(", module.read_text(encoding="utf-8"), re.MULTILINE):
                self.assertTrue(hasattr(connect, client), client)


if __name__ == "__main__":
    unittest.main()
