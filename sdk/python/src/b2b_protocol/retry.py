"""Retries of calls: when a failed call is sent again, and after how long.

`Client` and `AsyncClient` retry by default. `RetryTransport` and `AsyncRetryTransport` add the same
to any transport. The rules are B2B-SDK-001 to B2B-SDK-004 of SPEC.md.
"""

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import BinaryIO

import httpx

from ._call import error_of
from .transport import DEFAULT_TIMEOUT, AsyncTransport, Request, Transport

RETRIED_STATUSES = frozenset({429, 502, 503, 504})
"""The statuses after which a call can be sent again."""

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""The failures after which the server has received nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often and after how long a failed call is sent again."""

    attempts: int = 5
    """How often a call is sent, the first time included."""
    base: float = 0.25
    """The longest wait before the first retry, in seconds. It doubles with each retry."""
    cap: float = 8.0
    """The longest wait without an instruction of the server, in seconds."""
    retry_after_max: float = 60.0
    """The longest wait that the server may ask for, in seconds. If it asks for more, the call fails at once."""

    def __post_init__(self) -> None:
        if self.attempts < 1 or not (self.base >= 0 and self.cap >= 0 and self.retry_after_max >= 0):
            raise ValueError("retry: attempts must be 1 or more, and the times must not be negative")

    def wait(self, failed: int, retry_after: float | None, chance: float) -> float | None:
        """Returns the seconds before the next attempt after so many failed ones; None: give up.

        chance is a random number from 0 to 1. The time that the server asks for is extended by up to 20 %, so that
        clients do not return all at once. Without one, the wait is any time up to a bound that doubles.
        """
        if failed >= self.attempts:
            return None
        if retry_after is not None:
            return retry_after * (1 + 0.2 * chance) if retry_after <= self.retry_after_max else None
        return full_jitter(failed - 1, self.base, self.cap, chance)


def full_jitter(failures: int, base: float, cap: float, chance: float) -> float:
    """Returns a share of base * 2^failures, at most of cap. chance is a random number from 0 to 1."""
    return chance * min(cap, base * 2.0 ** min(failures, 60))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt ended with, as far as retries depend on it."""

    sent: bool
    """The server may have executed the call."""
    retry_after: float | None = None


def outcome_of_status(status: int, retry_after: float | None) -> Outcome | None:
    """Returns the outcome of a response; None if the call must not be sent again."""
    if status not in RETRIED_STATUSES:
        return None
    # The server refuses a call with 429 before it executes it. After 502 to 504 it can have been executed.
    return Outcome(sent=status != 429, retry_after=retry_after)


def outcome_of_error(error: Exception) -> Outcome | None:
    """Returns the outcome of an exception of httpx; None if the call must not be sent again."""
    if isinstance(error, _NOT_SENT):
        return Outcome(sent=False)
    if isinstance(error, httpx.ReadError | httpx.WriteError | httpx.CloseError | httpx.RemoteProtocolError | httpx.TimeoutException):
        return Outcome(sent=True)
    return None


class _Call:
    """The attempts of one logical call."""

    def __init__(self, policy: Retry, request: Request, timeout: float, now: float) -> None:
        self.request = request
        self._policy = policy
        self._failed = 0
        self._repeatable = request.method in ("GET", "HEAD") or request.request_id is not None
        seconds = request.seconds(timeout)
        self._end = now + seconds if seconds else None

    def wait(self, outcome: Outcome | None, now: float, chance: float) -> float | None:
        """Returns the seconds before the next attempt; None: the call has failed.

        A call that would end during the wait fails at once, with what the server said.
        """
        self._failed += 1
        if outcome is None or (outcome.sent and not self._repeatable):
            return None
        if self.request.form is not None and not _rewinds(self.request.form.file):
            return None
        wait = self._policy.wait(self._failed, outcome.retry_after, chance)
        if wait is None or self._end is None:
            return wait
        if now + wait >= self._end:
            return None
        if not self.request.stream:
            self.request = replace(self.request, timeout=self._end - now - wait)
        return wait


def _rewinds(file: bytes | BinaryIO) -> bool:
    """Reports whether a file of an upload can be sent again."""
    if isinstance(file, bytes):
        return True
    try:
        file.tell()
    except OSError:  # a pipe
        return False
    return True


def _outcome_of(response: httpx.Response) -> Outcome | None:
    error = error_of(response)
    if isinstance(error.body, dict) and "error" not in error.body:
        return None  # a result with a status of 503, e.g. of a server that reports bad health
    # The catalogue names errors with these statuses that stay, e.g. a quota that is used up.
    return outcome_of_status(response.status_code, error.retry_after) if error.retryable else None


class RetryTransport:
    """A transport that sends failed calls again over another transport.

    Reads and changes with a request_id are sent again after any failure of the network and after 429, 502, 503
    and 504. Other changes are sent again only if the server cannot have executed them. timeout is the number of
    seconds for a whole call whose request has none, waits and all attempts included; 0 means no limit.
    """

    def __init__(
        self,
        transport: Transport,
        retry: Retry | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._transport, self._retry, self._timeout = transport, retry or Retry(), timeout
        self._sleep, self._clock, self._chance = sleep, clock, chance

    def new_request_id(self) -> str:
        """Returns the request_id of a change without one of the caller."""
        return secrets.token_hex(16)

    def __call__(self, request: Request, /) -> httpx.Response:
        call = _Call(self._retry, request, self._timeout, self._clock())
        while True:
            try:
                response = self._transport(call.request)
            except httpx.TransportError as error:
                wait = call.wait(outcome_of_error(error), self._clock(), self._chance())
                if wait is None:
                    raise
            else:
                if response.status_code not in RETRIED_STATUSES:
                    return response
                response.read()
                wait = call.wait(_outcome_of(response), self._clock(), self._chance())
                if wait is None:
                    return response
                response.close()
            self._sleep(wait)


class AsyncRetryTransport:
    """The same as RetryTransport for asyncio."""

    def __init__(
        self,
        transport: AsyncTransport,
        retry: Retry | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._transport, self._retry, self._timeout = transport, retry or Retry(), timeout
        self._sleep, self._clock, self._chance = sleep, clock, chance

    def new_request_id(self) -> str:
        """Returns the request_id of a change without one of the caller."""
        return secrets.token_hex(16)

    async def __call__(self, request: Request, /) -> httpx.Response:
        call = _Call(self._retry, request, self._timeout, self._clock())
        while True:
            try:
                response = await self._transport(call.request)
            except httpx.TransportError as error:
                wait = call.wait(outcome_of_error(error), self._clock(), self._chance())
                if wait is None:
                    raise
            else:
                if response.status_code not in RETRIED_STATUSES:
                    return response
                await response.aread()
                wait = call.wait(_outcome_of(response), self._clock(), self._chance())
                if wait is None:
                    return response
                await response.aclose()
            await self._sleep(wait)
