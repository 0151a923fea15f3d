"""Binance's limits: request weight by address, orders by account; what we count, and what the venue tells.

Source: developers.binance.com, "Rate limits" of the spot REST and WebSocket APIs. The venue's own figures are
read from `exchangeInfo`; those below stand until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import msgspec

from market.venues.config import VenueConfig
from market.venues.quota import NEVER_NS, Costs, Priority, Quotas, Reserve, Rule

S_NS = 1_000_000_000
WEIGHT, ORDERS = "REQUEST_WEIGHT", "ORDERS"
HOLD_S_MAX, HOLD_S_UNTOLD = 259_200, 10
FIGURE_MAX = 1 << 31
CANCEL_WEIGHT, STATUS_WEIGHT, SUBSCRIBE_WEIGHT = 1, 4, 2
_SPANS_S = {"SECOND": 1, "MINUTE": 60, "HOUR": 3_600, "DAY": 86_400}
_WEIGHTS = {
    "/api/v3/time": 1,
    "/api/v3/exchangeInfo": 20,
    "/api/v3/trades": 25,
    "/api/v3/historicalTrades": 25,
    "/api/v3/account": 20,
    "/api/v3/openOrders": 80,
    "/api/v3/myTrades": 20,
    "/api/v3/allOrders": 20,
}
# Levels asked for, and what that costs.
_DEPTHS = ((100, 5), (500, 25), (1_000, 50), (5_000, 250))
_DATA = frozenset({"/api/v3/depth", "/api/v3/trades", "/api/v3/historicalTrades"})


class RateLimit(msgspec.Struct):
    """One limit as `exchangeInfo` lists it and as answers of the WebSocket API count it."""

    rateLimitType: str
    interval: str
    intervalNum: int
    limit: int
    count: int = 0

    @property
    def name(self) -> str:
        """Name it as the headers do: `ORDERS_10S`."""
        return f"{self.rateLimitType}_{self.intervalNum}{self.interval[:1]}"


class _Listed(msgspec.Struct):
    rateLimits: list[RateLimit] = []


class _Refused(msgspec.Struct):
    retryAfter: int


LISTED = msgspec.json.Decoder(_Listed)
_COUNTED, _REFUSED = msgspec.json.Decoder(list[RateLimit]), msgspec.json.Decoder(_Refused)
KNOWN = (
    RateLimit(WEIGHT, "MINUTE", 1, 6_000),
    RateLimit(ORDERS, "SECOND", 10, 100),
    RateLimit(ORDERS, "DAY", 1, 200_000),
)


def rules_of(limits: Iterable[RateLimit]) -> tuple[Rule, ...]:
    """Give the rules that we keep; raw requests and connections are far from their limits by these."""
    return tuple(
        Rule(
            one.name,
            one.limit,
            span_ns=one.intervalNum * _SPANS_S[one.interval] * S_NS,
            scope="address" if one.rateLimitType == WEIGHT else "account",
        )
        for one in limits
        if one.rateLimitType in (WEIGHT, ORDERS) and one.interval in _SPANS_S
        if 0 < one.intervalNum <= 1_000 and 0 < one.limit <= FIGURE_MAX
    )


def weight_of(path: str, parameters: Mapping[str, str | int]) -> int:
    """Give what a REST call weighs."""
    if path == "/api/v3/depth":
        asked = int(parameters.get("limit", 100))
        return next((weight for levels, weight in _DEPTHS if asked <= levels), _DEPTHS[-1][1])
    return _WEIGHTS.get(path, 1)


def levels_for(markets: int) -> int:
    """Choose how deep the snapshots of so many books are: all of them fit into half a minute's data.

    >>> levels_for(3), levels_for(50), levels_for(1_000)
    (1000, 500, 100)
    """
    affordable = Reserve().ceilings(KNOWN[0].limit)[Priority.DATA] // 2
    fitting = [levels for levels, weight in _DEPTHS[:3] if markets * weight <= affordable]
    return max(fitting, default=_DEPTHS[0][0])


def priority_of(path: str) -> Priority:
    """Tell who a REST call is for: the account comes before the market's data."""
    return Priority.DATA if path in _DATA else Priority.HEDGE


