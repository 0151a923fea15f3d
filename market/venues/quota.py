"""How much a venue lets us ask, and who may ask first: its own windows, counted before it counts."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from enum import IntEnum
from heapq import heappop, heappush
from typing import Literal

import msgspec

from domain.protocols import Clock

NEVER_NS = 1 << 62
BUCKETS = 60
WAITING_MAX = 256
MARKETS_MAX = 4096
NAP_NS_MIN = 1_000_000


class Priority(IntEnum):
    """Who goes first."""

    CANCEL = 0
    HEDGE = 1
    NEW = 2
    DATA = 3


class Rule(msgspec.Struct, frozen=True):
    """One limit of a venue: at most `limit` within `span_ns`, or a counter that loses `decay_per_s`.

    An `address` limit is shared by all accounts behind it; a `market` one is counted per account and market.
    """

    name: str
    limit: int
    span_ns: int = 0
    decay_per_s: float = 0.0
    scope: Literal["address", "account", "market"] = "address"


class Reserve(msgspec.Struct, frozen=True):
    """The share of every limit that each priority must leave alone. What cancels alone may use is `hedge`."""

    cancel: float = 0.0
    hedge: float = 0.1
    new: float = 0.2
    data: float = 0.4

    def ceilings(self, limit: int) -> tuple[int, ...]:
        """Give how far each priority may fill a limit; no reserve makes a limit unusable for orders."""
        parts = (self.cancel, self.hedge, self.new, self.data)
        return tuple(max(1, limit - round(limit * part)) for part in parts)


class Window:
    """Count what was asked in the latest `span_ns`, in buckets that are let go only when wholly past.

    A venue's own window may begin at any time; never too much in any window of that length suits each.
    """

    __slots__ = ("_buckets", "_width_ns", "span_ns", "used")

    def __init__(self, span_ns: int) -> None:
        self.span_ns, self._width_ns = span_ns, max(1, span_ns // BUCKETS)
        self._buckets: deque[list[int]] = deque()
        self.used = 0

    def count(self, amount: int, now_ns: int) -> None:
        """Add what is asked now."""
        start = now_ns - now_ns % self._width_ns
        if self._buckets and self._buckets[-1][0] >= start:
            self._buckets[-1][1] += amount
        else:
            self._buckets.append([start, amount])
        self.used += amount

    def wait_ns(self, amount: int, ceiling: int, now_ns: int) -> int:
        """Give how long to wait until `amount` more fits under a ceiling."""
        buckets = self._buckets
        while buckets and buckets[0][0] + self._width_ns + self.span_ns <= now_ns:
            self.used -= buckets.popleft()[1]
        over = self.used + amount - ceiling
        if over <= 0:
            return 0
        for start, counted in buckets:
            over -= counted
            if over <= 0:
                return start + self._width_ns + self.span_ns - now_ns
        return NEVER_NS

    def told(self, used: int, now_ns: int) -> None:
        """Take the venue's own count where it is higher: somebody else uses the address too."""
        self.wait_ns(0, NEVER_NS, now_ns)
        if used > self.used:
            self.count(used - self.used, now_ns)


