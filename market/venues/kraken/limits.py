"""Kraken's limits by tier: a counter of REST calls, and one of order changes for each market.

Source: docs.kraken.com, "Spot REST rate limits" and "Spot trading limits". A new connection tells the
account's largest trading count, and by that its tier; until then the lowest tier is assumed.
"""

from __future__ import annotations

import msgspec

from market.venues.quota import Costs, Priority, Quota, Quotas, Reserve, Rule

CALLS, TRADING = "CALLS", "TRADING"
S_NS = 1_000_000_000
ADD: Costs = ((TRADING, 1),)
# A cancel costs the more the younger its order is: (age in seconds below which, cost).
_CANCELS = ((5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1))
_HEAVY = frozenset({"TradesHistory", "ClosedOrders", "QueryTrades", "Ledgers"})
# Without a token nothing can be cancelled; unknown orders come before the account as a whole.
_PRIORITIES = {"GetWebSocketsToken": Priority.CANCEL, "QueryOrders": Priority.HEDGE}


class Tier(msgspec.Struct, frozen=True):
    """What an account may ask, and how fast its counters fall."""

    calls: int
    calls_per_s: float
    trading: int
    trading_per_s: float


STARTER, INTERMEDIATE, PRO = Tier(15, 0.33, 60, 1.0), Tier(20, 0.5, 125, 2.34), Tier(20, 1.0, 180, 3.75)
UNLIMITED = Tier(1 << 40, 1e9, 1 << 40, 1e9)
_TIERS = (PRO, INTERMEDIATE, STARTER)


def tier_of(trading_max: int) -> Tier:
    """Give the tier that a largest trading count belongs to."""
    return next((tier for tier in _TIERS if trading_max >= tier.trading), STARTER)


def quota_of(venue: str, account: str, tier: Tier) -> Quota:
    """Count for one account; markets are told apart."""
    rules = (
        Rule(CALLS, tier.calls, decay_per_s=tier.calls_per_s, scope="account"),
        Rule(TRADING, tier.trading, decay_per_s=tier.trading_per_s, scope="market"),
    )
    return Quotas(Reserve()).of(venue, account, rules)


def call_costs(name: str) -> tuple[Costs, Priority]:
    """Give what a signed call costs, and who it is for."""
    return ((CALLS, 2 if name in _HEAVY else 1),), _PRIORITIES.get(name, Priority.NEW)


def cancel_costs(age_ns: int) -> Costs:
    """Give what cancelling an order of this age costs."""
    return ((TRADING, next((cost for under_s, cost in _CANCELS if age_ns < under_s * S_NS), 0)),)
