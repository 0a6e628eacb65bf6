"""The test kit: the fake server behaves as the real one (B2B-SDK-037), and fails on demand (B2B-SDK-038)."""

import asyncio
import os
import time
import unittest
from typing import Any

from b2b_protocol import B2BError, Client, MemoryPositionStore, Retry, errors
from b2b_protocol.testing import FakeServer, RealServer


def normal(value: Any, names: dict[str, str], key: str = "") -> Any:
    """Returns a value with the ids in the order of their appearance, and without times."""
    if isinstance(value, dict):
        return {k: normal(v, names, k) for k, v in value.items() if k not in ("online", "last_seen_at", "recipients")}
    if isinstance(value, list):
        return [normal(one, names, key) for one in value]
    if value is None:
        return None
    if key.endswith("_at") or key == "ts":
        return 0
    if key in ("cursor", "by", "members", "lease") or key == "id" or key.endswith("_id"):
        return names.setdefault(value, f"#{len(names)}")
    return value


def deliveries(ann: Client, bob: Client, add: Any, refused: Any) -> None:
    """Works through the inbox of bob."""

    def claim(**fields: Any) -> Any:
        return add(bob.claim_inbox(lease_seconds=600, **fields))["items"]

    def settling(item: Any) -> Any:
        return {"delivery_id": item["id"], "lease": item["lease"]}

    for item in claim(max=100, unordered=True):  # from before: of all kinds
        add(bob.ack_delivery(item["id"], lease=item["lease"]))
    ann.send("bob", "first")
    ann.send("bob", "second")
    ann.send("bob", "for nobody", no_reply=True)
    first = claim(max=5, request_id="claim")[0]
    claim(max=5, request_id="claim")  # the same again
    claim(max=5)  # the second waits for the first
    for _ in range(2):
        add(bob.send("ann", "done", request_id=first["lease"], settles=settling(first)))
    refused(bob.send, "ann", "again", settles=settling(first))
    second = claim(kinds=["direct"])[0]
    add(bob.extend_delivery(second["id"], lease=second["lease"], lease_seconds=700))
    add(bob.progress_delivery(second["id"], lease=second["lease"], text="reading", lease_seconds=700))
    add(bob.nack_delivery(second["id"], lease=second["lease"], retry_in_seconds=0, reason="busy"))
    refused(bob.ack_delivery, second["id"], lease=second["lease"])
    third = claim()[0]
    add(bob.wait_delivery(third["id"], lease=third["lease"], on="human", reason="a question", resume_in_seconds=600))
    claim()
    ann.send("bob", "it comes back")
    fourth = claim()[0]
    add(bob.nack_delivery(fourth["id"], lease=fourth["lease"], final=True))
    fifth = claim()[0]
    refused(bob.ack_delivery, fifth["id"], lease="another")
    add(bob.ack_delivery(fifth["id"], lease=fifth["lease"]))
    thread = ann.create_thread(topic="Inbox", participants=["bob"])["id"]
    invitation = claim(context=True)[0]
    add(bob.add_artifact(thread, artifact_key="k", content="v", settles=settling(invitation)))
    said = bob.send_thread_message(thread, "anything else?")
    ann.send_thread_message(thread, "no", reply_to=said["id"])
    reply = claim(context=True, thread_id=thread)[0]
    add(bob.update_thread(thread, status="reviewing", settles=settling(reply)))
    ann.send_thread_message(thread, "@bob see")
    ann.send_thread_message(thread, "@all see")
    mention = claim(max=5, context=True)[0]
    add(bob.send_thread_message(thread, "seen", settles=settling(mention)))
    everybody = claim(max=5, context=True)[0]
    add(bob.ack_delivery(everybody["id"], lease=everybody["lease"]))
    claim(max=5)
    kinds = {item["kind"] for item in (first, second, invitation, reply, mention, everybody)}
    assert kinds == {"direct", "invitation", "reply", "mention", "all"}


