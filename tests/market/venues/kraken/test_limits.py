"""We count before Kraken does: calls by account, orders by market, cancels always."""

from __future__ import annotations

import pytest

from domain.ids import client_id
from domain.order_events import FateUnknown, OrderRefusedByVenue
from market.venues.kraken import rest
from market.venues.kraken.limits import (
    CALLS,
    INTERMEDIATE,
    PRO,
    STARTER,
    TRADING,
    call_costs,
    cancel_costs,
    quota_of,
    tier_of,
)
from market.venues.quota import Priority
from tests.market.venue_server import buy, in_loop, until
from tests.market.venues.kraken.scripted import Scripted, ok, report, scripted

S_NS = 1_000_000_000


def test_the_tier_is_known_by_its_largest_trading_count() -> None:
    assert [tier_of(most) for most in (60, 125, 180, 999, 1)] == [STARTER, INTERMEDIATE, PRO, PRO, STARTER]


def test_young_orders_cost_more_to_cancel() -> None:
    costs = [cancel_costs(age_s * S_NS)[0][1] for age_s in (0, 4, 5, 12, 44, 60, 299, 300)]
    assert costs == [8, 8, 6, 5, 4, 2, 1, 0]


def test_history_costs_two_and_tokens_go_first() -> None:
    assert call_costs("TradesHistory") == (((CALLS, 2),), Priority.NEW)
    assert call_costs("GetWebSocketsToken") == (((CALLS, 1),), Priority.CANCEL)
    assert call_costs("QueryOrders")[1] == Priority.HEDGE


def test_markets_are_counted_apart_and_counters_fall_with_time() -> None:
    quota = quota_of("x", "ours", STARTER)
    now_ns = 1_000 * S_NS
    sent = sum(quota.ask(((TRADING, 1),), Priority.NEW, now_ns, "0") == 0 for _ in range(100))
    assert sent == 48 and quota.ask(((TRADING, 1),), Priority.NEW, now_ns, "1") == 0
    assert quota.ask(((TRADING, 1),), Priority.HEDGE, now_ns, "0") == 0
    assert quota.ask(((TRADING, 1),), Priority.NEW, now_ns + 10 * S_NS, "0") == 0


def limited(venue: Scripted, most: int) -> None:
    venue.orders["subscribe"] = lambda request: [
        ok(request, channel="executions", maxratecount=most), report(1, flow="snapshot"),
    ]  # fmt: skip


@in_loop
async def test_orders_beyond_the_markets_limit_are_not_sent_and_cancels_are() -> None:
    async with scripted() as venue:
        limited(venue, 60)
        async with venue.venue(request_timeout_s=5.0) as (adapter, heard):
            for sequence in range(60):
                adapter.send(client_id(1, 1, sequence), buy(452_852, 120_000))
            adapter.send(client_id(1, 1, 99), buy(300_000, 12_000, instrument=1))
            for sequence in range(20):
                adapter.cancel(client_id(1, 1, sequence), 0)
            await until(
                lambda: len(heard.of(OrderRefusedByVenue)) == 12 and len(venue.asked("cancel_order")) == 20
            )
            assert "rate limit is used up" in heard.of(OrderRefusedByVenue)[0].text
            assert len(venue.asked("add_order")) == 49 and not heard.of(FateUnknown)


@in_loop
async def test_a_tier_that_is_told_takes_the_count_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "STARTER", STARTER)
    async with scripted() as venue, venue.client() as calls:
        for _ in range(3):
            await calls.private("BalanceEx")
        first = calls.quota
        calls.pace(STARTER)
        assert calls.quota is first
        calls.pace(PRO)
        assert calls.quota is not first and calls.quota.used(CALLS, calls.clock.now_ns()) == 3


@in_loop
async def test_calls_wait_for_their_turn_and_too_many_are_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted() as venue, venue.client(rest_attempts=1) as calls:

        async def full(*_: object) -> bool:
            return False

        monkeypatch.setattr(calls._turns, "take", full)
        with pytest.raises(Exception, match="too many calls wait"):
            await calls.private("BalanceEx")
        assert not venue.called("BalanceEx")
