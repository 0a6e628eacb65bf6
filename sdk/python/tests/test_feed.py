"""Listening with a network and a clock of the test (B2B-SDK-010 to B2B-SDK-024)."""

import asyncio
import json
import logging
import unittest
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import virtual_time

from b2b_protocol import B2BError, errors
from b2b_protocol._closes import CLOSES, REFUSALS, STREAM_ENDS, Action, after_close, after_refusal, after_stream_end
from b2b_protocol._connections import LARGEST, Broken, Connection, Ended, NoUpgrade, Resumable, TooLarge, sse_frames
from b2b_protocol._feed import MOST_BYTES, MOST_EVENTS, Feed, Options
from b2b_protocol.listen import AsyncListener, Received
from b2b_protocol.positions import MemoryPositionStore, PositionError

CLOSES_FILE = json.loads((Path(__file__).parents[2] / "testdata" / "closes.json").read_text(encoding="utf-8"))


class ActionsTest(unittest.TestCase):
    def test_closes_and_refusals_lead_to_the_actions_of_the_file(self) -> None:
        """B2B-SDK-020"""

        def want(row: dict[str, Any]) -> Action:
            return Action(row["action"], row.get("code", ""))

        for row in CLOSES_FILE["closes"]:
            self.assertEqual(after_close(row["close"], row.get("reason", "a reason of a later server")), want(row), row)
        for rows, judge in ((CLOSES_FILE["stream_ends"], after_stream_end), (CLOSES_FILE["refusals"], after_refusal)):
            for row in rows:
                body = {"code": row["error"], **({"join_status": row["join_status"]} if "join_status" in row else {})}
                error = errors.ERROR_CLASSES[row["error"]]("x", status=403, code=row["error"], body=body)
                self.assertEqual(judge(error), want(row), row)

    def test_no_action_is_not_in_the_file(self) -> None:
        """B2B-SDK-020"""
        rows = {(row["close"], row.get("reason", "")) for row in CLOSES_FILE["closes"]}
        self.assertEqual({(code, reason) for code, reasons in CLOSES.items() for reason in reasons} - rows, set())
        self.assertEqual(set(STREAM_ENDS), {row["error"] for row in CLOSES_FILE["stream_ends"]})
        self.assertEqual(set(REFUSALS) | {"BOT_NOT_ACTIVE"}, {row["error"] for row in CLOSES_FILE["refusals"]})

    def test_what_the_file_does_not_name(self) -> None:
        """B2B-SDK-020"""
        self.assertEqual(after_close(4999, "").kind, "backoff")
        self.assertEqual(after_refusal(errors.Unavailable("x", status=503, code="UNAVAILABLE")).kind, "backoff")
        self.assertEqual(after_refusal(B2BError("x", status=502)).kind, "backoff")
        self.assertEqual(after_refusal(errors.InvalidToken("x", status=401, code="INVALID_TOKEN")).kind, "stop")
        self.assertEqual(after_refusal(B2BError("x", status=308)).kind, "stop")
        for code, kind in (("UNAVAILABLE", "backoff"), ("INTERNAL_ERROR", "backoff"), ("NEWER", "backoff"), ("TOKEN_EXPIRED", "stop")):
            self.assertEqual(after_stream_end(errors.ERROR_CLASSES.get(code, B2BError)("x", status=0, code=code)).kind, kind)