def scenario(ann: Client, bob: Client) -> list[Any]:
    """Does what agents do, and returns all results, errors, and events of bob."""
    out: list[Any] = []

    def add(value: Any) -> Any:
        out.append(value)
        return value

    def refused(call: Any, *arguments: Any, **fields: Any) -> None:
        try:
            call(*arguments, **fields)
        except B2BError as error:
            out.append((error.status, error.code))
        else:
            out.append("no error")

    page: Any = bob.list_catchup_events(since=4_000_000_000_000)
    start = page["stream_cursor"]
    out.append([page["events"], page["has_more"]])
    add([peer["name"] for peer in ann.list_peers()])
    sent = add(ann.send("bob", "hello", request_id="r1"))
    add(ann.send("bob", "hello", request_id="r1"))
    refused(ann.send, "bob", "other", request_id="r1")
    add(bob.reply(sent["message"], "hi"))
    add(ann.send("bob", parts=[{"type": "markdown", "content": "*x*"}]))
    add(bob.get_inbox(since=0))
    add(ann.get_channel(sent["channel_id"]))
    add(ann.list_channel_messages(sent["channel_id"], limit=2))
    add(list(ann.iter_channel_messages(sent["channel_id"], limit=2)))
    thread = add(ann.create_thread(topic="Plan", tags=["a"], participants=["bob"], context={"a": 1}))["id"]
    add(bob.get_thread(thread))
    said = add(bob.send_thread_message(thread, "@ann @all see", metadata={"n": 1}))
    add(ann.reply(said, "seen"))
    add(ann.list_thread_messages(thread))
    add(list(bob.iter_thread_messages(thread, limit=1)))
    add(bob.add_artifact(thread, artifact_key="k", type="markdown", title="K", content="1"))
    refused(ann.add_artifact, thread, artifact_key="k", content="2")
    add(ann.update_artifact(thread, "k", content="2"))
    refused(ann.update_artifact, thread, "other", content="2")
    add(bob.list_artifacts(thread))
    add(bob.list_artifact_versions(thread, "k"))
    add(ann.update_thread(thread, status="reviewing", topic="Plan 2"))
    refused(ann.update_thread, thread, topic="x", expected_revision=1)
    refused(ann.update_thread, thread, status="blocked")
    add(bob.join_thread(thread))
    refused(ann.add_participant, thread, bot_id="bob", label="x")
    add(ann.add_participant(thread, bot_id="bob"))
    add(bob.update_thread(thread, status="resolved"))
    refused(bob.send_thread_message, thread, "late")
    refused(bob.update_thread, thread, topic="late")
    refused(ann.remove_participant, thread, "bob")
    add(bob.list_threads(status="resolved"))
    add(bob.list_threads(status="active"))
    refused(bob.get_thread, "no-such-thread")
    refused(bob.send_thread_message, thread, "x", reply_to="none")
    refused(ann.send, "nobody", "x")
    refused(ann.send, "ann", "x")
    refused(ann.send, "bob")
    refused(ann.create_thread, topic="")
    add(ann.update_thread(thread, status="active"))
    add(ann.remove_participant(thread, "bob"))
    add(ann.get_thread(thread))
    refused(bob.get_channel, "no-such-channel")
    deliveries(ann, bob, add, refused)
    with bob.listen(position=start) as listener:
        for event in listener:
            add(event)
            if event["type"] == "thread_message" and event["message"]["content"] == "seen":
                break
    return out


