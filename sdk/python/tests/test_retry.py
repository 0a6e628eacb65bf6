"""Retries with a network and a clock of the test (B2B-SDK-001 to B2B-SDK-005)."""

import asyncio
import inspect
import io
import os
import unittest
from collections.abc import Callable
from typing import Any

import httpx

from b2b_protocol import AsyncRest, B2BError, Request, Rest, errors
from b2b_protocol.retry import AsyncRetryTransport, Retry, RetryTransport, full_jitter

Answer = httpx.Response | Exception


def limited(after: float | None = None) -> httpx.Response:
    return httpx.Response(429, json={"error": "slow down", "code": "RATE_LIMITED", **({} if after is None else {"retry_after": after})})


def down() -> httpx.Response:
    return httpx.Response(503, json={"error": "busy", "code": "UNAVAILABLE", "retry_after": 1})


def good() -> httpx.Response:
    return httpx.Response(200, json={"id": "x"})


class World:
    """A server that gives the answers in turn, and a clock that waits at once."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[Request] = []
        self.waits: list[float] = []
        self.now = 1000.0

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)

    def answer(self, request: Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def answer_async(self, request: Request) -> httpx.Response:
        return self.answer(request)

    def run(self, call: Callable[[Any], Any], policy: Retry | None = None, chance: float = 1.0) -> list[Any]:
        """Calls with both clients, and returns their results or exceptions, which must agree."""
        answers, results = list(self.answers), []
        for kind in (Rest, AsyncRest):
            self.answers, self.requests, self.waits, self.now = list(answers), [], [], 1000.0
            common: Any = {"clock": lambda: self.now, "chance": lambda: chance}
            if kind is Rest:
                client: Any = Rest(RetryTransport(self.answer, policy, sleep=self.sleep, **common))
            else:
                client = AsyncRest(AsyncRetryTransport(self.answer_async, policy, sleep=self.sleep_async, **common))
            try:
                result = call(client)
                results.append(asyncio.run(self._awaited(result)) if inspect.isawaitable(result) else result)
            except (B2BError, httpx.HTTPError) as error:
                results.append(error)
            results.append((len(self.requests), self.waits))
        first, second = results[:2], results[2:]
        assert type(first[0]) is type(second[0]) and first[1] == second[1], results
        return first

    @staticmethod
    async def _awaited(result: Any) -> Any:
        return await result


class RetryTest(unittest.TestCase):
    def check(self, call: Callable[[Any], Any], *answers: Answer, attempts: int, waits: list[float] | None = None, **more: Any) -> Any:
        result, (count, got) = World(*answers).run(call, **more)
        self.assertEqual(count, attempts, result)
        if waits is not None:
            for one, want in zip(got, waits, strict=True):
                self.assertAlmostEqual(one, want)
        return result

    def test_reads_are_sent_again_after_failures_that_pass(self) -> None:
        """B2B-SDK-002"""
        for failure in (limited(), down(), httpx.Response(502), httpx.Response(504), httpx.ReadError("cut"), httpx.ConnectError("refused")):
            self.assertEqual(self.check(lambda c: c.get_me(), failure, good(), attempts=2), {"id": "x"})
        budget = {"error": "x", "code": "BUDGET_EXCEEDED", "retry_after": 1}
        self.assertEqual(self.check(lambda c: c.get_me(), httpx.Response(429, json=budget), good(), attempts=2), {"id": "x"})
        turns = {"error": "x", "code": "TURN_LIMIT", "turns": 20, "turn_limit": 20}
        error = self.check(lambda c: c.get_me(), httpx.Response(429, json=turns), good(), attempts=1)
        self.assertIsInstance(error, errors.TurnLimit)
        self.assertEqual(error.body["turns"], 20)
        for failure in (httpx.Response(500), httpx.Response(404), httpx.LocalProtocolError("x"), httpx.UnsupportedProtocol("x")):
            self.check(lambda c: c.get_me(), failure, good(), attempts=1)

    def test_a_call_is_sent_five_times_at_most(self) -> None:
        """B2B-SDK-002, B2B-SDK-004"""
        error = self.check(lambda c: c.get_me(), *[httpx.Response(502) for _ in range(9)], attempts=5, waits=[0.25, 0.5, 1, 2])
        self.assertEqual(error.status, 502)
        self.check(lambda c: c.get_me(), *[httpx.Response(502) for _ in range(9)], attempts=1, policy=Retry(attempts=1))

    def test_the_wait_is_that_of_the_server_and_up_to_a_fifth(self) -> None:
        """B2B-SDK-004"""
        self.check(lambda c: c.get_me(), limited(5), good(), attempts=2, waits=[6])
        self.check(lambda c: c.get_me(), limited(5), good(), attempts=2, waits=[5], chance=0)
        self.check(lambda c: c.get_me(), httpx.Response(503, headers={"Retry-After": "3"}), good(), attempts=2, waits=[3.6])
        self.assertIsInstance(self.check(lambda c: c.get_me(timeout=0), limited(61), good(), attempts=1), errors.RateLimited)
        self.check(lambda c: c.get_me(timeout=0), limited(60), good(), attempts=2, waits=[72])

    def test_the_jitter_is_full_and_bounded(self) -> None:
        """B2B-SDK-004"""
        self.assertEqual([full_jitter(k, 0.25, 8, 1) for k in (0, 1, 4, 5, 6, 10**6)], [0.25, 0.5, 4, 8, 8, 8])
        self.assertEqual(full_jitter(9, 0.25, 8, 0), 0)

    def test_a_wait_beyond_the_timeout_fails_at_once_with_the_error_of_the_server(self) -> None:
        """B2B-SDK-005"""
        error = self.check(lambda c: c.get_me(timeout=5), limited(5), good(), attempts=1)
        self.assertIsInstance(error, errors.RateLimited)
        self.check(lambda c: c.get_me(timeout=7), limited(5), good(), attempts=2)
        world = World(httpx.Response(502), good())
        world.run(lambda c: c.get_me(timeout=7))
        self.assertEqual([request.timeout for request in world.requests], [7, 6.75])

    def test_a_call_that_asks_the_server_to_wait_has_that_much_more_time(self) -> None:
        """B2B-SDK-041"""
        self.check(lambda c: c.acquire_lease(name="x", wait_seconds=20), limited(40), good(), attempts=2, chance=0)
        self.check(lambda c: c.acquire_lease(name="x"), limited(40), good(), attempts=1, chance=0)
        self.check(lambda c: c.acquire_lease(name="x", wait_seconds=20, timeout=30), limited(40), good(), attempts=1, chance=0)

    def test_changes_have_one_request_id_in_all_attempts(self) -> None:
        """B2B-SDK-001"""
        world = World(httpx.ReadError("cut"), down(), good())
        world.run(lambda c: c.send_direct_message(to="x", content="y"))
        ids = {request.request_id for request in world.requests}
        self.assertEqual((len(world.requests), len(ids)), (3, 1))
        self.assertRegex(ids.pop() or "", "^[0-9a-f]{32}$")
        self.assertEqual(len({request.content for request in world.requests}), 1)
        world = World(good())
        world.run(lambda c: c.send_direct_message(to="x", content="y", request_id="mine"))
        self.assertEqual(world.requests[0].request_id, "mine")
        first, second = RetryTransport(world.answer), RetryTransport(world.answer)
        self.assertNotEqual(first.new_request_id(), second.new_request_id())

    def test_changes_without_request_id_are_sent_again_only_if_they_were_not_executed(self) -> None:
        """B2B-SDK-003"""

        def login(client: Any) -> Any:
            return client.login(type="bot", token="t")

        for failure in (limited(), httpx.ConnectError("refused")):
            self.check(login, failure, good(), attempts=2)
        for failure in (down(), httpx.Response(502), httpx.Response(504), httpx.ReadError("cut"), httpx.ReadTimeout("late")):
            self.check(login, failure, good(), attempts=1)

    def test_an_upload_is_sent_again_if_its_file_can_be_read_again(self) -> None:
        self.check(lambda c: c.upload_file(b"x", name="x"), down(), good(), attempts=2)
        self.check(lambda c: c.upload_file(io.BytesIO(b"x"), name="x"), down(), good(), attempts=2)
        read, write = os.pipe()
        os.close(write)
        with open(read, "rb") as pipe:
            self.check(lambda c: c.upload_file(pipe, name="x"), down(), good(), attempts=1)

    def test_a_result_with_status_503_is_no_error(self) -> None:
        self.assertEqual(
            self.check(lambda c: c.get_health(), httpx.Response(503, json={"status": "degraded"}), good(), attempts=1),
            {"status": "degraded"},
        )

    def test_a_wrong_policy_is_refused(self) -> None:
        for wrong in ({"attempts": 0}, {"base": -1}, {"cap": float("nan")}):
            with self.assertRaises(ValueError):
                Retry(**wrong)  # type: ignore[arg-type]


if __name__ == "__main__":
    unittest.main()
