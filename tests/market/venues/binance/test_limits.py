"""The venue's limits are kept, its own counts believed, and its waits obeyed; cancels come last to stop."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from domain.errors import SwarmError
from domain.ids import client_id
from domain.order_events import FateUnknown, OrderAcked, OrderRefusedByVenue
from hw.clock import SystemClock, VirtualClock
from market.venues.binance.limits import (
    HOLD_S_MAX,
    KNOWN,
    Limits,
    RateLimit,
    answer_counts,
    answer_wait_s,
    held_until_ns,
    levels_for,
    priority_of,
    rules_of,
    weight_of,
)
from market.venues.binance.rest import RestClient
from market.venues.quota import Priority, Quotas
from tests.market.scripted_venue import Scripted, no, ok, scripted
from tests.market.venue_server import buy, in_loop, until, with_keys
from tests.market.venues.binance.test_gateway import placed

S_NS = 1_000_000_000
NOW = 1_000 * S_NS


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch)


def limits(orders: int = 10, weight: int = 100) -> Limits:
    told = [RateLimit("REQUEST_WEIGHT", "MINUTE", 1, weight), RateLimit("ORDERS", "SECOND", 10, orders)]
    return Limits(Quotas(), Scripted().config(), told)


def info(orders: int, weight: int = 6_000) -> dict[str, Any]:
    rows = [("REQUEST_WEIGHT", "MINUTE", 1, weight), ("ORDERS", "SECOND", 10, orders)]
    names = ("rateLimitType", "interval", "intervalNum", "limit")
    return {"rateLimits": [dict(zip(names, row, strict=True)) for row in rows]}


def ids(count: int, first: int = 0) -> Sequence[int]:
    return [client_id(1, 2, first + number) for number in range(count)]


def test_rules_come_from_what_the_venue_lists() -> None:
    odd = [
        RateLimit("RAW_REQUESTS", "MINUTE", 5, 61_000),
        RateLimit("ORDERS", "FORTNIGHT", 1, 5),
        RateLimit("ORDERS", "DAY", 0, 5),
        RateLimit("ORDERS", "DAY", 1, 0),
    ]
    assert [
        (rule.name, rule.limit, rule.span_ns // S_NS, rule.scope) for rule in rules_of([*KNOWN, *odd])
    ] == [
        ("REQUEST_WEIGHT_1M", 6_000, 60, "address"),
        ("ORDERS_10S", 100, 10, "account"),
        ("ORDERS_1D", 200_000, 86_400, "account"),
    ]


@pytest.mark.parametrize(
    ("path", "parameters", "weight"),
    [
        ("/api/v3/depth", {"limit": 100}, 5),
        ("/api/v3/depth", {"limit": 1_000}, 50),
        ("/api/v3/depth", {"limit": 9_000}, 250),
        ("/api/v3/openOrders", {}, 80),
        ("/api/v3/ping", {}, 1),
    ],
)
def test_a_call_weighs_what_the_venue_says(path: str, parameters: dict[str, str | int], weight: int) -> None:
    assert weight_of(path, parameters) == weight
    assert priority_of(path) == (Priority.DATA if path.endswith("depth") else Priority.HEDGE)


def test_orders_are_counted_after_they_left_and_only_so_many_may_leave_unasked() -> None:
    one = limits(orders=10)
    assert one.orders_left == 0
    one.refresh(NOW)
    assert one.orders_left == 8
    for _ in range(8):
        one.ordered(NOW)
    assert one.orders_left == 0 and one.quota.used("ORDERS_10S", NOW) == 8
    assert one.ask_order(Priority.NEW, NOW) > 0
    assert one.ask_order(Priority.HEDGE, NOW) == 0
    assert one.ask_order(Priority.HEDGE, NOW) > 0
    assert one.ask(1, Priority.CANCEL, NOW) == 0
    one.refresh(NOW + 11 * S_NS)
    assert one.orders_left == 8


def test_a_limit_on_orders_holds_orders_only_and_a_ban_holds_all() -> None:
    one = limits()
    one.refresh(NOW)
    one.hold(NOW + 5 * S_NS, orders_only=True)
    one.refresh(NOW + 1)
    assert one.orders_left == 0 and one.ask_order(Priority.NEW, NOW + 1) == 5 * S_NS - 1
    assert one.ask(1, Priority.CANCEL, NOW + 1) == 0
    one.hold(NOW + 9 * S_NS)
    one.refresh(NOW + 6 * S_NS)
    assert one.orders_left == 0 and one.ask(1, Priority.CANCEL, NOW + 6 * S_NS) == 3 * S_NS
    one.refresh(NOW + 9 * S_NS)
    assert one.orders_left == 8


def test_the_venues_own_counts_are_believed_unless_they_are_nonsense() -> None:
    one = limits(orders=10)
    one.told([("ORDERS_10S", 7), ("ORDERS_10S", -1), ("ORDERS_10S", 1 << 60), ("UNKNOWN_1M", 3)], NOW)
    one.refresh(NOW)
    assert one.orders_left == 1


def test_what_answers_tell_about_limits_is_read_or_passed_over() -> None:
    counted = [{**info(5)["rateLimits"][1], "count": 4}]
    assert answer_counts(msgspec.Raw(json.dumps(counted).encode())) == [("ORDERS_10S", 4)]
    assert answer_counts(msgspec.Raw(b'{"no":1}')) == [] == answer_counts(msgspec.Raw())
    assert answer_wait_s(msgspec.Raw(b'{"serverTime":1,"retryAfter":61500}'), 60_000) == 2
    assert answer_wait_s(msgspec.Raw(b'{"symbol":"X"}'), 0) is None
    assert held_until_ns(None, NOW) == NOW + 10 * S_NS
    assert held_until_ns(-5, NOW) == NOW
    assert held_until_ns(1 << 60, NOW) == NOW + HOLD_S_MAX * S_NS


@in_loop
async def test_new_orders_over_the_limit_are_not_sent_and_the_venue_tells_the_limit() -> None:
    async with scripted() as venue:
        venue.rest["/api/v3/exchangeInfo"] = lambda query: (200, info(orders=5))
        venue.orders["order.place"] = lambda request: [placed(request)]
        async with venue.venue() as (adapter, heard):
            for number in ids(6):
                adapter.send(number, buy(1_000, 200))
            await until(lambda: len(heard.of(OrderAcked)) == 4 and len(heard.of(OrderRefusedByVenue)) == 2)
            assert all("not sent: the rate limit" in event.text for event in heard.of(OrderRefusedByVenue))
            assert len(venue.asked("order.place")) == 4
        (asked,) = [query for path, query in venue.rest_calls if path.endswith("exchangeInfo")]
        assert asked == {"symbol": "BTCUSDT"}


@in_loop
async def test_an_order_that_the_venue_limits_is_unknown_and_no_other_leaves_until_its_time() -> None:
    async with scripted() as venue:
        many = {
            "code": -1015,
            "msg": "Too many new orders.",
            "data": {"serverTime": 1, "retryAfter": 1 << 42},
        }
        venue.orders["order.place"] = lambda request: [{"id": request["id"], "status": 429, "error": many}]
        venue.orders["order.cancel"] = lambda request: [no(request, 400, -2011)]
        async with venue.venue() as (adapter, heard):
            one, two = ids(2)
            adapter.send(one, buy(1_000, 200))
            await until(lambda: heard.of(FateUnknown))
            assert heard.of(FateUnknown)[0].client_id == one
            adapter.send(two, buy(1_000, 200))
            adapter.cancel(one, 0)
            await until(lambda: heard.of(OrderRefusedByVenue) and venue.asked("order.cancel"))
            assert heard.of(OrderRefusedByVenue)[0].client_id == two
            assert len(venue.asked("order.place")) == 1


@in_loop
async def test_a_ban_stops_cancels_and_queries_too_and_says_so() -> None:
    async with scripted() as venue:
        venue.orders["order.status"] = lambda request: [no(request, 418, -1003, "banned")]
        async with venue.venue() as (adapter, heard):
            one, two = ids(2)
            adapter.query(one, 0)
            await until(lambda: heard.of(FateUnknown))
            adapter.query(two, 0)
            adapter.cancel(two, 0)
            await until(lambda: len(heard.of(FateUnknown)) == 2)
            assert heard.of(FateUnknown)[1].reason == "cancel not sent: the rate limit is used up"
            assert len(venue.asked("order.status")) == 1 and not venue.asked("order.cancel")


@in_loop
async def test_counts_beside_an_answer_are_taken() -> None:
    async with scripted() as venue:
        venue.rest["/api/v3/exchangeInfo"] = lambda query: (200, info(orders=10))
        counted = [{**info(10)["rateLimits"][1], "count": 9}]
        venue.orders["order.place"] = lambda request: [{**ok(request, {"orderId": 7}), "rateLimits": counted}]
        async with venue.venue() as (adapter, heard):
            (one,) = ids(1)
            adapter.send(one, buy(1_000, 200))
            await until(lambda: heard.of(OrderAcked))
            limits_now = adapter.rest.limits
            await until(lambda: limits_now.orders_left < 0, "the next refresh")


@in_loop
async def test_rest_counts_weights_and_waits_its_turn() -> None:
    async with scripted() as venue:
        venue.rest["/api/v3/exchangeInfo"] = lambda query: (200, info(orders=10, weight=40))
        venue.rest["/api/v3/trades"] = lambda query: (200, [])
        clock = SystemClock()
        async with RestClient(venue.config(), clock, ("k", "s")) as rest:
            await rest.learn_limits("BTCUSDT")
            assert rest.limits.ask(25, Priority.DATA, clock.now_ns()) > 0
            assert rest.limits.ask(20, Priority.DATA, clock.now_ns()) == 0
            assert rest.limits.quota.used("REQUEST_WEIGHT_1M", clock.now_ns()) == 20


@in_loop
async def test_a_429_holds_what_comes_after_it_and_nonsense_about_it_is_passed_over() -> None:
    async with scripted() as venue:
        venue.rest["/api/v3/account"] = lambda query: (418, {"code": -1003, "msg": "banned"})
        clock = VirtualClock(NOW)
        async with RestClient(venue.config(rest_attempts=1), clock, ("k", "s")) as rest:
            with pytest.raises(SwarmError, match="is down"):
                await rest.get("/api/v3/account", sign=True)
            assert rest.limits.ask(1, Priority.CANCEL, NOW) == 10 * S_NS
        venue.rest["/api/v3/exchangeInfo"] = lambda query: (200, "nonsense")
        async with RestClient(venue.config(), clock, ("k", "s")) as rest:
            await rest.learn_limits("BTCUSDT")
            assert rest.limits.orders_left == 80


@in_loop
async def test_a_purge_takes_back_the_orders_that_wait_and_nothing_else() -> None:
    async with scripted() as venue, venue.venue() as (adapter, heard):
        gateway, (one, two, three) = adapter.gateway, ids(3)
        gateway.link.paused = True
        adapter.send(one, buy(1_000, 200))
        adapter.send(two, buy(1_000, 200))
        adapter.cancel(three, 0)
        assert gateway.purge() == [one, two] and gateway.purge() == []
        assert not heard.of(OrderRefusedByVenue), "an answer must not come before purge returns"
        gateway.link.paused = False
        gateway.link.on_resume()
        await until(lambda: len(heard.of(OrderRefusedByVenue)) == 2 and venue.asked("order.cancel"))
        told = heard.of(OrderRefusedByVenue)
        assert [(event.client_id, event.code, event.text) for event in told] == [
            (one, 1, "not sent: purged"),
            (two, 1, "not sent: purged"),
        ]
        assert not venue.asked("order.place")


@in_loop
async def test_orders_that_waited_for_the_socket_too_long_or_until_it_was_gone_were_never_sent() -> None:
    async with scripted() as venue, venue.venue(request_timeout_s=0.1) as (adapter, heard):
        link, (one, two) = adapter.gateway.link, ids(2)
        link.paused = True
        adapter.send(one, buy(1_000, 200))
        await until(lambda: heard.of(OrderRefusedByVenue))
        adapter.send(two, buy(1_000, 200))
        await venue.order_sockets[-1].close()
        await until(lambda: len(heard.of(OrderRefusedByVenue)) == 2)
        texts = [event.text for event in heard.of(OrderRefusedByVenue)]
        assert texts == ["not sent: its time was up", "not sent: the link was lost"]
        assert not heard.of(FateUnknown) and not venue.asked("order.place")


@pytest.mark.parametrize(("markets", "levels"), [(1, 1_000), (36, 1_000), (37, 500), (73, 100), (3_000, 100)])
def test_the_depth_of_snapshots_follows_their_weight(markets: int, levels: int) -> None:
    assert levels_for(markets) == levels


def test_a_thousand_books_are_asked_for_in_ninety_seconds() -> None:
    quota = Limits(Quotas(), Scripted().config()).quota
    now_ns, asked = 0, 0
    weight = weight_of("/api/v3/depth", {"limit": levels_for(1_000)})
    while asked < 1_000:
        wait_ns = quota.ask((("REQUEST_WEIGHT_1M", weight),), Priority.DATA, now_ns)
        now_ns += wait_ns
        asked += wait_ns == 0
    assert now_ns < 90e9


@in_loop
async def test_an_order_whose_figures_cannot_be_written_is_told_as_never_sent() -> None:
    async with scripted() as venue, venue.venue() as (adapter, heard):
        adapter.send(ids(1)[0], buy(1 << 63, 200))
        await until(lambda: heard.of(OrderRefusedByVenue))
        (refused,) = heard.of(OrderRefusedByVenue)
        assert refused.text == "not sent: its figures are too large to be written"
        assert not venue.asked("order.place")
