"""Kraken's rate limits: counters that rise with every call and fall with time.

Source: docs.kraken.com, "Spot REST rate limits" and "Spot trading limits". A counter starts at nought.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

S_NS = 1_000_000_000


class Tier(msgspec.Struct, frozen=True):
    """What an account's tier allows; rates of decay per second."""

    calls_max: float
    calls_decay: float
    trading_max: float
    trading_decay: float


TIERS = {
    "starter": Tier(15, 0.33, 60, 1.0),
    "intermediate": Tier(20, 0.5, 125, 2.34),
    "pro": Tier(20, 1.0, 180, 3.75),
}


class Step(IntEnum):
    """What the trading counter counts."""

    ADD = 0
    AMEND = 1
    EDIT = 2
    CANCEL = 3


# Fixed cost, and what is added while the order is younger than so many seconds.
_COSTS: dict[Step, tuple[float, tuple[tuple[int, float], ...]]] = {
    Step.ADD: (1, ()),
    Step.AMEND: (1, ((5, 3), (10, 2), (15, 1))),
    Step.EDIT: (1, ((5, 6), (10, 5), (15, 4), (45, 2), (90, 1))),
    Step.CANCEL: (0, ((5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1))),
}


def trading_cost(step: Step, age_ns: int) -> float:
    """Give what a step costs on an order of this age."""
    fixed, ages = _COSTS[step]
    return fixed + next((more for under_s, more in ages if age_ns < under_s * S_NS), 0)


class Counter:
    """Rise by what is done, and fall steadily to nought."""

    __slots__ = ("_decay", "_max", "_since_ns", "_value")

    def __init__(self, most: float, decay: float) -> None:
        self._max, self._decay, self._value, self._since_ns = most, decay, 0.0, 0

    def value(self, now_ns: int) -> float:
        """Give the count."""
        passed_ns = max(0, now_ns - self._since_ns)
        return max(0.0, self._value - passed_ns * self._decay / S_NS)

    def allow(self, cost: float, now_ns: int) -> bool:
        """Count it if it fits; what does not fit is not counted."""
        value = self.value(now_ns)
        if value + cost > self._max:
            return False
        self._value, self._since_ns = value + cost, max(now_ns, self._since_ns)
        return True

    def add(self, cost: float, now_ns: int) -> None:
        """Count it whatever comes of it."""
        self._value, self._since_ns = self.value(now_ns) + cost, max(now_ns, self._since_ns)


class RateLimits:
    """Keep every key's call counter, and every account's trading counter per market."""

    def __init__(self, tier: str) -> None:
        self._tier = TIERS.get(tier)
        self._calls: dict[str, Counter] = {}
        self._trading: dict[tuple[int, int], Counter] = {}

    @property
    def trading_max(self) -> int | None:
        """Give the trading counter's limit; `None` when there is none."""
        return None if self._tier is None else int(self._tier.trading_max)

    def call(self, key: str, cost: float, now_ns: int) -> bool:
        """Count a REST call."""
        if self._tier is None:
            return True
        counter = self._calls.setdefault(key, Counter(self._tier.calls_max, self._tier.calls_decay))
        return counter.allow(cost, now_ns)

    def trade(self, account: int, market: int, step: Step, age_ns: int, now_ns: int) -> bool:
        """Count a step of trading. A cancel is counted and always allowed."""
        if self._tier is None:
            return True
        counter = self._counter(account, market, self._tier)
        cost = trading_cost(step, age_ns)
        if step is not Step.CANCEL:
            return counter.allow(cost, now_ns)
        counter.add(cost, now_ns)
        return True

    def trading_count(self, account: int, market: int, now_ns: int) -> float:
        """Give an account's trading count on a market."""
        counter = self._trading.get((account, market))
        return 0.0 if counter is None else counter.value(now_ns)

    def _counter(self, account: int, market: int, tier: Tier) -> Counter:
        return self._trading.setdefault((account, market), Counter(tier.trading_max, tier.trading_decay))
