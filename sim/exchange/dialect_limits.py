"""Limits in the dialect's words: refusals, headers, and the counts beside WebSocket answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.exchange import dialect_market as words
from sim.exchange.dialect_errors import DialectError
from sim.exchange.dialect_market import MS, Json
from sim.exchange.weights import SECOND_NS, Refusal

if TYPE_CHECKING:
    from sim.exchange.server_venue import Venue

_TEXTS = {
    "weight": "Too much request weight used; current limit is {} request weight per 1 MINUTE. "
    "Please use WebSocket Streams for live updates to avoid polling the API.",
    "raw": "Too many requests; current limit is {} requests per 5 MINUTE.",
    "connections": "Too many new connections; current limit is {} connections per 5 MINUTE.",
    "orders_10s": "Too many new orders; current limit is {} orders per 10 SECOND.",
    "orders_day": "Too many new orders; current limit is {} orders per 1 DAY.",
}
_BANNED = (
    "Way too much request weight used; IP banned until {}. "
    "Please use WebSocket Streams for live updates to avoid bans."
)


def charge_request(venue: Venue, address: str, weight: int) -> None:
    """Charge a request, or raise its refusal."""
    now_ns = venue.now_ns()
    refusal = venue.weights.request(address, weight, now_ns)
    if refusal is not None:
        raise _refused(refusal, now_ns)


def charge_connection(venue: Venue, address: str) -> None:
    """Charge a new WebSocket connection, or raise its refusal."""
    now_ns = venue.now_ns()
    refusal = venue.weights.connection(address, now_ns)
    if refusal is not None:
        raise _refused(refusal, now_ns)


def charge_orders(venue: Venue, account: int, number: int) -> None:
    """Charge an account for orders, or raise the refusal."""
    now_ns = venue.now_ns()
    refusal = venue.weights.may_order(account, now_ns)
    if refusal is not None:
        raise _refused(refusal, now_ns)
    venue.weights.ordered(account, number, now_ns)


def headers(venue: Venue, address: str, account: int | None) -> dict[str, str]:
    """Tell what an address used and, with an order's answer, how many orders its account sent."""
    now_ns = venue.now_ns()
    used = str(venue.weights.used_weight(address, now_ns))
    told = {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}
    if account is not None:
        few, many = venue.weights.used_orders(account, now_ns)
        told["X-MBX-ORDER-COUNT-10S"], told["X-MBX-ORDER-COUNT-1D"] = str(few), str(many)
    return told


def retry_header(refused: DialectError) -> dict[str, str]:
    """Tell when to come again."""
    return {} if refused.retry_after_s is None else {"Retry-After": str(refused.retry_after_s)}


def counts(venue: Venue, address: str, account: int | None) -> list[Json]:
    """List what was used as WebSocket answers do; orders only beside an order's answer."""
    now_ns, limits = venue.now_ns(), venue.config.limits
    used = venue.weights.used_weight(address, now_ns)
    weight: Json = {**words.rate_limit(words.WEIGHT, limits.weight_minute), "count": used}
    if account is None:
        return [weight]
    few, many = venue.weights.used_orders(account, now_ns)
    return [
        {**words.rate_limit(words.ORDERS_10S, limits.orders_10s), "count": few},
        {**words.rate_limit(words.ORDERS_DAY, limits.orders_day), "count": many},
        weight,
    ]


def _refused(refusal: Refusal, now_ns: int) -> DialectError:
    wait_s = max(1, -((now_ns - refusal.again_ns) // SECOND_NS))
    data = {"serverTime": now_ns // MS, "retryAfter": refusal.again_ns // MS}
    if refusal.rule == "ban":
        text = _BANNED.format(refusal.banned_until_ns // MS)
        return DialectError(-1003, text, 418, data, wait_s)
    code = {"connections": -1034, "orders_10s": -1015, "orders_day": -1015}.get(refusal.rule, -1003)
    return DialectError(code, _TEXTS[refusal.rule].format(refusal.limit), 429, data, wait_s)
