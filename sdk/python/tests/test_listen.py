"""Clients and listeners against a server that is killed, behind a proxy that misbehaves."""

import asyncio
import io
import logging
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import faults
import httpx

from b2b_protocol import AsyncClient, Client, FilePositionStore, Retry, errors
from b2b_protocol.testing import RealServer

EVENTS = 1000
MODES: list[faults.Mode] = ["pass", 3000, "twice", 900, "unavailable", "twice", 20_000, "stuck", "limited", "pass", 1500, "twice", 50_000]


def fast() -> Any:
    """Makes the times of listeners short, so that tests are."""
    times = {"BASE": 0.05, "CAP": 0.2, "SILENCE": 1.5, "HANDSHAKE": 1.0, "PING_EVERY": 0.4, "LONG": 0.5}
    return mock.patch.multiple("b2b_protocol._feed", **times)


class ListenTest(unittest.TestCase):
    server: ClassVar[RealServer]

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = RealServer(os.environ["B2B_BINARY"])
        cls.addClassCleanup(cls.server.close)
        cls.sender, cls.receiver = cls.server.bots("sender", "receiver")

    def client(self, bot: Any = None, url: str | None = None, **more: Any) -> Client:
        client = Client(url or self.server.url, (bot or self.receiver)["token"], **more)
        self.addCleanup(client.close)
        return client

    def present(self, bot: Any = None) -> str:
        """Returns the position of the present, since a listener that starts there does so at a time of its own."""
        page: Any = self.client(bot).list_catchup_events(since=int(time.time() * 1000) + 10**9)
        return str(page["stream_cursor"])

    def test_nothing_is_lost_doubled_or_reordered(self) -> None:
        """B2B-SDK-010"""
        port = int(self.server.url.rsplit(":", 1)[1])
        got: dict[str, list[int]] = {}
        proxies: list[faults.Proxy] = []
        ready = threading.Barrier(5)

        def take(name: str, event: Any) -> bool:
            if event["type"] == "message" and event["message"]["content"].startswith("fault "):
                got.setdefault(name, []).append(int(event["message"]["content"][6:]))
            return bool(got.get(name)) and got[name][-1] == EVENTS - 1

        def listen(name: str, url: str, transport: Any, start: str) -> None:
            with Client(url, self.receiver["token"]) as client, client.listen(transport=transport, position=start) as listener:
                ready.wait()
                for event in listener:
                    if take(name, event):
                        return

        async def listen_async(name: str, url: str, transport: Any, start: str) -> None:
            async with AsyncClient(url, self.receiver["token"]) as client, client.listen(transport=transport, position=start) as listener:
                ready.wait()
                async for event in listener:
                    if take(name, event):
                        return

        start = self.present()
        threads = []
        with fast():
            for transport in ("websocket", "sse"):
                proxies += [faults.Proxy(port, MODES), faults.Proxy(port, MODES[::-1])]
                threads += [
                    threading.Thread(target=listen, args=("sync " + transport, proxies[-2].url, transport, start)),
                    threading.Thread(
                        target=lambda *a: asyncio.run(listen_async(*a)), args=("async " + transport, proxies[-1].url, transport, start)
                    ),
                ]
            try:
                for thread in threads:
                    thread.start()
                ready.wait()
                self.write(proxies)
                for thread in threads:
                    thread.join(240)
            finally:
                for proxy in proxies:
                    proxy.close()
        self.assertEqual([thread for thread in threads if thread.is_alive()], [])
        self.assertEqual(set(got), {"sync websocket", "sync sse", "async websocket", "async sse"})
        for name, numbers in got.items():
            self.assertEqual(numbers, list(range(EVENTS)), name)
        self.assertTrue(all(proxy.count > 4 for proxy in proxies), [proxy.count for proxy in proxies])

    def write(self, proxies: list[faults.Proxy]) -> None:
        """Sends the events, while connections are cut and the server is killed."""
        with self.client(self.sender, retry=Retry(attempts=100), timeout=60) as sender:
            restart: threading.Thread | None = None
            for number in range(EVENTS):
                sender.send("receiver", f"fault {number}")
                if number % 100 == 50:
                    for proxy in proxies:
                        proxy.cut()
                if number == EVENTS // 2:
                    self.server.kill()
                    restart = threading.Thread(target=self.server.start)
                    restart.start()
            assert restart is not None
            restart.join()

    def test_a_change_is_made_once_however_often_it_is_sent(self) -> None:
        """B2B-SDK-001"""
        port = int(self.server.url.rsplit(":", 1)[1])
        # The response of the first attempts is lost after the server has made the change.
        proxy = faults.Proxy(port, [1, 1, "unavailable", "pass"])
        self.addCleanup(proxy.close)
        with self.client(self.sender, proxy.url, retry=Retry(base=0.01)) as client:
            sent = client.send("receiver", "once")
        with self.client() as client:
            found = [message["content"] for message in client.iter_channel_messages(sent["channel_id"], limit=50)]
        self.assertEqual((found.count("once"), proxy.count), (1, 4))

    def test_a_listener_continues_after_the_last_handled_event_when_its_process_starts_again(self) -> None:
        """B2B-SDK-011"""
        with tempfile.TemporaryDirectory() as folder, self.client(self.sender) as sender, self.client() as client:
            path = Path(folder) / "positions.json"
            got: list[str] = []
            FilePositionStore(path).save(self.receiver["bot_id"], self.present())
            for number in range(9):
                sender.send("receiver", f"restart {number}")
            for count in (3, 2, 4):
                store = FilePositionStore(path)
                with client.listen(store=store) as listener:
                    for event in listener:
                        if event["type"] == "message":
                            got.append(event["message"]["content"])
                            count -= 1
                        if count == 0:
                            listener.commit(event)
                            break
            self.assertEqual(got, [f"restart {n}" for n in range(9)])
            self.assertEqual(store.load(self.receiver["bot_id"]), listener.position)

    def test_a_position_of_another_log_is_a_resync(self) -> None:
        """B2B-SDK-022"""
        sender, receiver = self.server.bots("sender", "receiver")
        foreign = self.present()
        for transport in ("websocket", "sse"):
            with self.client(receiver) as client, client.listen(position=foreign, transport=transport) as listener:  # type: ignore[arg-type]
                event = next(listener)
                self.assertEqual((event["type"], event.get("reason")), ("resync", "EPOCH_CHANGED"))
                self.client(sender).send("receiver", "after")
                self.assertIn(next(listener)["type"], ("channel_created", "message"))

    def test_an_end_of_the_credential_ends_the_listener_with_its_error(self) -> None:
        """B2B-SDK-020"""
        for transport in ("websocket", "sse"):
            token = self.client().create_token(scopes=["read"])
            client = self.client({"token": token["token"]})
            with client.listen(transport=transport, position=self.present()) as listener:  # type: ignore[arg-type]
                self.client(self.sender).send("receiver", "first")
                with self.assertRaises(errors.InvalidToken):
                    for event in listener:
                        if event["type"] == "message":
                            self.client().delete_token(token["id"])
                self.assertEqual(list(listener), [])
            with self.assertRaises(errors.InvalidToken):
                next(client.listen(transport=transport))  # type: ignore[arg-type]

    def test_close_ends_a_listener_that_is_blocked(self) -> None:
        """B2B-SDK-016"""
        silent = socket.create_server(("127.0.0.1", 0))  # it accepts connections and says nothing
        self.addCleanup(silent.close)
        gone = socket.create_server(("127.0.0.1", 0))
        nobody = gone.getsockname()[1]
        gone.close()
        for url in (self.server.url, f"http://127.0.0.1:{silent.getsockname()[1]}", f"http://127.0.0.1:{nobody}"):
            client = self.client(url=url)
            listener = client.listen()
            done = threading.Event()

            def drain(listener: Any = listener, done: threading.Event = done) -> None:
                list(listener)
                done.set()

            threading.Thread(target=drain, daemon=True).start()
            time.sleep(0.3)
            before = time.monotonic()
            client.close()
            self.assertTrue(done.wait(5))
            self.assertLess(time.monotonic() - before, 4, url)
            listener.close()
        self.assertEqual([t.name for t in threading.enumerate() if t.name == "b2b-listener"], [])

    def test_a_reply_is_sent_where_the_message_came_from(self) -> None:
        sender, receiver = self.client(self.sender), self.client()
        with receiver.listen(position=self.present()) as listener:
            sender.send("receiver", "a question")
            event = next(e for e in listener if e["type"] == "message")
            answer: Any = receiver.reply(event, "an answer")
            self.assertEqual(answer["channel_id"], event["channel_id"])
            again: Any = receiver.reply(answer["message"], "one more")  # to the other bot, not to itself
            self.assertEqual(again["channel_id"], event["channel_id"])
            thread = sender.create_thread(topic="t", participants=["receiver"])
            sender.send_thread_message(thread["id"], "@receiver hello", metadata={"a": 1})
            said = next(e for e in listener if e["type"] == "thread_message")
            answer = receiver.reply(said, "hi")
            self.assertEqual((answer["thread_id"], answer["reply_to_message"]["id"]), (thread["id"], said["message"]["id"]))
            other: Any = {"type": "bot_online"}
            with self.assertRaisesRegex(ValueError, "can be answered"):
                receiver.reply(other, "x")

    def test_the_same_for_asyncio(self) -> None:
        async def go() -> None:
            async with AsyncClient(self.server.url, self.receiver["token"]) as client:
                async with client.listen(position=self.present()) as listener:
                    sending = asyncio.create_task(self._ask())
                    async for event in listener:
                        if event["type"] == "message":
                            answer: Any = await client.reply(event, "an answer")
                            self.assertEqual(answer["channel_id"], event["channel_id"])
                            break
                    await sending
                with self.assertRaises(StopAsyncIteration):
                    await anext(listener)

        asyncio.run(go())

    async def _ask(self) -> None:
        async with AsyncClient(self.server.url, self.sender["token"]) as sender:
            await sender.send("receiver", "a question")
            thread = await sender.create_thread(topic="t", participants=["receiver"])
            message = await sender.send_thread_message(thread["id"], "hello")
            answer: Any = await sender.reply(message, "to myself")
            self.assertEqual(answer["thread_id"], thread["id"])

    def test_a_handler_that_fails_never_ends_the_client(self) -> None:
        """B2B-SDK-014"""
        client = self.client()
        calls: list[str] = []
        reported: list[str] = []

        def handle(event: Any) -> None:
            if event["type"] == "message":
                calls.append(event["message"]["content"])
                if calls.count("first") < 3:
                    raise KeyError("broken")
                if calls[-1] == "second":
                    client.close()

        sender = self.client(self.sender)
        start = self.present()
        for text in ("first", "second"):
            sender.send("receiver", text)
        with mock.patch("b2b_protocol.listen.BASE", 0.01):
            client.run(handle, on_error=lambda error, event: reported.append(repr(error)), position=start)
        self.assertEqual(calls, ["first", "first", "first", "second"])
        self.assertEqual(reported, 2 * ["KeyError('broken')"])

    def test_bad_settings_are_refused_before_the_network(self) -> None:
        """B2B-SDK-006"""
        nobody = "http://127.0.0.1:9"
        wrong: list[tuple[Any, dict[str, Any]]] = [
            (("localhost:9", "t"), {}),
            ((nobody, ""), {}),
            ((nobody, "a\nb"), {}),
            ((nobody, "t"), {"timeout": -1}),
            (("http://127.0.0.1:99999", "t"), {}),
            (("http://two words", "t"), {}),
        ]
        for kind in (Client, AsyncClient):
            for arguments, options in wrong:
                with self.assertRaises(ValueError):
                    kind(*arguments, **options)
            for mistaken in ((None, "t"), (nobody, 5)):
                with self.assertRaisesRegex(TypeError, "must be a text"):
                    kind(*mistaken)
            client: Any = kind(nobody, "t")
            for options in ({"transport": "smoke"}, {"commit": "never"}):
                with self.assertRaises(ValueError):
                    client.listen(**options)
            with self.assertRaisesRegex(TypeError, "no option positions: it has .*store"):
                client.listen(positions=FilePositionStore("p"))
            self.assertNotIn("sesame", repr(kind(nobody, "sesame")))

    def test_a_server_that_is_not_reached_is_named(self) -> None:
        named = "^no connection to http://127.0.0.1:2: .+ Is the server running"
        with Client("http://127.0.0.1:2/hub", "sesame", retry=None) as client, self.assertRaisesRegex(httpx.ConnectError, named):
            client.get_me()

        async def alike() -> None:
            async with AsyncClient("http://127.0.0.1:2/hub", "sesame", retry=None) as client:
                await client.get_me()

        with self.assertRaisesRegex(httpx.ConnectError, named):
            asyncio.run(alike())

    def test_downloads_are_whole_or_nothing_and_limited(self) -> None:
        client = self.client(self.sender)
        data = os.urandom(150_000).hex().encode()
        file = client.upload_file(data, name="x.txt")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.txt"
            for named in (file["id"], file["url"], self.server.url + file["url"]):
                self.assertEqual(client.download(named, max_bytes=len(data)), data)
                self.assertEqual(client.download_to(named, path), path.absolute())
                self.assertEqual(path.read_bytes(), data)
            with self.assertRaises(errors.FileTooLarge):
                client.download(file["id"], max_bytes=len(data) - 1)
            path.write_bytes(b"before")
            proxy = faults.Proxy(int(self.server.url.rsplit(":", 1)[1]), [100_000])
            self.addCleanup(proxy.close)
            for failing, limit in ((client, 10), (self.client(self.sender, proxy.url), 1 << 20)):
                with self.assertRaises((errors.FileTooLarge, httpx.TransportError)):
                    failing.download_to(file["id"], path, max_bytes=limit)
            self.assertEqual((path.read_bytes(), [one.name for one in Path(folder).iterdir()]), (b"before", ["x.txt"]))

            async def go() -> None:
                async with AsyncClient(self.server.url, self.sender["token"]) as client:
                    self.assertEqual(await client.download(file["url"]), data)
                    await client.download_to(file["id"], path)

            asyncio.run(go())
            self.assertEqual(path.read_bytes(), data)
        for wrong in ("http://other.test" + file["url"], "/api/other/x", "/api/files/a/b"):
            with self.assertRaisesRegex(ValueError, "not one of this server"):
                client.download(wrong)
        with self.assertRaises(errors.NotFound):
            client.download("no-such-file")

    def test_texts_arrive_as_they_were_sent(self) -> None:
        """B2B-SDK-010"""
        start, text = self.present(), "line\nfeed \x85 \u2028 \u2029 \x0b \x1c \r\n data: é 表 \U0001f600"
        self.client(self.sender).send("receiver", text)
        for transport in ("websocket", "sse"):
            with self.client().listen(position=start, transport=transport) as listener:  # type: ignore[arg-type]
                event = next(e for e in listener if e["type"] == "message")
                self.assertEqual(event["message"]["content"], text, transport)

    def test_closing_a_client_ends_its_listeners(self) -> None:
        start = self.present()
        self.client(self.sender).send("receiver", "left open")
        client = self.client()
        for _ in client.listen(position=start):
            break
        client.close()
        self.assertEqual([t.name for t in threading.enumerate() if t.name == "b2b-listener"], [])

        async def go() -> None:
            async with AsyncClient(self.server.url, self.receiver["token"]) as client:
                async for _ in client.listen(position=start):
                    break
                self.assertGreater(len(asyncio.all_tasks()), 1)
            self.assertEqual(len(asyncio.all_tasks()), 1)

        asyncio.run(go())

    def test_a_program_ends_though_a_listener_is_open(self) -> None:
        code = "import sys; from b2b_protocol import Client; c = Client(*sys.argv[1:3])\nfor _ in c.listen(position=sys.argv[3]): break"
        start = self.present()
        self.client(self.sender).send("receiver", "left open")
        command = [sys.executable, "-c", code, self.server.url, self.receiver["token"], start]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        self.assertEqual(done.stderr, "")

    def test_retries_can_be_switched_off(self) -> None:
        """B2B-SDK-002"""
        seen: list[httpx.Request] = []

        def respond(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return httpx.Response(502)

        client = httpx.Client(transport=httpx.MockTransport(respond))
        with self.client(retry=None, client=client) as plain, self.assertRaises(errors.B2BError):
            plain.send("x", "y")
        self.assertEqual(len(seen), 1)
        self.assertNotIn(b"request_id", seen[0].read())
        with self.client(retry=Retry(base=0), client=client) as retrying, self.assertRaises(errors.B2BError):
            retrying.send("x", "y", request_id="mine")
        self.assertEqual([b'"mine"' in request.read() for request in seen[1:]], 5 * [True])

    def test_no_log_of_a_listener_has_a_token_or_a_ticket(self) -> None:
        """B2B-SDK-006"""
        log = io.StringIO()
        handler, root = logging.StreamHandler(log), logging.getLogger()
        level = root.level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        try:
            with self.client() as client, client.listen(position=self.present()) as listener:
                self.client(self.sender).send("receiver", "logged")
                next(e for e in listener if e["type"] == "message")
        finally:
            root.setLevel(level)
            root.removeHandler(handler)
        self.assertNotIn(self.receiver["token"], log.getvalue())
        self.assertNotIn("ticket=", log.getvalue())

    def test_websockets_are_an_extra(self) -> None:
        """B2B-SDK-024"""
        code = (
            "import sys; sys.modules['websockets'] = None; from b2b_protocol import Client; c = Client(*sys.argv[1:]);"
            "print(c._network(None).websockets)\ntry: c.listen(transport='websocket')\nexcept ValueError as error: print(error)"
        )
        done = subprocess.run([sys.executable, "-c", code, self.server.url, "t"], capture_output=True, text=True, check=True)
        self.assertIn("False", done.stdout)
        self.assertIn("pip install 'b2b-protocol[websocket]'", done.stdout)


if __name__ == "__main__":
    unittest.main()
