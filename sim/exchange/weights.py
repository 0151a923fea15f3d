"""How much each address and account may ask: rolling windows, refusals, and bans for those who go on."""

from __future__ import annotations

from collections import deque

import msgspec

from sim.exchange.config import LimitsConfig

SECOND_NS = 1_000_000_000
MINUTE_NS, DAY_NS = 60 * SECOND_NS, 86_400 * SECOND_NS
BUCKETS = 60
ADDRESSES_MAX = 4_096


class Refusal(msgspec.Struct, frozen=True):
    """Why a request is not taken, and when to come again. `banned_until_ns` is 0 where nobody is banned."""

    rule: str
    limit: int
    again_ns: int
    banned_until_ns: int = 0


class Window:
    """Count the latest `span_ns` in buckets of a sixtieth; a bucket is let go when it is wholly past."""

    __slots__ = ("_buckets", "_width_ns", "limit", "rule", "used")

    def __init__(self, rule: str, limit: int, span_ns: int) -> None:
        self.rule, self.limit, self.used = rule, limit, 0
        self._width_ns = span_ns // BUCKETS
        self._buckets: deque[list[int]] = deque()

    def count(self, amount: int, now_ns: int) -> None:
        """Add an amount."""
        start_ns = now_ns - now_ns % self._width_ns
        if self._buckets and self._buckets[-1][0] >= start_ns:
            self._buckets[-1][1] += amount
        else:
            self._buckets.append([start_ns, amount])
        self.used += amount

    def forget(self, now_ns: int) -> None:
        """Let go of what is past."""
        past_ns = now_ns - self._width_ns * (BUCKETS + 1)
        while self._buckets and self._buckets[0][0] <= past_ns:
            self.used -= self._buckets.popleft()[1]

    def refuses(self, amount: int, now_ns: int) -> Refusal | None:
        """Give the refusal of an amount that does not fit, with the time when it will."""
        self.forget(now_ns)
        if self.used + amount <= self.limit:
            return None
        over, again_ns = self.used + amount - self.limit, now_ns
        for start_ns, counted in self._buckets:
            again_ns = start_ns + self._width_ns * (BUCKETS + 1)
            over -= counted
            if over <= 0:
                break
        return Refusal(self.rule, self.limit, again_ns)


class _Address:
    __slots__ = ("banned_until_ns", "bans", "connections", "offences", "raw", "weight")

    def __init__(self, limits: LimitsConfig) -> None:
        self.weight = Window("weight", limits.weight_minute, MINUTE_NS)
        self.raw = Window("raw", limits.requests_5m, 5 * MINUTE_NS)
        self.connections = Window("connections", limits.connections_5m, 5 * MINUTE_NS)
        self.offences = Window("offences", limits.offences_minute, MINUTE_NS)
        self.banned_until_ns, self.bans = 0, 0


class Weights:
    """Charge addresses for requests and connections, accounts for orders.

    A refused request is not charged but is an offence: more than `offences_minute` of them ban the address
    for `ban_s`, twice as long each time, up to `ban_s_max`; so long without a ban forgets the earlier ones.
    At most `ADDRESSES_MAX` addresses are known; the one not seen for longest is forgotten first.
    """

    def __init__(self, limits: LimitsConfig) -> None:
        self.limits = limits
        self._addresses: dict[str, _Address] = {}
        self._orders: dict[int, tuple[Window, Window]] = {}

    def request(self, address: str, weight: int, now_ns: int) -> Refusal | None:
        """Charge a request, or give its refusal."""
        one = self._address(address)
        refusal = (
            self._ban_of(one, now_ns) or one.weight.refuses(weight, now_ns) or one.raw.refuses(1, now_ns)
        )
        if refusal is not None:
            return self._offended(one, refusal, now_ns)
        one.weight.count(weight, now_ns)
        one.raw.count(1, now_ns)
        return None

    def connection(self, address: str, now_ns: int) -> Refusal | None:
        """Charge a WebSocket connection, or give its refusal."""
        one = self._address(address)
        refusal = self._ban_of(one, now_ns) or one.connections.refuses(1, now_ns)
        if refusal is None:
            one.connections.count(1, now_ns)
        return refusal

    def may_order(self, account: int, now_ns: int) -> Refusal | None:
        """Tell whether an account may send one more order."""
        for window in self._windows(account):
            refusal = window.refuses(1, now_ns)
            if refusal is not None:
                return refusal
        return None

    def ordered(self, account: int, number: int, now_ns: int) -> None:
        """Charge an account for orders that were taken."""
        for window in self._windows(account):
            window.count(number, now_ns)

    def used_weight(self, address: str, now_ns: int) -> int:
        """Give what an address used within the last minute."""
        one = self._address(address)
        one.weight.forget(now_ns)
        return one.weight.used

    def used_orders(self, account: int, now_ns: int) -> tuple[int, int]:
        """Give how many orders an account sent within ten seconds and a day."""
        few, many = self._windows(account)
        few.forget(now_ns)
        many.forget(now_ns)
        return few.used, many.used

    def _address(self, name: str) -> _Address:
        one = self._addresses.pop(name, None)
        if one is None:
            one = _Address(self.limits)
            if len(self._addresses) >= ADDRESSES_MAX:
                del self._addresses[next(iter(self._addresses))]
        self._addresses[name] = one
        return one

    def _windows(self, account: int) -> tuple[Window, Window]:
        windows = self._orders.get(account)
        if windows is None:
            windows = (
                Window("orders_10s", self.limits.orders_10s, 10 * SECOND_NS),
                Window("orders_day", self.limits.orders_day, DAY_NS),
            )
            self._orders[account] = windows
        return windows

    def _ban_of(self, one: _Address, now_ns: int) -> Refusal | None:
        if one.banned_until_ns <= now_ns:
            return None
        return Refusal("ban", one.bans, one.banned_until_ns, one.banned_until_ns)

    def _offended(self, one: _Address, refusal: Refusal, now_ns: int) -> Refusal:
        if refusal.banned_until_ns > 0:
            return refusal
        if one.offences.refuses(1, now_ns) is None:
            one.offences.count(1, now_ns)
            return refusal
        longest_ns = self.limits.ban_s_max * SECOND_NS
        if now_ns - one.banned_until_ns > longest_ns:
            one.bans = 0
        length_ns = min(longest_ns, self.limits.ban_s * SECOND_NS << one.bans)
        one.bans, one.banned_until_ns = min(one.bans + 1, 32), now_ns + length_ns
        return Refusal("ban", one.bans, one.banned_until_ns, one.banned_until_ns)