class FakeTest(unittest.TestCase):
    def setUp(self) -> None:
        self.server = FakeServer()

    def client(self, name: str = "ann", **options: Any) -> Client:
        client = self.server.client(name, **options)
        self.addCleanup(client.close)
        return client

    def test_it_behaves_as_the_real_server(self) -> None:
        names: dict[str, str] = {}
        with RealServer(os.environ["B2B_BINARY"]) as real:
            bots = real.bots("ann", "bob")
            with Client(real.url, bots[0]["token"]) as ann, Client(real.url, bots[1]["token"]) as bob:  # type: ignore[arg-type]
                want = [normal(one, names) for one in scenario(ann, bob)]
        names = {}
        got = [normal(one, names) for one in scenario(self.client("ann"), self.client("bob"))]
        for i, (mine, real_one) in enumerate(zip(got, want, strict=False)):
            with self.subTest(i):
                self.assertEqual(mine, real_one)
        self.assertEqual(len(got), len(want))

    def test_failed_calls_are_tried_again_without_waiting(self) -> None:
        self.client("bob")
        before, start = time.monotonic(), self.server.now
        self.server.fail(2, status=429, code="RATE_LIMITED", retry_after=20)
        self.server.lose(2)
        sent = self.client().send("bob", "once")
        self.assertEqual(len(self.client().list_channel_messages(sent["channel_id"])), 1)
        self.assertLess(time.monotonic() - before, 10)
        self.assertGreaterEqual(self.server.now - start, 40)
        self.server.fail()
        with self.assertRaises(errors.Unavailable):
            self.client(retry=None).get_me()
        self.server.fail(9)
        with self.assertRaises(errors.Unavailable):
            self.client(retry=Retry(attempts=3)).get_me()

    def test_listeners_survive_what_goes_wrong(self) -> None:
        ann, bob = self.client("ann"), self.client("bob")
        store = MemoryPositionStore()
        self.server.repeat()
        got: list[str] = []
        with bob.listen(store=store) as listener:
            listener.start()
            for number in range(200):
                ann.send("bob", str(number))
                if number % 20 == 0:
                    self.server.drop()
                    event = next(e for e in listener if e["type"] == "message")
                    got.append(event["message"]["content"])
            while got[-1] != "199":
                event = next(e for e in listener if e["type"] == "message")
                got.append(event["message"]["content"])
        self.assertEqual(got, [str(number) for number in range(200)])
        ann.send("bob", "missed")
        self.server.expire()
        with bob.listen(store=store) as listener:
            self.assertEqual(next(listener).get("reason"), "CURSOR_EXPIRED")
            ann.send("bob", "after")
            event = next(listener)
            self.assertEqual(event.get("message", {}).get("content"), "after")  # type: ignore[union-attr]

    def test_listeners_end_with_their_credential(self) -> None:
        ann, bob = self.client("ann"), self.client("bob")
        for end in (lambda: self.server.close(4001, "Token expired"), lambda: self.server.invalidate("bob")):
            with bob.listen() as listener:
                listener.start()
                ann.send("bob", "x")
                next(listener)
                end()
                with self.assertRaises((errors.TokenExpired, errors.InvalidToken)):
                    list(listener)
        with self.assertRaises(errors.InvalidToken):
            bob.get_me()
        with self.assertRaises(errors.InvalidToken):
            next(bob.listen())
        with self.assertRaises(errors.InvalidToken):
            bob.listen().start()

    def test_the_same_for_asyncio(self) -> None:
        async def go() -> None:
            async with self.server.async_client("ann") as ann, self.server.async_client("bob") as bob:
                self.server.fail(1, status=429, code="RATE_LIMITED", retry_after=20)
                async with bob.listen() as listener:
                    await listener.start()
                    for number in range(30):
                        await ann.send("bob", str(number))
                        self.server.drop()
                    got: list[str] = []
                    async for event in listener:
                        if event["type"] == "message":
                            got.append(event["message"]["content"])
                        if len(got) == 30:
                            break
                self.assertEqual(got, [str(number) for number in range(30)])

        asyncio.run(go())

    def test_what_it_does_not_have_is_an_error(self) -> None:
        with self.assertRaisesRegex(NotImplementedError, "use RealServer"):
            self.client().list_tokens()
        self.server.advance(10)
        self.assertEqual(self.server.now, 1_767_225_610)


if __name__ == "__main__":
    unittest.main()
