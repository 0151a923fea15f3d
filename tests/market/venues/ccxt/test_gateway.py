"""Every answer, and every missing one, becomes exactly the event that it proves."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import ccxt
import pytest

from domain.ids import client_id, client_id_text
from domain.order import OrderIntent, OrderState, Side, TimeInForce
from domain.order_events import (
    CancelRefused,
    FateUnknown,
    OrderAcked,
    OrderClosed,
    OrderLinkLost,
    OrderLinkUp,
    OrderNotFound,
    OrderRefusedByVenue,
    OrderStatus,
)
from market.venues.ccxt import order_requests
from market.venues.ccxt.order_requests import NOT_SENT, REFUSED_CODE
from tests.market.venue_server import approved, buy, in_loop, until, with_keys
from tests.market.venues.ccxt.builders import ONE, SYMBOL, TWO, Script, order

KEYS = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def _keys(monkeypatch: KEYS) -> None:
    with_keys(monkeypatch)
    monkeypatch.setattr(order_requests, "ASK_AGAIN_S", 0.02)


def broken_answer() -> Exception:
    error: Exception = ccxt.ExchangeError("binance POST")
    error.__cause__ = aiohttp.ClientPayloadError("cut")
    return error


def named(value: object) -> str:
    return str(getattr(value, "__name__", repr(value)))


async def silence(*_: Any) -> None:
    await asyncio.sleep(30)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (ccxt.InsufficientFunds("no money"), OrderRefusedByVenue),
        (ccxt.InvalidOrder("EOrder:Post only order"), OrderRefusedByVenue),
        (ccxt.PermissionDenied("no"), OrderRefusedByVenue),
        (ccxt.RequestTimeout("late"), FateUnknown),
        (ccxt.ExchangeNotAvailable("503"), FateUnknown),
        (ccxt.RateLimitExceeded("429"), FateUnknown),
        (ccxt.InvalidNonce("time"), FateUnknown),
        (broken_answer(), FateUnknown),
        (KeyError("id"), FateUnknown),
        (silence, FateUnknown),
        ({"no": "id"}, FateUnknown),
        (None, FateUnknown),
    ],
    ids=named,
)
def test_an_answer_to_an_order_is_no_more_than_it_proves(monkeypatch: KEYS, answer: Any, kind: type) -> None:
    @in_loop
    async def run() -> None:
        script = Script(create_order=answer)
        async with script.venue(monkeypatch) as (venue, heard):
            heard.clear()
            venue.send(ONE, buy(5_000_000, 200))
            await until(lambda: heard)
            (event,) = heard.of(kind)
            assert len(heard) == 1 and event.client_id == ONE
            assert getattr(event, "code", REFUSED_CODE) == REFUSED_CODE

    run()


@pytest.mark.parametrize(
    ("tif", "kind", "price", "extra"),
    [
        (TimeInForce.GTC, "limit", "50000.00", {"timeInForce": "GTC"}),
        (TimeInForce.IOC, "limit", "50000.00", {"timeInForce": "IOC"}),
        (TimeInForce.FOK, "limit", "50000.00", {"timeInForce": "FOK"}),
        (TimeInForce.POST, "limit", "50000.00", {"postOnly": True}),
        (TimeInForce.MARKET, "market", None, {}),
    ],
)
def test_an_order_goes_out_in_texts(
    monkeypatch: KEYS, tif: TimeInForce, kind: str, price: str | None, extra: dict[str, Any]
) -> None:
    @in_loop
    async def run() -> None:
        script = Script(create_order={"id": "77"})
        async with script.venue(monkeypatch) as (venue, heard):
            venue.send(ONE, buy(5_000_000, 200, tif))
            await until(lambda: heard.of(OrderAcked))
        sent = (SYMBOL, kind, "buy", "0.00200", price, {**extra, "clientOrderId": client_id_text(ONE)})
        assert script.asked("create_order") == [sent]

    run()


@in_loop
async def test_a_duplicate_id_says_that_it_is_there_and_is_asked_for() -> None:
    with KEYS.context() as monkeypatch:
        script = Script(create_order=ccxt.InvalidOrder("duplicate"), fetch_open_orders=[order()])
        async with script.venue(monkeypatch) as (venue, heard):
            venue.send(ONE, buy(5_000_000, 200))
            await until(lambda: heard.of(OrderStatus))
            assert len(heard.of(OrderAcked)) == 1 and not heard.of(OrderRefusedByVenue)
            status = heard.of(OrderStatus)[0]
            assert (status.state, status.venue_order_id) == (OrderState.OPEN, 77)


@in_loop
async def test_an_answer_that_tells_the_end_at_once_is_told_whole() -> None:
    with KEYS.context() as monkeypatch:
        script = Script(create_order=order(status="expired", clientOrderId=None))
        async with script.venue(monkeypatch) as (venue, heard):
            venue.send(ONE, buy(5_000_000, 200, TimeInForce.IOC))
            await until(lambda: heard.of(OrderClosed))
            assert heard.of(OrderAcked)[0].venue_order_id == 77
            assert heard.of(OrderClosed)[0].state == OrderState.EXPIRED


@in_loop
async def test_a_limit_that_an_order_meets_holds_everything_back_as_long_as_told() -> None:
    with KEYS.context() as monkeypatch:
        script = Script(create_order=ccxt.RateLimitExceeded("429"), cancel_order={"id": "77"})
        script.headers = {"retry-After": "7"}
        async with script.venue(monkeypatch) as (venue, heard):
            began_ns = venue.gateway._clock.now_ns()
            venue.send(ONE, buy(5_000_000, 200))
            await until(lambda: heard.of(FateUnknown))
            until_ns = venue._client.gate.quota._address.held_until_ns
            assert 6.9e9 < until_ns - began_ns < 7.5e9
            venue.send(TWO, buy(5_000_000, 200))
            venue.cancel(ONE, 0)
            await until(lambda: heard.of(OrderRefusedByVenue) and len(heard.of(FateUnknown)) == 2)
            refused = heard.of(OrderRefusedByVenue)[0]
            assert (refused.client_id, refused.code) == (TWO, NOT_SENT) and "not sent" in refused.text
            assert len(script.asked("create_order")) == 1 and not script.asked("cancel_order")


@in_loop
async def test_where_the_exchange_names_no_time_a_limit_holds_for_ten_seconds() -> None:
    with KEYS.context() as monkeypatch:
        script = Script(create_order=ccxt.DDoSProtection("418"))
        script.headers = {"Retry-After": "soon"}
        async with script.venue(monkeypatch) as (venue, heard):
            began_ns = venue.gateway._clock.now_ns()
            venue.send(ONE, buy(5_000_000, 200))
            await until(lambda: heard.of(FateUnknown))
            assert 9.9e9 < venue._client.gate.quota._address.held_until_ns - began_ns < 10.5e9


@in_loop
async def test_cancels_have_a_reserve_that_new_orders_leave_alone() -> None:
    with KEYS.context() as monkeypatch:
        script = Script(create_order={"id": "77"}, cancel_order=order(status="canceled"))
        async with script.venue(monkeypatch) as (venue, heard):
            script.cost = 0.08 * 150_000
            for sequence in range(1, 20):
                venue.send(client_id(3, 2, sequence), buy(5_000_000, 200))
            await until(lambda: len(heard.of(OrderAcked)) + len(heard.of(OrderRefusedByVenue)) == 19)
            assert 8 <= len(heard.of(OrderAcked)) <= 10
            assert {refused.code for refused in heard.of(OrderRefusedByVenue)} == {NOT_SENT}
            venue.cancel(ONE, 0)
            await until(lambda: heard.of(OrderClosed))
            assert len(script.asked("create_order")) == len(heard.of(OrderAcked))


@in_loop
async def test_orders_in_line_are_taken_back_when_purged_and_the_one_that_left_is_not() -> None:
    with KEYS.context() as monkeypatch:
        left = asyncio.Event()

        async def slow(*_: Any) -> dict[str, str]:
            left.set()
            await asyncio.sleep(0.05)
            return {"id": "77"}

        script = Script(create_order=slow)
        async with script.venue(monkeypatch) as (venue, heard):
            venue.send(ONE, buy(5_000_000, 200))
            await left.wait()
            venue.send(TWO, buy(5_000_000, 200))
            await asyncio.sleep(0)
            late = client_id(3, 2, 3)
            venue.send(late, buy(5_000_000, 200))
            assert venue.gateway.purge() == [TWO, late] and venue.gateway.purge() == []
            await until(lambda: heard.of(OrderAcked) and len(heard.of(OrderRefusedByVenue)) == 2)
            assert [(one.client_id, one.code) for one in heard.of(OrderRefusedByVenue)] == [
                (TWO, NOT_SENT),
                (late, NOT_SENT),
            ]
            assert [one.client_id for one in heard.of(OrderAcked)] == [ONE]
            await until(lambda: venue.gateway._working == 0)
            assert venue.gateway._placing == {} and len(script.asked("create_order")) == 1
            assert venue.gateway._submitting == {0: 0}


@in_loop
async def test_an_order_that_stood_in_line_for_too_long_was_never_sent() -> None:
    with KEYS.context() as monkeypatch:
        script = Script(create_order=silence)
        async with script.venue(monkeypatch) as (venue, heard):
            venue.send(ONE, buy(5_000_000, 200))
            await asyncio.sleep(0.03)
            hedge = OrderIntent(0, 0, int(Side.SELL), int(TimeInForce.GTC), 1, 1, reduce_only=True)
            venue.send(TWO, approved(hedge))
            third = client_id(3, 2, 3)
            venue.send(third, buy(5_000_000, 200))
            await until(lambda: heard.of(OrderRefusedByVenue))
            assert heard.of(OrderRefusedByVenue)[0].client_id == third
            await until(lambda: len(heard.of(FateUnknown)) == 2)
            assert {one.client_id for one in heard.of(FateUnknown)} == {ONE, TWO}
            assert len(script.asked("create_order")) == 2


@in_loop
async def test_without_room_or_link_orders_are_refused_and_cancels_unknown() -> None:
    with KEYS.context() as monkeypatch:
        script = Script(create_order=silence)
        async with script.venue(monkeypatch, in_flight_max=1) as (venue, heard):
            venue.send(ONE, buy(5_000_000, 200))
            venue.send(TWO, buy(5_000_000, 200))
            venue.query(ONE, 0)
            venue.query(ONE, 0)
            venue.cancel(ONE, 0)
            await until(lambda: heard.of(OrderRefusedByVenue) and heard.of(FateUnknown))
            assert heard.of(OrderRefusedByVenue)[0].code == NOT_SENT
            script.tell("watch_orders", ccxt.NetworkError("cut"))
            script.answers["fetch_balance"] = ccxt.NetworkError("down")
            await until(lambda: heard.of(OrderLinkLost))
            heard.clear()
            venue.send(TWO, buy(5_000_000, 200))
            venue.cancel(TWO, 0)
            venue.query(TWO, 0)
            await until(lambda: len(heard) >= 2)
            assert {type(event) for event in heard} <= {OrderRefusedByVenue, FateUnknown}
            assert heard.of(OrderRefusedByVenue)[0].text == "not sent: order link is down"


@in_loop
async def test_orders_in_line_are_taken_back_when_the_link_is_lost() -> None:
    with KEYS.context() as monkeypatch:
        script = Script(create_order=silence)
        async with script.venue(monkeypatch) as (venue, heard):
            venue.send(ONE, buy(5_000_000, 200))
            await asyncio.sleep(0.02)
            venue.send(TWO, buy(5_000_000, 200))
            await asyncio.sleep(0)
            script.tell("watch_orders", ccxt.NetworkError("cut"))
            await until(lambda: heard.of(OrderRefusedByVenue) and heard.of(FateUnknown))
            assert heard.of(OrderRefusedByVenue)[0].text == "not sent: the link was lost"
            assert len(script.asked("create_order")) == 1
            await until(lambda: len(heard.of(OrderLinkUp)) == 2)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (order(status="canceled"), OrderClosed),
        (order(status="expired", filled=0.001), OrderClosed),
        (ccxt.OrderNotFound("gone"), CancelRefused),
        (ccxt.InvalidOrder("filled"), CancelRefused),
        (ccxt.RequestTimeout("late"), FateUnknown),
        (silence, FateUnknown),
    ],
    ids=named,
)
def test_an_answer_to_a_cancel_is_no_more_than_it_proves(monkeypatch: KEYS, answer: Any, kind: type) -> None:
    @in_loop
    async def run() -> None:
        script = Script(cancel_order=answer)
        async with script.venue(monkeypatch) as (venue, heard):
            heard.clear()
            venue.cancel(ONE, 0)
            await until(lambda: heard)
            assert [type(event) for event in heard] == [kind]
            named = (None, SYMBOL, {"clientOrderId": client_id_text(ONE)})
            assert script.asked("cancel_order") == [named]

    run()


@in_loop
async def test_a_cancel_that_only_says_its_id_is_followed_up_where_no_stream_tells_the_rest() -> None:
    with KEYS.context() as monkeypatch:
        script = Script(
            create_order={"id": "77"}, cancel_order={"id": "77"}, fetch_order=order(status="canceled")
        )
        script.has["watchOrders"] = False
        async with script.venue(monkeypatch) as (venue, heard):
            venue.send(ONE, buy(5_000_000, 200))
            await until(lambda: heard.of(OrderAcked))
            venue.cancel(ONE, 0)
            await until(lambda: heard.of(OrderStatus))
            assert heard.of(OrderStatus)[0].state == OrderState.CANCELLED
            assert script.asked("cancel_order") == [("77", SYMBOL)]


@pytest.mark.parametrize(
    ("answers", "lacks", "kind"),
    [
        ({"fetch_closed_orders": [order(status="closed", filled=0.002)]}, (), OrderStatus),
        ({}, (), OrderNotFound),
        ({}, ("fetchClosedOrders",), FateUnknown),
        ({"fetch_closed_orders": [order(clientOrderId="x", timestamp=1 << 41)] * 50}, (), FateUnknown),
        ({"fetch_closed_orders": [order(clientOrderId="x", timestamp=1)] * 50}, (), OrderNotFound),
        ({"fetch_open_orders": ccxt.ExchangeNotAvailable("503")}, (), FateUnknown),
        ({"fetch_open_orders": [order(status="dancing")]}, (), FateUnknown),
        ({"fetch_open_orders": [None]}, (), FateUnknown),
        ({"fetch_open_orders": ccxt.BadSymbol("x")}, (), FateUnknown),
    ],
    ids=str,
)
def test_an_order_is_not_there_only_where_every_list_says_so(
    monkeypatch: KEYS, answers: dict[str, Any], lacks: tuple[str, ...], kind: type
) -> None:
    @in_loop
    async def run() -> None:
        script = Script(**answers)
        script.has.update(dict.fromkeys(lacks, False))
        async with script.venue(monkeypatch) as (venue, heard):
            heard.clear()
            venue.query(ONE, 0)
            await until(lambda: heard)
            assert [type(event) for event in heard] == [kind]

    run()


@in_loop
async def test_an_order_that_comes_late_is_found_before_it_is_called_unknown() -> None:
    with KEYS.context() as monkeypatch:
        script = Script(create_order=ccxt.RequestTimeout("late"))
        async with script.venue(monkeypatch) as (venue, heard):
            venue.send(ONE, buy(5_000_000, 200))
            await until(lambda: heard.of(FateUnknown))
            venue.query(ONE, 0)
            await until(lambda: len(script.asked("fetch_closed_orders")) >= 2)
            assert not heard.of(OrderNotFound)
            script.answers["fetch_open_orders"] = [order()]
            await until(lambda: heard.of(OrderStatus))
            assert heard.of(OrderStatus)[0].state == OrderState.OPEN and not heard.of(OrderNotFound)


@in_loop
async def test_an_order_that_its_id_does_not_find_any_more_is_looked_for_by_name() -> None:
    with KEYS.context() as monkeypatch:
        script = Script("binance", create_order={"id": "77"})
        script.answers |= {"sapi_get_account_apirestrictions": {"enableWithdrawals": False}}
        found = {"77": ccxt.OrderNotFound("gone"), None: order(status="canceled")}
        script.answers["fetch_order"] = lambda text, *_: found[text]
        async with script.venue(monkeypatch) as (venue, heard):
            venue.send(ONE, buy(5_000_000, 200))
            await until(lambda: heard.of(OrderAcked))
            venue.query(ONE, 0)
            await until(lambda: heard.of(OrderStatus))
            assert heard.of(OrderStatus)[0].state == OrderState.CANCELLED
            assert [asked[0] for asked in script.asked("fetch_order")] == ["77", None]
