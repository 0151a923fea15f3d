"""The gate that every request of ccxt passes: costs counted, the urgent first, one by one where needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from contextvars import ContextVar

from domain.protocols import Clock
from market.venues.ccxt.turnstile import Turnstile
from market.venues.quota import Priority, Quota, Turns

# Costs of ccxt have parts of a unit.
UNITS = 100
LIMIT_HOLD_NS = 10_000_000_000
HOLD_NS_MAX = 3 * 86_400 * 1_000_000_000


class NotSent(Exception):
    """Nothing of a call reached the exchange."""


class Call:
    """One call, which may take several requests. An order does not wait for the limits: it fails at once.

    Its time begins anew with every request that may go out.
    """

    __slots__ = ("begun", "deadline", "granted", "priority", "timeout_s", "waiting", "waits")

    def __init__(self, priority: Priority = Priority.DATA, *, waits: bool = True) -> None:
        self.priority, self.waits = priority, waits
        self.begun, self.waiting, self.granted = False, False, 0
        self.timeout_s = 0.0
        self.deadline: asyncio.Timeout | None = None

    @property
    def unsent(self) -> bool:
        """Tell whether it is certain that no request of it went out."""
        return self.granted == 0 and (not self.begun or self.waiting)

    def wait(self) -> None:
        """Get in line; data may wait there as long as the limits say."""
        self.waiting = True
        if self.waits:
            self._until(None)

    def grant(self) -> None:
        """Go: from here on, what becomes of it is the exchange's to say."""
        self.waiting = False
        self.granted += 1
        self._until(asyncio.get_running_loop().time() + self.timeout_s)

    def _until(self, when_s: float | None) -> None:
        if self.deadline is not None:
            # What ccxt leaves running in the background may outlive the call.
            with suppress(RuntimeError):
                self.deadline.reschedule(when_s)


CALL: ContextVar[Call | None] = ContextVar("ccxt_call", default=None)


class Gate:
    """Shared by all exchange objects of one account, so that a new connection changes no count."""

    def __init__(self, quota: Quota, clock: Clock, cost_max: int, *, serial: bool) -> None:
        self.quota, self.serial = quota, serial
        self._clock, self._cost_max = clock, cost_max
        self._turns, self._turnstile = Turns(quota, clock), Turnstile()
        self._last_nonce = 0
        self.bad_frames, self.last_bad = 0, ""

    @asynccontextmanager
    async def passing(self, cost: float) -> AsyncIterator[None]:
        """Let one request through when there is room for it."""
        call = CALL.get() or Call()
        costs = (("REQUESTS", min(-int(-cost * UNITS // 1), self._cost_max)),)
        call.wait()
        if not call.waits:
            self._refuse(self.quota.ask(costs, call.priority, self._clock.now_ns()))
        elif not await self._turns.take(costs, call.priority):
            raise NotSent("too many requests wait")
        async with self._turnstile.passing(call.priority) if self.serial else nullcontext():
            if self.serial:
                # A limit may have been met while it stood in line.
                self._refuse(self.quota.ask((), call.priority, self._clock.now_ns()))
            call.grant()
            yield

    @staticmethod
    def _refuse(wait_ns: int) -> None:
        if wait_ns > 0:
            raise NotSent(f"the rate limit is used up for {wait_ns // 1_000_000} ms")

    def hold(self, retry_after: str | None) -> None:
        """Hold everything back: a limit was met, and the exchange may have said for how long."""
        told = retry_after is not None and retry_after.isascii() and retry_after.isdigit()
        held_ns = int(str(retry_after)[:12]) * 1_000_000_000 if told else LIMIT_HOLD_NS
        self.quota.hold(self._clock.now_ns() + min(held_ns, HOLD_NS_MAX))

    def nonce(self, wanted: int) -> int:
        """Give a number that only rises over all connections of the account."""
        self._last_nonce = max(wanted, self._last_nonce + 1)
        return self._last_nonce

    def bad(self, why: str) -> None:
        """Count a message that could not be read."""
        self.bad_frames += 1
        self.last_bad = why