class Leak:
    """Count what was asked in a counter that the venue lets leak."""

    __slots__ = ("_at_ns", "_level", "decay_per_s")

    def __init__(self, decay_per_s: float) -> None:
        self.decay_per_s, self._level, self._at_ns = decay_per_s, 0.0, 0

    @property
    def used(self) -> int:
        """Give the level as of the last question."""
        return -int(-self._level // 1)

    def count(self, amount: int, now_ns: int) -> None:
        """Add what is asked now."""
        self._leak(now_ns)
        self._level += amount

    def wait_ns(self, amount: int, ceiling: int, now_ns: int) -> int:
        """Give how long to wait until `amount` more fits under a ceiling."""
        self._leak(now_ns)
        over = self._level + amount - ceiling
        if over <= 1e-9:
            return 0
        return NEVER_NS if amount > ceiling else int(over / self.decay_per_s * 1e9) + 1

    def told(self, used: int, now_ns: int) -> None:
        """Take the venue's own count where it is higher."""
        self._leak(now_ns)
        self._level = max(self._level, float(used))

    def _leak(self, now_ns: int) -> None:
        gone_ns = max(0, now_ns - self._at_ns)
        self._level = max(0.0, self._level - gone_ns * self.decay_per_s / 1e9)
        self._at_ns = max(now_ns, self._at_ns)


Meter = Window | Leak
Costs = Sequence[tuple[str, int]]


class Address:
    """What all accounts behind one address share at a venue."""

    __slots__ = ("held_until_ns", "meters")

    def __init__(self) -> None:
        self.meters: dict[str, Meter] = {}
        self.held_until_ns = 0


class Quota:
    """One account's view of a venue's limits.

    >>> quota = Quotas().of("x", "ours", [Rule("WEIGHT", 10, span_ns=60_000_000_000)])
    >>> [quota.ask((("WEIGHT", 3),), Priority.NEW, now_ns) == 0 for now_ns in (1, 2, 3)]
    [True, True, False]
    >>> quota.ask((("WEIGHT", 3),), Priority.CANCEL, 4)
    0
    """

    def __init__(self, rules: Iterable[Rule], address: Address, reserve: Reserve) -> None:
        self._rules = {rule.name: rule for rule in rules}
        self._ceilings = {rule.name: reserve.ceilings(rule.limit) for rule in self._rules.values()}
        self._meters: dict[str, Meter] = {}
        for rule in self._rules.values():
            home = address.meters if rule.scope == "address" else self._meters
            home.setdefault(rule.name, _meter(rule))
        self._address = address
        self._markets: dict[tuple[str, str], Meter] = {}
        self.refused = dict.fromkeys(Priority, 0)

    def ask(self, costs: Costs, priority: Priority, now_ns: int, market: str = "") -> int:
        """Count a request and give 0, or count nothing and give the nanoseconds to wait."""
        wait_ns = max(0, self._address.held_until_ns - now_ns)
        for name, amount in costs:
            ceiling = self._ceilings[name][priority]
            wait_ns = max(wait_ns, self._meter(name, market).wait_ns(amount, ceiling, now_ns))
        if wait_ns > 0:
            self.refused[priority] += 1
            return wait_ns
        self.count(costs, now_ns, market)
        return 0

    def count(self, costs: Costs, now_ns: int, market: str = "") -> None:
        """Count a request that goes out whatever the limits say."""
        for name, amount in costs:
            self._meter(name, market).count(amount, now_ns)

    def told(self, name: str, used: int, now_ns: int, market: str = "") -> None:
        """Take the venue's own count of a limit; names that we have no rule for say nothing."""
        if name in self._rules:
            self._meter(name, market).told(used, now_ns)

    def hold(self, until_ns: int) -> None:
        """Ask nothing until then: the venue said so (Retry-After), or banned us."""
        self._address.held_until_ns = max(self._address.held_until_ns, until_ns)

    def used(self, name: str, now_ns: int, market: str = "") -> int:
        """Give how much of a limit is used."""
        meter = self._meter(name, market)
        meter.wait_ns(0, NEVER_NS, now_ns)
        return meter.used

    def _meter(self, name: str, market: str) -> Meter:
        rule = self._rules[name]
        if rule.scope == "address":
            return self._address.meters[name]
        if rule.scope == "account":
            return self._meters[name]
        found = self._markets.get((name, market))
        if found is None:
            if len(self._markets) >= MARKETS_MAX:
                self._markets.pop(next(iter(self._markets)))
            found = self._markets[name, market] = _meter(rule)
        return found


class Quotas:
    """All limits of one process: accounts at one venue share what the venue counts by address."""

    def __init__(self, reserve: Reserve | None = None) -> None:
        self._reserve = reserve or Reserve()
        self._addresses: dict[str, Address] = {}
        self._accounts: dict[tuple[str, str], Quota] = {}

    def of(self, venue: str, account: str, rules: Iterable[Rule]) -> Quota:
        """Give an account's quota, the same one each time."""
        found = self._accounts.get((venue, account))
        if found is None:
            address = self._addresses.setdefault(venue, Address())
            found = self._accounts[venue, account] = Quota(rules, address, self._reserve)
        return found


class Turns:
    """Let waiting requests go in the order of their priority, the first come first among equals.

    At most `waiting_max` wait; more are told so at once.
    """

    def __init__(self, quota: Quota, clock: Clock, waiting_max: int = WAITING_MAX) -> None:
        self._quota, self._clock, self._waiting_max = quota, clock, waiting_max
        self._waiting: list[tuple[int, int]] = []
        self._left: set[tuple[int, int]] = set()
        self._moved = asyncio.Event()
        self._last = 0

    async def take(self, costs: Costs, priority: Priority, market: str = "") -> bool:
        """Wait for a turn; False says that too many wait already."""
        if len(self._waiting) - len(self._left) >= self._waiting_max:
            return False
        self._last += 1
        ticket = (int(priority), self._last)
        heappush(self._waiting, ticket)
        self._move()
        try:
            await self._until_first(ticket, costs, priority, market)
        finally:
            self._left.add(ticket)
            self._move()
        return True

    async def _until_first(
        self, ticket: tuple[int, int], costs: Costs, priority: Priority, market: str
    ) -> None:
        while True:
            moved = self._moved
            wait_ns = NEVER_NS
            if self._waiting[0] == ticket:
                wait_ns = self._quota.ask(costs, priority, self._clock.now_ns(), market)
                if wait_ns == 0:
                    return
            nap_s = max(NAP_NS_MIN, min(wait_ns, 1_000_000_000)) / 1e9
            try:
                async with asyncio.timeout(nap_s):
                    await moved.wait()
            except TimeoutError:
                continue

    def _move(self) -> None:
        while self._waiting and self._waiting[0] in self._left:
            self._left.discard(heappop(self._waiting))
        self._moved.set()
        self._moved = asyncio.Event()


def _meter(rule: Rule) -> Meter:
    assert (rule.span_ns > 0) != (rule.decay_per_s > 0), f"{rule.name} is either a window or a leak"
    return Window(rule.span_ns) if rule.span_ns > 0 else Leak(rule.decay_per_s)
