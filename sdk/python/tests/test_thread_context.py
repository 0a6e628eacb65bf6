"""The context of threads, against the examples in sdk/testdata, which all SDKs share (B2B-SDK-033)."""

import asyncio
import copy
import inspect
import json
import logging
import re
import threading
import unittest
from pathlib import Path
from typing import Any

from b2b_protocol import AsyncThreadContext, ContextOptions, ThreadContext, Trigger

CASES = json.loads((Path(__file__).parents[2] / "testdata" / "threadcontext.json").read_text(encoding="utf-8"))["cases"]


def options_of(given: dict[str, Any]) -> ContextOptions:
    """Returns the options of a case, whose names are those of TypeScript."""
    lifecycle = given.get("lifecycle", {})
    fields: dict[str, Any] = {re.sub("(?=[A-Z])", "_", name).lower(): value for name, value in given.items() if name != "lifecycle"}
    if "maxBufferSize" in lifecycle:
        fields["lifecycle_buffer_size"] = lifecycle["maxBufferSize"]
    return ContextOptions(**fields, lifecycle_modes=lifecycle.get("modes", {}))


class Fake:
    """A client of what a case says."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.threads, self.artifacts = case.get("threads", {}), dict(case.get("artifacts", {}))

    def get_me(self) -> Any:
        return {"id": "me"}

    def get_thread(self, thread_id: str, /) -> Any:
        return copy.deepcopy(self.threads[thread_id])

    def list_artifacts(self, thread_id: str, /) -> Any:
        return self.artifacts.get(thread_id, [])


class AsyncFake(Fake):
    async def get_me(self) -> Any:
        return super().get_me()

    async def get_thread(self, thread_id: str, /) -> Any:
        return super().get_thread(thread_id)

    async def list_artifacts(self, thread_id: str, /) -> Any:
        return super().list_artifacts(thread_id)


def message(id: str, content: str = "@echo", thread: str = "t1") -> Any:
    about = {
        "id": id,
        "sender_id": "b1",
        "sender_name": "nova",
        "content": content,
        "parts": [],
        "metadata": None,
        "created_at": int(id[1:]),
    }
    return {"type": "thread_message", "thread_id": thread, "message": about}


class ContextTest(unittest.TestCase):
    def setUp(self) -> None:
        log = logging.getLogger("b2b_protocol")
        self.addCleanup(log.setLevel, log.level)
        log.setLevel(logging.ERROR)  # some cases have threads that cannot be loaded

    def test_the_shared_examples(self) -> None:
        cases = [case for case in CASES if case.get("only") != "hxa"]
        self.assertGreater(len(cases), 15)
        for kind, client in ((ThreadContext, Fake), (AsyncThreadContext, AsyncFake)):
            for case in cases:
                with self.subTest(kind=kind.__name__, name=case["name"]):
                    asyncio.run(self.play(kind, client(case), case))

    async def play(self, kind: Any, client: Any, case: dict[str, Any]) -> None:
        context = kind(client, options_of(case["options"]))
        deliveries: list[dict[str, Any]] = []
        failures = 0

        async def settled(value: Any) -> None:
            if inspect.isawaitable(value):
                await value

        def handler(trigger: Trigger) -> None:
            nonlocal failures
            shot = trigger.snapshot
            deliveries.append(
                {
                    "reason": trigger.reason,
                    "message": trigger.message["id"],
                    "messages": [one["id"] for one in shot.new_messages],
                    "events": [event["type"] for event in shot.lifecycle_events],
                    "artifacts": [f"{one['artifact_key']} {one['version']}" for one in shot.artifacts],
                }
            )
            if failures:
                failures -= 1
                raise RuntimeError("the handler failed")

        context.on_mention(handler)
        for at, step in enumerate(case["steps"]):
            where = f"step {at}: {str(step)[:200]}"
            if "event" in step and "messages" not in step:
                if step.get("fails"):
                    with self.assertRaisesRegex(RuntimeError, "the handler failed", msg=where):
                        await settled(context.handle(step["event"]))
                else:
                    await settled(context.handle(step["event"]))
            elif "flush" in step:
                await settled(context.flush(step["flush"]))
            elif "fail" in step:
                failures = step["fail"]
            elif "listed" in step:
                client.artifacts["t1"] = step["listed"]
            elif "deliveries" in step:
                self.assertEqual(len(deliveries), len(step["deliveries"]), where)
                for got, want in zip(deliveries, step["deliveries"], strict=True):
                    self.assertEqual({key: got[key] for key in want}, want, where)
                deliveries.clear()
            elif "prompt" in step:
                options = step.get("options", {})
                limit = options.get("maxTokens")
                text = context.prompt(step["prompt"], step["mode"], escape=options.get("escape"), max_tokens=limit)
                self.assertEqual(text, step["text"], where)
                if limit is not None:
                    self.assertLessEqual(len(text.encode()), 4 * limit)
            elif "active" in step:
                self.assertEqual(context.active_threads(), step["active"], where)
            else:
                sizes = (context.buffer_size(step["sizes"]), context.lifecycle_buffer_size(step["sizes"]))
                self.assertEqual(sizes, (step["messages"], step["events"]), where)

    def test_deliveries_of_a_thread_follow_each_other_and_each_message_is_in_one(self) -> None:
        context = AsyncThreadContext(AsyncFake({}), ContextOptions(bot_names=["echo"], bot_id="me"))
        got: list[tuple[str, list[str]]] = []
        prompts: list[str] = []
        gates = {"t1": asyncio.Semaphore(0), "t2": asyncio.Semaphore(0)}
        running: set[str] = set()

        @context.on_mention
        async def handler(trigger: Trigger) -> None:
            self.assertNotIn(trigger.thread_id, running)
            running.add(trigger.thread_id)
            got.append((trigger.message["id"], [one["id"] for one in trigger.snapshot.new_messages]))
            prompts.append(context.prompt(trigger.thread_id)[-3:])
            await gates[trigger.thread_id].acquire()
            running.discard(trigger.thread_id)

        async def go() -> None:
            events = [
                message("m1"),
                message("m2", "plain"),
                message("m3"),
                message("m4", "more"),
                message("m5"),
                message("m1", "@echo", "t2"),
            ]
            tasks = [asyncio.create_task(context.handle(event)) for event in events]
            for _ in range(10):
                await asyncio.sleep(0)
            self.assertEqual(got, [("m1", ["m1"]), ("m1", ["m1"])])  # the other thread does not wait
            for gate in (gates["t2"], *3 * [gates["t1"]]):
                gate.release()
            await asyncio.gather(*tasks)

        asyncio.run(go())
        self.assertEqual(got[2:], [("m3", ["m2", "m3"]), ("m5", ["m4", "m5"])])
        self.assertEqual((prompts, context.buffer_size("t1")), (4 * ["cho"], 0))

    def test_threads_can_share_a_context(self) -> None:
        context = ThreadContext(Fake({}), ContextOptions(bot_names=["echo"], bot_id="me", max_buffer_size=1000))
        got: list[str] = []
        running = threading.Lock()

        @context.on_mention
        def handler(trigger: Trigger) -> None:
            self.assertTrue(running.acquire(blocking=False), "two deliveries of one thread at a time")
            got.extend(one["id"] for one in trigger.snapshot.new_messages)
            running.release()

        def give(first: int) -> None:
            for number in range(first, first + 50):
                context.handle(message(f"m{number}", "@echo" if number % 3 == 0 else "plain"))

        threads = [threading.Thread(target=give, args=(first,)) for first in range(0, 400, 50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        context.flush("t1")
        self.assertEqual(sorted(got), sorted(f"m{number}" for number in range(400)))

    def test_a_handler_cannot_wait_for_itself(self) -> None:
        for kind, client in ((ThreadContext, Fake), (AsyncThreadContext, AsyncFake)):
            context: Any = kind(client({}), ContextOptions(bot_names=["echo"], bot_id="me"))
            context.on_mention(lambda trigger, context=context: context.flush("t1"))

            async def go(context: Any = context) -> None:
                result = context.handle(message("m1"))
                if inspect.isawaitable(result):
                    await result

            with self.assertRaisesRegex(RuntimeError, "cannot wait"):
                asyncio.run(go())
            self.assertEqual(context.buffer_size("t1"), 1)

    def test_the_number_of_threads_is_limited(self) -> None:
        context = ThreadContext(Fake({}), ContextOptions(bot_names=[], bot_id="me", max_threads=3))
        for number in range(5):
            context.handle(message("m1", "hm", f"t{number}"))
        context.handle(message("m2", "hm", "t2"))
        context.handle(message("m1", "hm", "t5"))
        self.assertEqual(context.active_threads(), ["t4", "t2", "t5"])

    def test_the_own_id_is_that_of_the_client(self) -> None:
        context = ThreadContext(Fake({}), ContextOptions(bot_names=[]))
        got: list[str] = []
        context.on_mention(lambda trigger: got.append(trigger.reason))
        event = message("m1", "@other")
        event["message"]["mentions"] = [{"bot_id": "me", "name": "other"}]
        context.handle(event)
        self.assertEqual(got, ["message"])


if __name__ == "__main__":
    unittest.main()