class SseTest(unittest.TestCase):
    def parse(self, *pieces: bytes) -> list[tuple[str, bytes]]:
        async def given() -> AsyncIterator[bytes]:
            for piece in pieces:
                yield piece

        async def all() -> list[tuple[str, bytes]]:
            return [frame async for frame in sse_frames(given())]

        return asyncio.run(all())

    def test_events_in_pieces_of_any_size(self) -> None:
        text = ': hi\n\nid: 7\nevent: message\ndata: {"a":"\u2028\x85é"}\n\nevent: x\r\ndata: 1\r\ndata: 2\r\n\r\n'.encode()
        want = [("message", '{"a":"\u2028\x85é"}'.encode()), ("x", b"1\n2")]
        for size in (1, 2, 7, len(text)):
            pieces = [text[i : i + size] for i in range(0, len(text), size)]
            self.assertEqual([frame for frame in self.parse(*pieces) if frame[1]], want)

    def test_a_piece_without_an_event_is_a_sign_of_life(self) -> None:
        self.assertEqual(self.parse(b": heartbeat\n\n", b"id: 1\n\n"), [("", b""), ("", b"")])

    def test_a_cut_event_is_not_delivered_and_an_endless_one_ends_the_stream(self) -> None:
        self.assertEqual(self.parse(b'data: {"a":1}\n'), [("", b"")])
        piece = b"x" * (LARGEST // 8)
        for begin, ended in ((b"data: ", b""), (b"data: ", b"\ndata: "), (b"", b"\n:")):
            with self.subTest(begin=begin, ended=ended):
                pieces = [begin, *9 * [piece + ended]]
                if begin:
                    with self.assertRaises(TooLarge):  # B2B-SDK-040
                        self.parse(*pieces)
                else:
                    self.assertEqual(len(self.parse(*pieces)), 10)  # what is no event is not kept


def event(number: int, **more: Any) -> dict[str, Any]:
    return {"type": "message", "n": number, "cursor": f"p{number}", **more}


Script = list[Any]
"""What a connection does: dicts and texts are frames, None a sign of life, numbers are seconds, exceptions end it."""


class FakeConnection:
    def __init__(self, network: "FakeNetwork", script: Script, pings: bool) -> None:
        self.network, self.script, self.pings = network, list(script), pings
        self.pinged: list[float] = []

    async def receive(self) -> str | bytes | None:
        while self.script and isinstance(self.script[0], int | float):
            await asyncio.sleep(self.script.pop(0))
        if not self.script:
            await asyncio.sleep(10**9)
        step = self.script.pop(0)
        if isinstance(step, BaseException):
            raise step
        if callable(step):
            step()
            return None
        return step if step is None or isinstance(step, str) else json.dumps(step)

    async def ping(self) -> None:
        self.pinged.append(asyncio.get_running_loop().time())

    async def close(self) -> None:
        self.network.open -= 1


class FakeNetwork:
    """Gives connections by scripts in turn. It checks that there is never more than one."""

    def __init__(self, *scripts: Any, head: str | None = "p0", websockets: bool = True) -> None:
        self.websockets = websockets
        self.scripts = list(scripts)
        self.start: str | None = head
        self.opened: list[tuple[str, str | None]] = []
        self.times: list[float] = []
        self.connections: list[FakeConnection] = []
        self.open = self.most = 0
        self.heads = 0

    async def head(self) -> str | None:
        self.heads += 1
        return self.start

    async def name(self) -> str:
        return "bot"

    async def websocket(self, position: str | None) -> Connection:
        return await self._open("websocket", position)

    async def stream(self, position: str | None) -> Connection:
        return await self._open("sse", position)

    async def _open(self, kind: str, position: str | None) -> Connection:
        self.opened.append((kind, position))
        self.times.append(asyncio.get_running_loop().time())
        script = self.scripts.pop(0) if self.scripts else []
        if isinstance(script, BaseException):
            raise script
        if isinstance(script, int | float):
            await asyncio.sleep(script)
            script = []
        self.open += 1
        self.most = max(self.most, self.open)
        self.connections.append(FakeConnection(self, script, kind == "websocket"))
        return self.connections[-1]


class AsyncStore:
    """A store that takes a second for each save."""

    def __init__(self, **positions: str) -> None:
        self.positions = dict(positions)
        self.saves: list[str] = []
        self.saving = 0

    async def load(self, key: str, /) -> str | None:
        return self.positions.get(key)

    async def save(self, key: str, position: str, /) -> None:
        assert self.saving == 0, "two saves at a time"
        self.saving += 1
        await asyncio.sleep(1)
        self.saving -= 1
        self.positions[key] = position
        self.saves.append(position)


class ListenerTest(unittest.TestCase):
    def listen(
        self,
        network: FakeNetwork,
        until: int | str,
        *,
        each: Callable[[AsyncListener, Received], Awaitable[None]] | None = None,
        commit: Any = "auto",
        **options: Any,
    ) -> list[Any]:
        """Returns the numbers and types of the events up to one of them."""
        seen: list[Any] = []

        async def go() -> None:
            listener = AsyncListener(Feed(network, Options(**options), chance=lambda: 1.0), commit)
            async with listener:
                async for received in listener:
                    value: Any = received
                    seen.append(value.get("n", value["type"]))
                    if each is not None:
                        await each(listener, received)
                    if seen[-1] == until:
                        break
            self.assertEqual(network.open, 0, "a connection stayed open")

        virtual_time.run(go())
        self.assertLessEqual(network.most, 1, "two connections at a time")
        return seen

    def pauses(self, network: FakeNetwork) -> list[float]:
        return [round(b - a, 3) for a, b in zip(network.times, network.times[1:], strict=False)]

    def test_events_come_once_and_in_order_over_many_connections(self) -> None:
        """B2B-SDK-010, B2B-SDK-013"""
        network = FakeNetwork(
            [None, event(1), event(2), Broken("cut")],
            [event(2), event(3), "{", event(9)],
            httpx.ConnectError("refused"),
            [event(3), {"type": "pong"}, event(4), Ended(1001, "Server shutting down")],
            [event(5, type="of a later server"), {"type": "bot_online", "n": 6}, {"type": "bot_online", "n": 6}, event(7)],
        )
        self.assertEqual(self.listen(network, 7), [1, 2, 3, 4, 5, 6, 6, 7])
        self.assertEqual([position for _, position in network.opened], ["p0", "p2", "p3", "p3", "p4"])

    def test_a_listener_knows_its_position_before_the_first_event(self) -> None:
        """B2B-SDK-012"""
        network = FakeNetwork([Broken("cut")], [event(1)])
        self.listen(network, 1)
        self.assertEqual((network.heads, [position for _, position in network.opened]), (1, ["p0", "p0"]))

    def test_after_start_everything_that_happens_is_delivered(self) -> None:
        """B2B-SDK-012"""

        async def go(network: FakeNetwork) -> tuple[float, str | None, int]:
            async with AsyncListener(Feed(network, Options(), chance=lambda: 1.0)) as listener:
                begun = asyncio.get_running_loop().time()
                await listener.start()
                await listener.start()
                at = asyncio.get_running_loop().time() - begun, listener.position, len(network.opened)
                self.assertEqual([(await anext(listener))["cursor"]], ["p1"])  # type: ignore[typeddict-item]
            await listener.start()  # closed: nothing to wait for
            return at

        self.assertEqual(virtual_time.run(go(FakeNetwork(5, [event(1)])))[:2], (0, "p0"))

        class Down(FakeNetwork):
            async def head(self) -> str | None:
                if self.heads == 0:
                    self.heads += 1
                    raise httpx.ConnectError("refused")
                return await super().head()

        self.assertEqual(virtual_time.run(go(Down([event(1)])))[:2], (1, "p0"))
        self.assertEqual(virtual_time.run(go(FakeNetwork(Broken("cut"), [event(1)], head=None))), (1, None, 2))
        with self.assertRaises(errors.InvalidToken):
            virtual_time.run(go(FakeNetwork(errors.InvalidToken("x", status=401, code="INVALID_TOKEN"), head=None)))

    def test_the_given_position_counts_before_that_of_the_store_and_that_before_the_present(self) -> None:
        """B2B-SDK-012"""
        for options, want in (
            ({"position": "p5", "store": AsyncStore(k="p3"), "key": "k"}, "p5"),
            ({"store": AsyncStore(k="p3"), "key": "k"}, "p3"),
            ({"store": AsyncStore(bot="p4")}, "p4"),
            ({"store": AsyncStore(other="p3"), "key": "k"}, "p0"),
        ):
            network = FakeNetwork([event(9)])
            self.listen(network, 9, **options)
            self.assertEqual(network.opened[0][1], want, options)

    def test_a_caller_that_may_not_know_positions_starts_at_the_present(self) -> None:
        """B2B-SDK-012"""
        network = FakeNetwork([Broken("cut")], [event(1), Broken("cut")], [event(2)], head=None)
        self.assertEqual(self.listen(network, 2), [1, 2])
        self.assertEqual([position for _, position in network.opened], [None, None, "p1"])

    def test_an_event_is_committed_when_the_next_one_is_asked_for(self) -> None:
        """B2B-SDK-011, B2B-SDK-013"""
        store, positions = AsyncStore(), []

        async def each(listener: AsyncListener, received: Received) -> None:
            positions.append(listener.position)

        self.listen(FakeNetwork([event(1), {"type": "bot_online", "n": 0}, event(2), event(3)]), 3, each=each, store=store, key="k")
        self.assertEqual(positions, ["p0", "p1", "p1", "p2"])
        self.assertEqual(store.positions, {"k": "p2"})

    def test_manual_commits_move_the_position_alone(self) -> None:
        """B2B-SDK-011"""
        store = AsyncStore()

        async def each(listener: AsyncListener, received: Received) -> None:
            if received.get("cursor") == "p2":
                listener.commit(received)

        self.listen(FakeNetwork([event(1), event(2), event(3)]), 3, each=each, commit="manual", store=store, key="k")
        self.assertEqual(store.positions, {"k": "p2"})

    def test_saves_are_one_at_a_time_and_the_newest_is_kept(self) -> None:
        """B2B-SDK-011"""
        store = AsyncStore()
        self.listen(FakeNetwork([event(n) for n in range(1, 101)], head="p0"), 100, store=store, key="k")
        self.assertEqual((store.positions["k"], len(store.saves) <= 3), ("p99", True), store.saves)

    def test_a_store_that_fails_ends_the_listener(self) -> None:
        """B2B-SDK-011"""

        class Full(AsyncStore):
            async def save(self, key: str, position: str, /) -> None:
                raise OSError("no room")

        async def slowly(listener: AsyncListener, received: Received) -> None:
            await asyncio.sleep(1)

        with self.assertRaisesRegex(PositionError, "failed to save the position: no room"):
            self.listen(FakeNetwork([event(1), 1, event(2), 1, event(3)]), 3, each=slowly, store=Full(), key="k")

    def test_events_that_are_missed_are_reported_in_their_place(self) -> None:
        """B2B-SDK-022"""
        for end in (Ended(4009, "CURSOR_EXPIRED"), errors.CursorExpired("x", status=410, code="CURSOR_EXPIRED")):
            store = AsyncStore(k="old")
            network = FakeNetwork([Broken("x")] if isinstance(end, Ended) else end, [end], [event(1)], head="p50")
            if not isinstance(end, Ended):
                network.scripts.pop(1)
            resyncs: list[Any] = []

            async def each(listener: AsyncListener, received: Received, resyncs: list[Any] = resyncs) -> None:
                if received["type"] == "resync":
                    resyncs.append((received, listener.position))

            self.assertEqual(self.listen(network, 1, each=each, store=store, key="k"), ["resync", 1])
            self.assertEqual(resyncs, [({"type": "resync", "reason": "CURSOR_EXPIRED", "cursor": "p50"}, "old")])
            self.assertEqual(network.opened[-1][1], "p50")
            self.assertEqual(store.positions, {"k": "p50"})

    def test_pauses_double_up_to_half_a_minute_and_begin_again_after_a_stable_connection(self) -> None:
        """B2B-SDK-021"""
        network = FakeNetwork(*7 * [[None, Broken("cut")]], [None, 11, Broken("cut")], [None, Broken("cut")], [event(1)])
        self.listen(network, 1)
        self.assertEqual(self.pauses(network), [1, 2, 4, 8, 16, 30, 30, 12, 2])

    def test_the_first_connection_is_tried_again_and_a_refused_credential_is_not(self) -> None:
        """B2B-SDK-021"""
        network = FakeNetwork(
            httpx.ConnectError("refused"), errors.Unavailable("x", status=503, code="UNAVAILABLE", retry_after=5), [event(1)]
        )
        self.listen(network, 1)
        self.assertEqual(self.pauses(network), [1, 6])
        with self.assertRaises(errors.InvalidToken):
            self.listen(FakeNetwork(errors.InvalidToken("x", status=401, code="INVALID_TOKEN")), 1)

    def test_close_codes_decide(self) -> None:
        """B2B-SDK-020"""
        for close, reason, want in (
            (4001, "Token expired", errors.TokenExpired),
            (4002, "Session revoked", errors.AuthRequired),
            (4101, "Organization destroyed", errors.OrgDestroyed),
            (4403, "bot_rejected", errors.BotNotActive),
        ):
            network = FakeNetwork([event(1), Ended(close, reason)])
            with self.assertRaises(want) as caught:
                self.listen(network, 9)
            self.assertEqual((str(caught.exception), network.open), (reason, 0))
        for end, pause in (
            (Ended(4008, "slow consumer, resume from your cursor"), 0),
            (Resumable(None), 0),
            (Resumable(2), 2.4),
            (Ended(4010, "TOO_MANY_STREAMS"), 36),
            (Ended(4100, "Organization suspended"), 36),
            (Ended(1012, "Service restart"), 1),
            (Ended(None, "x", errors.Unavailable("x", status=0, code="UNAVAILABLE", retry_after=3)), 3.6),
            (Ended(None, "x", errors.Unavailable("x", status=0, code="UNAVAILABLE", retry_after=60)), 72),
            (Ended(None, "x", errors.Unavailable("x", status=0, code="UNAVAILABLE", retry_after=61)), 72),
            (Resumable(1e9), 72),
        ):
            network = FakeNetwork([None, end], [event(1)])
            self.listen(network, 1)
            self.assertEqual(self.pauses(network), [pause], end)
        for refusal in (
            B2BError("a date of another clock", status=429, code="", retry_after=1e6, retryable=True),
            errors.RateLimited("x", status=429, code="RATE_LIMITED", retry_after=86400),
            NoUpgrade(429, 1e6),
        ):
            network = FakeNetwork(refusal, [event(1)])
            self.listen(network, 1)
            self.assertEqual(self.pauses(network), [72], refusal)
        network = FakeNetwork([None, Ended(4008, "")], [None, Ended(4008, "")], [event(1)])
        self.listen(network, 1)
        self.assertEqual(self.pauses(network), [0, 2])

    def test_a_refused_upgrade_leads_to_server_sent_events(self) -> None:
        """B2B-SDK-024"""
        network = FakeNetwork(NoUpgrade(400), [event(1), Broken("cut")], [event(2)])
        self.listen(network, 2)
        self.assertEqual([kind for kind, _ in network.opened], ["websocket", "sse", "sse"])
        network = FakeNetwork(NoUpgrade(503), [event(1)])
        self.listen(network, 1)
        self.assertEqual([kind for kind, _ in network.opened], ["websocket", "websocket"])

    def test_two_mute_websockets_lead_to_server_sent_events_for_a_while(self) -> None:
        """B2B-SDK-024"""
        network = FakeNetwork([Broken("cut")], [Broken("cut")], [event(1), Broken("cut")], [Broken("cut")], [event(2)])
        self.listen(network, 2)
        self.assertEqual([kind for kind, _ in network.opened], ["websocket", "websocket", "sse", "websocket", "sse"])
        network = FakeNetwork(*3 * [httpx.ConnectError("refused")], [event(1)])
        self.listen(network, 1)
        self.assertEqual({kind for kind, _ in network.opened}, {"websocket"})

    def test_without_the_extra_or_by_choice_there_is_one_transport(self) -> None:
        """B2B-SDK-024"""
        for options, want in (({}, "sse"), ({"transport": "sse"}, "sse")):
            network = FakeNetwork([Broken("cut")], [event(1)], websockets=bool(options))
            self.listen(network, 1, **options)
            self.assertEqual({kind for kind, _ in network.opened}, {want})
        network = FakeNetwork(*3 * [[Broken("cut")]], [event(1)])
        self.listen(network, 1, transport="websocket")
        self.assertEqual({kind for kind, _ in network.opened}, {"websocket"})

    def test_a_silent_connection_is_replaced(self) -> None:
        """B2B-SDK-023"""
        network = FakeNetwork(10**6, [], [None], [event(1), 59, None, 59, event(2)])
        self.listen(network, 2)
        # It did not open for 20 seconds (a ticket and a socket), had no frame for 10, or no further one for 60.
        self.assertEqual(self.pauses(network), [20 + 1, 10 + 2, 60 + 1])
        start = network.times[3]
        self.assertEqual([round(at - start) for at in network.connections[-1].pinged], [0, 25, 50, 75, 100])

    def test_the_queue_is_bounded_and_a_pause_is_no_silence(self) -> None:
        """B2B-SDK-015"""
        network = FakeNetwork([event(n) for n in range(1, 3001)])
        left: list[int] = []

        async def each(listener: AsyncListener, received: Received) -> None:
            if received.get("cursor") == "p1":
                await asyncio.sleep(1000)
                left.append(len(network.connections[0].script))

        self.assertEqual(self.listen(network, 3000, each=each), list(range(1, 3001)))
        self.assertEqual((left, len(network.opened)), ([3000 - MOST_EVENTS - 1], 1))
        big = MOST_BYTES // 2
        network = FakeNetwork([event(n, text="x" * big) for n in range(1, 6)])
        left.clear()
        self.listen(network, 5, each=each)
        self.assertEqual(left, [3])

    def test_close_ends_everything_at_any_time(self) -> None:
        """B2B-SDK-016"""

        async def go(script: Any, seconds: float) -> None:
            network = FakeNetwork(script, script, script)
            listener = AsyncListener(Feed(network, Options(), chance=lambda: 1.0))
            ended = asyncio.create_task(self.count(listener))
            await asyncio.sleep(seconds)
            before = asyncio.get_running_loop().time()
            await listener.aclose()
            await ended
            self.assertEqual(network.open, 0)
            self.assertLess(asyncio.get_running_loop().time() - before, 0.01)
            self.assertEqual(len(asyncio.all_tasks()), 1)
            await listener.aclose()

        for script, seconds in ((5, 2), ([Broken("x")], 1.5), ([None], 3), ([event(n) for n in range(2000)], 1)):
            virtual_time.run(go(script, seconds))

    @staticmethod
    async def count(listener: AsyncListener) -> int:
        count = 0
        async for _ in listener:
            count += 1
            await asyncio.sleep(0.001)
        return count

    def test_a_cancelled_wait_loses_no_event(self) -> None:
        """B2B-SDK-010"""

        async def go() -> None:
            listener = AsyncListener(Feed(FakeNetwork([event(1), 5, event(2)]), Options()))
            async with listener:
                self.assertEqual((await anext(listener)).get("cursor"), "p1")
                with self.assertRaises(TimeoutError):
                    async with asyncio.timeout(1):
                        await anext(listener)
                self.assertEqual((await anext(listener)).get("cursor"), "p2")

        virtual_time.run(go())

    def test_a_handler_that_fails_gets_the_event_again_and_never_ends_the_listener(self) -> None:
        """B2B-SDK-014"""
        calls: list[str] = []
        reported: list[str] = []
        store = AsyncStore()

        async def handler(received: Received) -> None:
            calls.append(str(received.get("cursor")))
            if received.get("cursor") == "p2" or calls.count("p1") == 1:
                raise KeyError("broken")
            if received.get("cursor") == "p3":
                await listener.aclose()

        async def go() -> None:
            await listener.run(handler, on_error=lambda error, of: reported.append(repr(error)), chance=lambda: 1.0)

        network = FakeNetwork([event(1), event(2), event(3)])
        listener = AsyncListener(Feed(network, Options(store=store, key="k")))
        virtual_time.run(go())
        self.assertEqual(calls, ["p1", "p1", "p2", "p2", "p2", "p2", "p3"])
        self.assertEqual(reported, 5 * ["KeyError('broken')"])
        self.assertEqual(store.positions, {"k": "p2"})

    def test_errors_of_handlers_are_logged_without_the_event(self) -> None:
        async def go() -> None:
            def handler(received: Received) -> None:
                raise ValueError("broken")

            listener = AsyncListener(Feed(FakeNetwork([event(1, text="sesame"), event(2)]), Options()))
            async with asyncio.timeout(60):
                await listener.run(handler, handler_retries=0)

        with self.assertLogs("b2b_protocol", logging.ERROR) as logs, self.assertRaises(TimeoutError):
            virtual_time.run(go())
        self.assertEqual(len(logs.records), 2)
        self.assertNotIn("sesame", "".join(logs.output))

    def test_a_wrong_way_to_commit_is_refused(self) -> None:
        wrong: Any = "sometimes"
        with self.assertRaises(ValueError):
            AsyncListener(Feed(FakeNetwork(), Options(store=MemoryPositionStore())), wrong)


if __name__ == "__main__":
    unittest.main()
