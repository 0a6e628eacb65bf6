"""Workers of an inbox, on the fake server with a clock of the test, and on the real one."""

import asyncio
import json
import os
import sys
import threading
import unittest
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx
import virtual_time

from b2b_protocol import AsyncClient, AsyncInbox, AsyncInboxItem, Client, Inbox, InboxItem, Retry, errors
from b2b_protocol.testing import FakeServer, RealServer


class Server(FakeServer):
    """A fake server that logs calls, and loses the responses of some."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, Any]] = []
        self.broken: Callable[[str], bool] = lambda what: False
        self.claimed: Callable[[], None] = lambda: None

    def _execute(self, request: httpx.Request) -> httpx.Response:
        what = request.url.path.rsplit("/", 1)[-1]
        self.calls.append((what, json.loads(request.content) if request.content else None))
        if self.broken(what):
            raise httpx.ReadError("no network", request=request)
        response = super()._execute(request)
        if what == "claim" and len(response.json()["items"]) > 0:
            self.claimed()
        return response

    def count(self, what: str) -> int:
        return len([one for one, _ in self.calls if one == what])

    def all(self, what: str) -> list[Any]:
        return [fields for one, fields in self.calls if one == what]

    def last(self, what: str) -> Any:
        return self.all(what)[-1]


def text(item: AsyncInboxItem | InboxItem) -> str:
    event: Any = item.event
    return str(event["message"]["content"])


class AsyncInboxTest(unittest.TestCase):
    def setUp(self) -> None:
        self.server = Server()
        self.errors: list[str] = []

    def on_error(self, error: Exception, item: Any) -> None:
        self.errors.append(f"{getattr(error, 'code', '') or error} {'claim' if item is None else item.kind}")

    def go(self, test: Callable[[AsyncClient, AsyncClient, AsyncInbox], Awaitable[None]], retry: Retry | None = Retry(), **options: Any) -> None:  # noqa: B008
        async def run() -> None:
            async with self.server.async_client("agent", retry=retry) as agent, self.server.async_client("user") as user:
                await test(agent, user, agent.inbox(on_error=self.on_error, **options))

        virtual_time.run(run())

    def test_a_loop_gets_one_after_the_other_and_each_is_settled(self) -> None:
        """B2B-SDK-042, B2B-SDK-043"""
        got: list[Any] = []

        async def test(agent: AsyncClient, user: AsyncClient, inbox: AsyncInbox) -> None:
            for content in ("1", "2", "3"):
                await user.send("agent", content)
            async with inbox:
                async for item in inbox:
                    self.assertEqual((self.server.count("ack"), self.server.count("claim")), (len(got), len(got) + 1))
                    got.append((item.kind, item.attempt, text(item), item.thread_id))
                    if len(got) == 3:
                        await item.ack()
                        break
            self.assertEqual((await agent.claim_inbox())["items"], [])

        self.go(test, lease_seconds=90, kinds=["direct"], context=True, backlog_seconds=60)
        self.assertEqual(got, [("direct", 1, content, None) for content in ("1", "2", "3")])
        self.assertEqual(self.server.count("nack"), 0)  # it was answered before the loop was left
        fields = self.server.all("claim")[0]
        self.assertRegex(fields.pop("request_id"), "^[0-9a-f]{32}$")
        self.assertEqual(fields, {"max": 1, "lease_seconds": 90, "wait_seconds": 30, "kinds": ["direct"], "context": True, "backlog_seconds": 60})

    def test_as_many_are_handled_at_the_same_time_as_the_program_says(self) -> None:
        """B2B-SDK-042"""
        most: list[int] = []

        async def test(agent: AsyncClient, user: AsyncClient, inbox: AsyncInbox) -> None:
            for name in ("a", "b", "c"):
                async with self.server.async_client(name) as other:
                    await other.send("agent", name)
            running = set[str]()

            async def handle(item: AsyncInboxItem) -> None:
                running.add(text(item))
                most.append(len(running))
                await asyncio.sleep({"a": 5, "b": 1, "c": 5}[text(item)])
                running.discard(text(item))
                if text(item) == "c":
                    inbox.stop()

            await inbox.run(handle, concurrency=2)

        self.go(test)
        self.assertEqual((max(most), self.server.count("ack")), (2, 3))
        claims = [(fields["max"], fields["wait_seconds"]) for fields in self.server.all("claim")]
        self.assertEqual(claims, [(2, 30), (1, 30), (1, 30), (1, 0)])  # the last one was given up
        with self.assertRaisesRegex(TypeError, "no option concurency"):
            self.server.client("agent").inbox(concurency=2)  # type: ignore[call-arg]
        with self.assertRaises(ValueError):
            self.server.client("agent").inbox().run(print, concurrency=0)

    def test_a_lease_is_extended_as_long_as_the_program_has_the_delivery(self) -> None:
        """B2B-SDK-042"""

        async def test(agent: AsyncClient, user: AsyncClient, inbox: AsyncInbox) -> None:
            await user.send("agent", "slow")
            async for item in inbox:
                await asyncio.sleep(65)
                self.assertEqual([fields["lease_seconds"] for fields in self.server.all("extend")], [60, 60, 60])
                await item.progress("half of it")
                self.assertEqual((self.server.last("progress")["text"], self.server.last("progress")["lease_seconds"]), ("half of it", 60))
                await item.extend(300)
                await asyncio.sleep(99)
                self.assertEqual(self.server.count("extend"), 4)
                await asyncio.sleep(2)
                self.assertEqual(self.server.count("extend"), 5)
                await item.wait("human", reason="a question", resume_in=5)
                await asyncio.sleep(500)  # an extension would take it up again
                self.assertEqual(self.server.count("extend"), 5)
                self.assertEqual([self.server.last("wait")[key] for key in ("on", "reason", "resume_in_seconds")], ["human", "a question", 5])
                break
            await inbox.aclose()

        self.go(test)
        self.assertEqual((self.server.count("ack"), self.server.count("nack")), (0, 0))

    def test_what_was_put_aside_and_is_taken_up_again_is_settled(self) -> None:
        """B2B-SDK-042"""

        async def test(agent: AsyncClient, user: AsyncClient, inbox: AsyncInbox) -> None:
            await user.send("agent", "x")

            async def handle(item: AsyncInboxItem) -> None:
                await item.wait("bot")
                await item.extend(60)
                await asyncio.sleep(25)
                inbox.stop()

            await inbox.run(handle)

        self.go(test)
        self.assertEqual((self.server.count("extend"), self.server.count("ack")), (2, 1))

    def test_a_delivery_is_given_back_with_the_text_of_the_error(self) -> None:
        """B2B-SDK-043"""
        attempts: list[int] = []

        async def test(agent: AsyncClient, user: AsyncClient, inbox: AsyncInbox) -> None:
            await user.send("agent", "x")

            async def handle(item: AsyncInboxItem) -> None:
                attempts.append(item.attempt)
                if item.attempt == 1:
                    raise ValueError("no model\0" + "😀" * 600)
                inbox.stop()

            await inbox.run(handle)

        self.go(test)
        self.assertEqual((attempts, self.server.count("nack"), self.server.count("ack"), len(self.errors)), ([1, 2], 1, 1, 1))
        self.assertEqual({**self.server.last("nack"), "request_id": "", "lease": ""}, {"lease": "", "request_id": "", "reason": "no model" + 508 * "😀"})
        self.assertEqual(self.server.now - 1_767_225_600, 1)  # the pause of the server

    def test_what_the_program_answered_itself_is_not_answered_again(self) -> None:
        """B2B-SDK-043"""

        async def test(agent: AsyncClient, user: AsyncClient, inbox: AsyncInbox) -> None:
            for content in ("reply", "ack", "nack", "wait"):
                await user.send("agent", content)

            async def handle(item: AsyncInboxItem) -> None:
                match text(item):
                    case "reply":
                        await item.reply("yes")
                    case "ack":
                        await item.ack()
                    case "nack":
                        await item.nack(final=True, reason="cannot")
                    case _:
                        await item.wait("bot")
                        inbox.stop()
                raise ValueError(f"after {text(item)}")

            await inbox.run(handle)

        self.go(test)
        self.assertEqual([self.server.count(what) for what in ("send", "ack", "nack", "wait")], [5, 1, 1, 1])
        self.assertEqual((self.server.last("nack")["final"], self.server.last("nack")["reason"]), (True, "cannot"))
        self.assertEqual(self.errors, [f"after {what} direct" for what in ("reply", "ack", "nack", "wait")])

    def test_a_delivery_is_given_back_when_the_loop_is_left_and_when_run_is_cancelled(self) -> None:
        """B2B-SDK-043"""

        async def test(agent: AsyncClient, user: AsyncClient, inbox: AsyncInbox) -> None:
            await user.send("agent", "x")
            async with inbox:
                await anext(inbox)
            self.assertEqual(self.server.last("nack")["retry_in_seconds"], 0)
            with self.assertRaises(ZeroDivisionError):
                async with agent.inbox() as other:
                    async for _ in other:
                        raise ZeroDivisionError
            self.assertEqual(self.server.last("nack")["retry_in_seconds"], 0)
            cancelled: list[int] = []

            async def handle(item: AsyncInboxItem) -> None:
                try:
                    await asyncio.sleep(1000)
                except asyncio.CancelledError:
                    cancelled.append(item.attempt)
                    raise

            with self.assertRaises(TimeoutError):
                async with asyncio.timeout(10):
                    await agent.inbox().run(handle)
            self.assertEqual((cancelled, self.server.count("nack"), self.server.last("nack")["retry_in_seconds"]), ([3], 3, 0))
            self.assertEqual((await agent.claim_inbox())["items"][0]["attempt"], 4)

        self.go(test)
        self.assertEqual((self.errors, self.server.count("ack")), ([], 0))

    def test_what_comes_when_the_worker_is_stopped_is_given_back(self) -> None:
        """B2B-SDK-043"""

        async def test(agent: AsyncClient, user: AsyncClient, inbox: AsyncInbox) -> None:
            await user.send("agent", "x")
            claim = inbox._claims.claim_inbox

            async def last(**fields: Any) -> Any:
                page = await claim(**fields)
                inbox.stop()
                return page

            inbox._claims.claim_inbox = last  # type: ignore[method-assign]
            await inbox.run(lambda item: self.fail("it was handed on"))
            self.assertEqual((self.server.last("nack")["retry_in_seconds"], self.server.count("ack")), (0, 0))
            self.assertEqual([item async for item in inbox], [])
            other = agent.inbox()
            item = await anext(other)
            other.stop()
            self.assertTrue(item.signal.is_set() and not item.lost)
            await other.aclose()
            self.assertEqual([fields["retry_in_seconds"] for fields in self.server.all("nack")], [0, 0])

        self.go(test)

    def test_what_a_claim_took_that_was_given_up_is_given_back(self) -> None:
        """B2B-SDK-043"""

        async def test(agent: AsyncClient, user: AsyncClient, inbox: AsyncInbox) -> None:
            await user.send("agent", "x")
            claim = inbox._claims.claim_inbox

            async def lost(**fields: Any) -> Any:
                inbox._claims.claim_inbox = claim  # type: ignore[method-assign]
                await claim(**fields)
                inbox.stop()
                await asyncio.sleep(3600)

            inbox._claims.claim_inbox = lost  # type: ignore[method-assign]
            await inbox.run(lambda item: self.fail("it was handed on"))
            self.assertEqual((self.server.last("nack")["retry_in_seconds"], self.server.count("ack")), (0, 0))

        self.go(test)

    def test_a_reply_is_sent_where_the_event_happened_and_is_one_message(self) -> None:
        """B2B-SDK-044"""
        kinds: list[str] = []

        async def test(agent: AsyncClient, user: AsyncClient, inbox: AsyncInbox) -> None:
            thread = (await user.create_thread(topic="T", participants=["agent"]))["id"]
            said = await user.send_thread_message(thread, "@agent look")
            await user.send("agent", "hello")
            async for item in inbox:
                kinds.append(item.kind)
                self.server.lose(2)
                fields: Any = {"content": "seen", "metadata": {"n": 1}} if item.kind == "mention" else {"content": "thanks"}
                sent = await item.reply(**fields)
                call = self.server.last("send" if item.kind == "direct" else "messages")
                self.assertEqual(call["settles"], {"delivery_id": item.id, "lease": call["request_id"]})
                self.assertEqual(await item.reply(**fields), sent)
                if len(kinds) == 3:
                    break
            await inbox.aclose()
            messages: Any = await user.list_thread_messages(thread)
            got = [(message["content"], message["reply_to_id"]) for message in messages]
            self.assertEqual(got, [("@agent look", None), ("thanks", None), ("seen", said["id"])])
            self.assertEqual([message["content"] for message in await user.get_inbox(since=0)], ["thanks"])
            self.assertEqual((await agent.claim_inbox(unordered=True))["items"], [])

        self.go(test, unordered=True)
        self.assertEqual((kinds, self.server.count("ack"), self.server.count("nack")), (["invitation", "mention", "direct"], 0, 0))

    def test_a_reply_without_an_event_goes_to_the_thread_or_channel(self) -> None:
        """B2B-SDK-044"""

        async def test(agent: AsyncClient, user: AsyncClient, inbox: AsyncInbox) -> None:
            thread = (await user.create_thread(topic="T", participants=["agent"]))["id"]
            await user.send("agent", "1")
            await user.send("agent", "2")
            for step in range(3):
                item = await anext(inbox)
                item.event = None
                if step == 2:
                    item.channel_id = None
                    with self.assertRaisesRegex(ValueError, "no thread and no channel"):
                        await item.reply("where?")
                else:
                    await item.reply("anyway")
            await inbox.aclose()
            messages: Any = await user.list_thread_messages(thread)
            self.assertEqual([message["content"] for message in messages], ["anyway"])
            self.assertEqual([message["content"] for message in await user.get_inbox(since=0)], ["anyway"])

        self.go(test)

    def test_a_reply_that_is_refused_leaves_the_delivery_with_the_program(self) -> None:
        """B2B-SDK-044"""

        async def test(agent: AsyncClient, user: AsyncClient, inbox: AsyncInbox) -> None:
            await user.send("agent", "x")
            item = await anext(inbox)
            self.server.fail(1, status=400, code="VALIDATION_ERROR")
            with self.assertRaises(errors.ValidationError):
                await item.reply("no")
            await asyncio.sleep(25)
            self.assertEqual(self.server.count("extend"), 1)
            await item.reply("yes")
            await inbox.aclose()

        self.go(test)
        self.assertEqual((self.errors, self.server.count("nack")), ([], 0))

    def test_what_the_program_settles_with_the_field_settles_is_not_lost(self) -> None:
        async def test(agent: AsyncClient, user: AsyncClient, inbox: AsyncInbox) -> None:
            thread = (await user.create_thread(topic="T", participants=["agent"]))["id"]
            await user.send_thread_message(thread, "@agent go")

            async def handle(item: AsyncInboxItem) -> None:
                await agent.add_artifact(thread, artifact_key=item.kind, content="v", settles=item.settles)
                if item.kind == "mention":
                    inbox.stop()
                else:
                    await asyncio.sleep(100)
                self.assertFalse(item.lost)

            await inbox.run(handle)
            self.assertEqual((await agent.claim_inbox())["items"], [])

        self.go(test)
        self.assertEqual((self.errors, self.server.count("extend"), self.server.count("ack")), ([], 1, 1))

    def test_the_program_is_told_at_once_that_a_delivery_is_lost(self) -> None:
        """B2B-SDK-045"""
        attempts: list[int] = []

        async def test(agent: AsyncClient, user: AsyncClient, inbox: AsyncInbox) -> None:
            await user.send("agent", "x")

            async def handle(item: AsyncInboxItem) -> None:
                attempts.append(item.attempt)
                self.assertFalse(item.lost)
                if item.attempt == 2:
                    inbox.stop()
                    return
                self.server.lapse()
                await item.signal.wait()
                self.assertTrue(item.lost)
                with self.assertRaises(errors.LeaseLost):
                    await item.reply("too late")

            await inbox.run(handle)
            self.assertEqual(await user.get_inbox(since=0), [])

        self.go(test)
        self.assertEqual((attempts, self.errors, self.server.count("send")), ([1, 2], ["LEASE_LOST direct"], 1))
        self.assertEqual((self.server.count("ack"), self.server.count("nack")), (1, 0))

    def test_a_delivery_is_lost_when_its_lease_could_not_be_extended_in_time(self) -> None:
        """B2B-SDK-045"""

        async def test(agent: AsyncClient, user: AsyncClient, inbox: AsyncInbox) -> None:
            loop = asyncio.get_running_loop()
            await user.send("agent", "x")
            inbox._keeper = replace(inbox._keeper, chance=lambda: 0.5)
            item = await anext(inbox)
            self.server.broken = lambda what: what == "extend" and self.server.count("extend") < 5
            await asyncio.sleep(70)
            self.assertFalse(item.lost)  # it works again in time
            self.server.broken = lambda what: what == "extend"
            before = loop.time()
            await item.signal.wait()
            self.assertTrue(item.lost and before + 30 < loop.time() <= before + 60)
            await inbox.aclose()

        self.go(test, retry=None)
        self.assertEqual((self.errors, self.server.count("ack"), self.server.count("nack")), (["LEASE_LOST direct"], 0, 0))

    def test_a_claim_that_fails_is_made_again_after_a_pause(self) -> None:
        """B2B-SDK-046"""

        async def test(agent: AsyncClient, user: AsyncClient, inbox: AsyncInbox) -> None:
            await user.send("agent", "x")
            start = self.server.now
            self.server.fail(2)
            self.server.fail(1, status=429, code="RATE_LIMITED", retry_after=7)
            self.server.fail(1, status=503, retry_after=600)
            self.server.claimed = lambda: setattr(self.server, "claimed", print) or self.server.lose()
            inbox._keeper = replace(inbox._keeper, chance=lambda: 0.5)
            item = await anext(inbox)
            # 0.5 and 1 seconds, those that the server gave and a little more, then the fifth in a row.
            self.assertAlmostEqual(self.server.now - start, 0.5 + 1 + 7.7 + 66 + 8, places=2)
            self.assertEqual((item.attempt, len({fields["request_id"] for fields in self.server.all("claim")})), (1, 1))
            await asyncio.sleep(1)
            self.assertEqual(self.server.count("extend"), 1)  # its lease began before
            waiting = asyncio.ensure_future(anext(inbox))
            await asyncio.sleep(1)
            inbox.stop()
            with self.assertRaises(StopAsyncIteration):
                await waiting
            self.assertEqual(len({fields["request_id"] for fields in self.server.all("claim")}), 2)

        self.go(test)
        self.assertEqual([error.split()[-1] for error in self.errors], 5 * ["claim"])

    def test_an_error_that_ends_a_listener_ends_the_worker(self) -> None:
        """B2B-SDK-046"""

        async def test(agent: AsyncClient, user: AsyncClient, inbox: AsyncInbox) -> None:
            for status, code in ((401, "INVALID_TOKEN"), (400, "VALIDATION_ERROR")):
                self.server.fail(2, status=status, code=code)
                with self.assertRaises(errors.ERROR_CLASSES[code]):
                    await agent.inbox().run(print)
                with self.assertRaises(errors.ERROR_CLASSES[code]):
                    await anext(agent.inbox())

            def fail(error: Exception, item: Any) -> None:
                raise ZeroDivisionError

            async def handle(item: AsyncInboxItem) -> None:
                raise ValueError

            await user.send("agent", "x")
            with self.assertRaises(ZeroDivisionError):
                await agent.inbox(on_error=fail).run(handle)

        self.go(test)

    def test_a_worker_that_is_stopped_ends_when_its_handlers_have(self) -> None:
        """B2B-SDK-046"""

        async def test(agent: AsyncClient, user: AsyncClient, inbox: AsyncInbox) -> None:
            await user.send("agent", "x")

            async def handle(item: AsyncInboxItem) -> None:
                inbox.stop()
                await item.signal.wait()
                await asyncio.sleep(50)
                await item.reply("done")

            await inbox.run(handle, concurrency=2)
            self.assertEqual([message["content"] for message in await user.get_inbox(since=0)], ["done"])

        self.go(test)
        self.assertEqual((self.server.count("extend"), self.server.count("nack")), (2, 0))


class InboxTest(unittest.TestCase):
    """The same in threads."""

    def setUp(self) -> None:
        self.server = Server()
        self.agent, self.user = self.server.client("agent"), self.server.client("user")
        self.addCleanup(self.agent.close)
        self.addCleanup(self.user.close)

    def test_a_loop(self) -> None:
        """B2B-SDK-042, B2B-SDK-043, B2B-SDK-044"""
        for content in ("1", "2", "3"):
            self.user.send("agent", content)
        with self.agent.inbox() as inbox:
            for item in inbox:
                if text(item) == "1":
                    item.progress("reading")
                    item.extend(100)
                    item.reply("yes")
                elif text(item) == "2":
                    item.wait("bot", resume_in=9)
                else:
                    break
        self.assertEqual((self.server.count("ack"), self.server.last("nack")["retry_in_seconds"]), (0, 0))
        self.assertEqual([message["content"] for message in self.user.get_inbox(since=0)], ["yes"])
        with self.assertRaises(StopIteration):
            next(inbox)
        with self.assertRaisesRegex(RuntimeError, "closed"):
            item.ack()

    def test_handlers_in_threads(self) -> None:
        """B2B-SDK-042, B2B-SDK-043, B2B-SDK-046"""
        for name in ("a", "b", "c"):
            with self.server.client(name) as other:
                other.send("agent", name)
        both = threading.Barrier(2)
        errors_: list[Any] = []
        inbox = self.agent.inbox(on_error=lambda error, item: errors_.append((str(error), item and item.kind)))

        def handle(item: InboxItem) -> None:
            if text(item) != "c":
                both.wait(60)
                item.reply(f"to {text(item)}")
            elif item.attempt == 1:
                raise ValueError("once")
            else:
                inbox.close()  # of a handler: it stops the worker
                self.assertTrue(item.signal.wait(60))
                item.nack(final=True)

        inbox.run(handle, concurrency=2)
        self.assertEqual(errors_, [("once", "direct")])
        self.assertEqual([self.server.count("send"), self.server.count("ack"), self.server.count("nack")], [5, 0, 2])
        self.assertEqual(self.server.all("nack")[0]["reason"], "once")

    def test_a_lost_delivery(self) -> None:
        """B2B-SDK-045"""
        self.user.send("agent", "x")
        seen: list[Any] = []
        with self.agent.inbox(on_error=lambda error, item: seen.append(getattr(error, "code", error))) as inbox:
            for item in inbox:
                if item.attempt == 2:
                    item.ack()
                    break
                self.server.lapse()
                with self.assertRaises(errors.LeaseLost):
                    item.reply("too late")
                self.assertTrue(item.lost and item.signal.is_set())
        self.assertEqual((seen, self.server.count("ack"), self.server.count("nack")), (["LEASE_LOST"], 1, 0))

    def test_it_is_closed_from_another_thread_and_with_the_client(self) -> None:
        """B2B-SDK-046"""
        for close in ("stop", "close", "client"):
            agent = self.server.client("agent")
            inbox = agent.inbox()
            before = self.server.count("claim")
            ended: list[str] = []

            def work(inbox: Inbox = inbox, ended: list[str] = ended) -> None:
                inbox.run(print)
                ended.append("well")

            worker = threading.Thread(target=work)
            worker.start()
            while self.server.count("claim") == before:
                worker.join(0.01)
            {"stop": inbox.stop, "close": inbox.close, "client": agent.close}[close]()
            worker.join(60)
            self.assertEqual((worker.is_alive(), ended), (False, ["well"]), close)
            agent.close()
        self.agent.inbox().close()  # it never began

    def test_an_error_of_the_server_and_the_end_of_the_program(self) -> None:
        """B2B-SDK-046"""
        self.server.fail(2, status=401, code="INVALID_TOKEN")
        with self.assertRaises(errors.InvalidToken):
            self.agent.inbox().run(print)
        with self.assertRaises(errors.InvalidToken):
            next(self.agent.inbox())
        self.user.send("agent", "x")
        with self.assertRaises(SystemExit):
            self.agent.inbox(on_error=lambda error, item: None).run(lambda item: sys.exit(3))
        self.assertEqual(self.server.count("nack"), 1)


class RealTest(unittest.TestCase):
    def test_workers_and_the_real_server(self) -> None:
        """B2B-SDK-042, B2B-SDK-043, B2B-SDK-044, B2B-SDK-045"""
        with RealServer(os.environ["B2B_BINARY"]) as real:
            bots = [bot.get("token", "") for bot in real.bots("agent", "user", "other")]
            agent, user, other = (Client(real.url, token or "") for token in bots)
            with agent, user, other:
                thread = user.create_thread(topic="T", participants=["agent"])["id"]
                user.send_thread_message(thread, "@agent one")
                user.send_thread_message(thread, "@agent two")
                other.send("agent", "three")
                log: list[str] = []
                failed: list[str] = []
                inbox = agent.inbox(context=True, on_error=lambda error, item: failed.append(str(error)))
                direct = threading.Event()

                def handle(item: InboxItem) -> None:
                    event: Any = item.event
                    said = event.get("message", {}).get("content", "")
                    log.append(f"{item.kind} {said} {item.attempt}")
                    if item.kind == "direct":
                        item.extend(600)
                        item.reply("3")
                        direct.set()
                    elif said == "@agent two":
                        self.assertTrue(direct.wait(60))
                        agent.add_artifact(thread, artifact_key="k", content="v", settles=item.settles)
                        inbox.stop()
                    elif said and item.attempt == 1:
                        raise ValueError("once")
                    else:
                        context: Any = item.context
                        self.assertTrue(context["thread"]["id"] == thread and context["messages"])
                        item.reply("yes")

                inbox.run(handle, concurrency=2)
                self.assertEqual(failed, ["once"])
                self.assertEqual(
                    [line for line in log if not line.startswith("direct")],
                    ["invitation  1", "mention @agent one 1", "mention @agent one 2", "mention @agent two 1"],
                )
                said: Any = user.list_thread_messages(thread)
                answers = [(m["content"], m["reply_to_id"] is not None) for m in said if m["sender_name"] == "agent"]
                self.assertEqual(answers, [("yes", False), ("yes", True)])
                self.assertEqual([message["content"] for message in other.get_inbox(since=0)], ["3"])
                self.assertEqual(agent.list_deliveries()["items"], [])
            asyncio.run(self.lost(real, *bots))

    async def lost(self, real: RealServer, *tokens: str) -> None:
        """A lease of one second that the program does not extend in time, since its network is gone."""
        async with AsyncClient(real.url, tokens[0] or "") as agent, AsyncClient(real.url, tokens[2] or "") as other:
            await other.send("agent", "four")
            claimed = (await agent.claim_inbox(wait_seconds=30, lease_seconds=1))["items"][0]
            async with agent.inbox() as inbox:
                item = await anext(inbox)
                self.assertEqual((item.id, item.attempt), (claimed["id"], 2))
                with self.assertRaises(errors.LeaseLost):
                    await agent.ack_delivery(item.id, lease=claimed["lease"])
                await item.reply("4")
            self.assertEqual([message["content"] for message in await other.get_inbox(since=0)], ["3", "4"])


if __name__ == "__main__":
    unittest.main()