class Limits:
    """One account's limits. `orders_left` new orders may go before `ask_order` must be asked again.

    So many are known to fit, so nothing is counted between a tick and its order: `ordered` counts afterwards,
    and `refresh`, a few times a second, says how many more fit.
    """

    def __init__(self, quotas: Quotas, config: VenueConfig, limits: Iterable[RateLimit] = KNOWN) -> None:
        rules = rules_of(limits)
        self.quota = quotas.of(urlsplit(config.rest_url).netloc, config.account, rules)
        reserve = Reserve()
        self._ceilings = {rule.name: reserve.ceilings(rule.limit)[Priority.NEW] for rule in rules}
        self._weights = tuple(rule.name for rule in rules if rule.scope == "address")
        self._order_costs: Costs = tuple((rule.name, 1) for rule in rules)
        self._held_ns = self._orders_held_ns = self.orders_left = 0

    def costs(self, weight: int) -> Costs:
        """Give what a request of a weight costs."""
        return tuple((name, weight) for name in self._weights)

    def refresh(self, now_ns: int) -> None:
        """Find out how many new orders fit into every limit now."""
        if now_ns < max(self._held_ns, self._orders_held_ns):
            self.orders_left = 0
            return
        used = self.quota.used
        self.orders_left = min(
            (ceiling - used(name, now_ns) for name, ceiling in self._ceilings.items()), default=FIGURE_MAX
        )

    def ask_order(self, priority: Priority, now_ns: int) -> int:
        """Count a new order and give 0, or count nothing and give the nanoseconds to wait."""
        held_ns = self._orders_held_ns - now_ns
        return held_ns if held_ns > 0 else self.quota.ask(self._order_costs, priority, now_ns)

    def ordered(self, now_ns: int) -> None:
        """Count a new order that went out."""
        self.orders_left -= 1
        self.quota.count(self._order_costs, now_ns)

    def ask(self, weight: int, priority: Priority, now_ns: int) -> int:
        """Count a request and give 0, or count nothing and give the nanoseconds to wait."""
        return self.quota.ask(self.costs(weight), priority, now_ns)

    def told(self, counts: Iterable[tuple[str, int]], now_ns: int) -> None:
        """Take the venue's own counts."""
        for name, used in counts:
            if 0 <= used <= FIGURE_MAX:
                self.quota.told(name, used, now_ns)

    def hold(self, until_ns: int, orders_only: bool = False) -> None:
        """Obey Retry-After: ask nothing until then, or send no new orders where only those are limited."""
        self.orders_left = 0
        if orders_only:
            self._orders_held_ns = max(self._orders_held_ns, until_ns)
        else:
            self._held_ns = max(self._held_ns, until_ns)
            self.quota.hold(until_ns)


def header_counts(headers: Mapping[str, str]) -> list[tuple[str, int]]:
    """Read the counts that come with every REST answer.

    >>> header_counts({"x-mbx-used-weight-1m": "12", "X-MBX-ORDER-COUNT-10S": "3", "Date": "now"})
    [('REQUEST_WEIGHT_1M', 12), ('ORDERS_10S', 3)]
    """
    found = []
    for header, text in headers.items():
        name = header.upper()
        for prefix, kind in (("X-MBX-USED-WEIGHT-", WEIGHT), ("X-MBX-ORDER-COUNT-", ORDERS)):
            if name.startswith(prefix) and text.isascii() and text.isdigit() and len(text) <= 10:
                found.append((f"{kind}_{name.removeprefix(prefix)}", int(text)))
    return found


def answer_counts(raw: msgspec.Raw) -> list[tuple[str, int]]:
    """Read the counts beside an answer of the WebSocket API; none where there are none."""
    try:
        return [(one.name, one.count) for one in _COUNTED.decode(raw)]
    except (ValueError, RecursionError):
        return []


def answer_wait_s(raw: msgspec.Raw, venue_ms: int) -> int | None:
    """Read how long a refusal of the WebSocket API says to wait, `None` where it does not."""
    try:
        return -((venue_ms - _REFUSED.decode(raw).retryAfter) // 1_000)
    except (ValueError, RecursionError):
        return None


def held_until_ns(retry_after_s: int | None, now_ns: int) -> int:
    """Give when to ask again after a refusal that told so many seconds, or none."""
    wait_s = HOLD_S_UNTOLD if retry_after_s is None else min(max(retry_after_s, 0), HOLD_S_MAX)
    return min(now_ns + wait_s * S_NS, NEVER_NS)
